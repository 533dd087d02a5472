"""Layer classes as people write them: where results are, what methods take, what an object remembers."""

from types import SimpleNamespace

import numpy as np
import pytest
from backproof import Head, Layer, Layout, layers, pair, verify
from backproof.plug.contract import AdapterError, BrokenContract
from backproof.plug.implementing import claims_of
from backproof.plug.layer_rows import put
from backproof.plug.signatures import Call, call, look_up
from backproof.plug.subject import subject_of
from backproof.reference import Case, DescriptionError, evaluate, parse

MAPPED = {"parameters": {"weight": "W", "bias": "b"}, "gradients": {"weight": "dW", "bias": "db"}}
HELD = {"parameters": MAPPED["parameters"]}


def network(activation="identity", loss="squared_error", **options):
    return parse.network({"format": 1, "input_shape": [3], "layers": [
        {"kind": "dense", "units": 2}, {"kind": "activation", "function": activation},
        {"kind": "dense", "units": 3}], "loss": {"kind": loss, "reduction": "mean_over_batch", **options}})


def a_case(net=None, batch=4, seed=0, index=False):
    rng = np.random.default_rng(seed)
    shapes = {"0.weight": (3, 2), "0.bias": (2,), "2.weight": (2, 3), "2.bias": (3,)}
    inputs, targets = rng.normal(size=(2, batch, 3))
    targets = rng.integers(0, 3, batch) if index else targets
    return Case(net or network(), {name: rng.normal(size=shape) for name, shape in shapes.items()}, inputs, targets)


def agrees(target, case=None, bound=1e-12):
    case = case or a_case()
    answer, wanted = subject_of(target).engine(case), evaluate(case)
    assert abs(answer.loss - wanted.loss) <= bound * abs(wanted.loss)
    for name, gradient in wanted.gradients.items():
        if name in answer.gradients:
            assert np.abs(answer.gradients[name] - gradient).max() <= bound * np.abs(gradient).max(), name
    assert set(case.parameters) <= set(answer.gradients)


def says(target, message, error=AdapterError, case=None):
    with pytest.raises(error, match=message):
        subject_of(target).engine(case or a_case())


# --- a class, and its habits by changing a method ----------------------------------------------------------------


class Plain:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.ones((n_in, n_out)), np.ones(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW, self.db = self.x.T @ dy, dy.sum(0)
        return dy @ self.W.T


def having(**methods):
    return type("Dense", (Plain,), methods)


def left_forward(self, x):
    self.output = Plain.forward(self, x)


def left_backward(self, dy):
    self.dinputs = Plain.backward(self, dy)


def returning(self, dy):
    dx = Plain.backward(self, dy)
    return dx, self.__dict__.pop("dW"), self.__dict__.pop("db")


def with_dictionary(self, dy):
    dx, dw, db = returning(self, dy)
    return dx, {"w": dw, "list": [db]}


def flagged(self, x, training):
    assert training is True
    return Plain.forward(self, x)


def updating(self, dy, rate):
    dx, dw, db = returning(self, dy)
    self.W -= rate * dw
    self.b -= rate * db
    return dx


def collecting(self, dy):
    dx, self.w, self.c = returning(self, dy)
    return dx


def step(self, rate):
    self.W, self.b = self.W - rate * self.w, self.b - rate * self.c


def cached(self, x):
    return x @ self.W + self.b, (x,)


def of_cache(self, dy, cache):
    self.x, = cache
    return Plain.backward(self, dy)


class Given:
    def __init__(self, W, b):
        self.W, self.b = W, b

    forward, backward = Plain.forward, Plain.backward


HABITS = {
    "attributes": Layer(having(forward=left_forward, backward=left_backward), **MAPPED,
                        forward="forward(x) -> self.output", backward="backward(dy) -> self.dinputs"),
    "a tuple": Layer(having(backward=returning), **HELD, backward="backward(dy) -> dx, weight, bias"),
    "a tuple, other names": Layer(having(backward=returning), **MAPPED, backward="backward(dy) -> dx, dW, db"),
    "a dictionary": Layer(having(backward=with_dictionary), MAPPED["parameters"],
                          {"weight": "grads.w", "bias": "grads.list.0"}, backward="backward(dy) -> dx, grads"),
    "a flag": Layer(having(forward=flagged), **MAPPED, forward="forward(x, training)"),
    "an update": Layer(having(backward=updating), **HELD, backward="backward(dy, rate)"),
    "an update of its own": Layer(having(backward=collecting, step=step), **HELD, update="step(rate)"),
    "a cache": Layer(having(forward=cached, backward=of_cache), **MAPPED, forward="forward(x) -> y, cache",
                     backward="backward(dy, cache)"),
    "arguments": Layer(Given, gradients=MAPPED["gradients"], arguments=("weight", "bias")),
    "x and an attribute": Layer(having(backward=lambda self, x, w, dy: Plain.backward(self, dy)), **MAPPED,
                                backward="backward(x, self.W, dy) -> dx"),
}


@pytest.mark.parametrize("habit", HABITS)
def test_a_class_with_the_habit_is_right(habit):
    target = layers(dense=HABITS[habit], hidden=["identity"])
    for case in (a_case(), a_case(batch=1, seed=1), a_case()):
        agrees(target, case, 1e-12 if claims_of(target).rate is None else 1e-10)


def test_a_class_that_updates_claims_a_rate():
    assert claims_of(layers(dense=HABITS["an update"], hidden=["identity"])).rate == 0.5
    assert claims_of(layers(dense=HABITS["an update"], hidden=["identity"], rate=0.1)).rate == 0.1
    assert claims_of(layers(dense=HABITS["a tuple"], hidden=["identity"])).rate is None


@pytest.mark.parametrize("rate", [1e-3, 100.0])
def test_a_right_update_conforms_at_every_rate(rate):
    report = verify(layers(dense=HABITS["an update"], hidden=["identity"], rate=rate), examples=30, oracles=["torch"])
    assert (report.verdict, report.findings) == ("conforms", [])


# --- losses, pairs, models ---------------------------------------------------------------------------------------


class PerExample:
    def forward(self, p, t):
        return ((p - t) ** 2).sum(axis=1)

    def backward(self, p, t):
        self.dinputs = 2 * (p - t) / len(p)


class Careless(PerExample):
    def forward(self, p, t):
        return 17.0


def both(p, t):
    return ((p - t) ** 2).sum() / len(p), 2 * (p - t) / len(p)


LOSSES = {
    "one number an example": Layer(PerExample, reduce="sum", backward="backward(p, t) -> self.dinputs"),
    "the declared loss in its place": Layer(Careless, own_loss=False, backward="backward(p, t) -> self.dinputs"),
    "one function": pair(both),
    "two functions": pair(lambda t, p: both(p, t)[0], lambda t, p: both(p, t)[1], forwards="(t, p) -> loss",
                          backwards="(t, p) -> dp"),
}


@pytest.mark.parametrize("habit", LOSSES)
def test_a_loss_with_the_habit_is_right(habit):
    scale = len(a_case().inputs) if habit == "one number an example" else 1
    case, target = a_case(), layers(dense=Layer(Plain, **MAPPED), hidden=["identity"], squared_error=LOSSES[habit])
    answer, wanted = subject_of(target).engine(case), evaluate(case)
    assert answer.loss == pytest.approx(scale * wanted.loss, rel=1e-12)
    for name, gradient in wanted.gradients.items():
        assert np.allclose(answer.gradients[name], gradient, rtol=1e-12, atol=0.0)


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy, dy.sum(axis=0)


def relu_backward(dy, x):
    return dy * (x > 0)


def softmax_loss(z, y):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = -np.log(p[rows, y]).sum() / len(y)
    p[rows, y] -= 1
    return loss, p / len(y)


def test_pairs_of_functions_are_layers():
    target = layers(dense=pair(affine_forward, affine_backward, "weight", "bias"),
                    relu=pair(lambda x: np.maximum(x, 0), relu_backward, forwards="(x) -> y",
                              backwards="(dy, x) -> dx"),
                    softmax_cross_entropy=pair(softmax_loss),
                    heads=[Head("identity", "softmax_cross_entropy", targets="index")])
    agrees(target, a_case(network("relu", "softmax_cross_entropy"), index=True))
    assert subject_of(target).source.startswith(f"{__file__}:")
    assert subject_of(target).name == "layers(affine, forward, softmax_loss)"


class Sequential:
    def __init__(self, parts):
        self.parts = parts

    def forward(self, x):
        for part in self.parts:
            x = part.forward(x)
        self.p = x
        return x

    def loss(self, t):
        return ((self.p - t) ** 2).sum() / len(t)

    def backward(self, t):
        d = 2 * (self.p - t) / len(t)
        for part in reversed(self.parts):
            d = part.backward(d)
        return d


class Doubling(Sequential):
    def backward(self, t):
        d = 2 * (self.p - t) / len(t)
        for part in reversed(self.parts):
            d = 2 * part.backward(d)
        return d


def sequential(cls):
    return layers(dense=Layer(Plain, **MAPPED), hidden=["identity"],
                  model=Layer(cls, loss="loss(t)", backward="backward(t) -> dx"))


def test_a_model_goes_its_own_way():
    agrees(sequential(Sequential))
    with pytest.raises(AssertionError):
        agrees(sequential(Doubling))


def divided(self, dy):
    dx = Plain.backward(self, dy)
    self.dW, self.db = self.dW / len(dy), self.db / len(dy)
    return dx


def test_classes_that_divide_by_the_batch_themselves():
    agrees(layers(dense=Layer(having(backward=divided), **MAPPED, averages=True), hidden=["identity"]))
    with pytest.raises(AssertionError):
        agrees(layers(dense=Layer(having(backward=divided), **MAPPED), hidden=["identity"]))


# --- what an object remembers ------------------------------------------------------------------------------------


def accumulating(self, dy):
    before = getattr(self, "dW", 0), getattr(self, "db", 0)
    dx = Plain.backward(self, dy)
    self.dW, self.db = before[0] + self.dW, before[1] + self.db
    return dx


def zero_grad(self):
    self.dW = self.db = 0


def test_an_object_is_asked_again():
    report = verify(layers(dense=Layer(having(backward=accumulating), **MAPPED), hidden=["identity"]), examples=30,
                    oracles=["torch"])
    assert report.verdict == "does_not_conform"
    assert report.findings[0].faults[0] == "gradients-accumulate"


def test_what_accumulates_until_it_is_reset_is_right():
    target = layers(dense=Layer(having(backward=accumulating, zero_grad=zero_grad), **MAPPED, reset="zero_grad"),
                    hidden=["identity"])
    for _ in range(3):
        agrees(target)


def test_objects_of_a_few_networks_are_kept():
    made = []

    def make(n, m):
        made.append((n, m))
        return Plain(n, m)

    target = layers(dense=Layer(make=make, **MAPPED), hidden=["identity"])
    for _ in range(3):
        agrees(target)
    assert made == [(3, 2), (2, 3)]


# --- which layer is wrong ----------------------------------------------------------------------------------------


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y**2)


class Wrong(Tanh):
    def backward(self, dy):
        return dy * (1 - self.y)


def alone(**rows):
    report = verify(layers(**rows), examples=20, oracles=["torch"])
    return [str(note) for note in report.notes if note.kind.value == "layers_alone"]


DENSE = Layer(Plain, **MAPPED)
DOUBLED = Layer(having(backward=lambda self, dy: 2 * Plain.backward(self, dy)), **MAPPED)
HALVED = pair(lambda p, t: (both(p, t)[0], both(p, t)[1] / 2))


@pytest.mark.parametrize(("rows", "said"), [
    ({"dense": DENSE, "tanh": Layer(Wrong)}, "Wrong is wrong (dx); Plain is right"),
    ({"dense": DOUBLED, "tanh": Layer(Tanh)}, "Dense is wrong (dx); Tanh is right"),
    ({"dense": DENSE, "tanh": Layer(Tanh), "squared_error": HALVED},
     "Plain and Tanh are right, so it is the way through them or the loss"),
])
def test_the_class_that_is_wrong_is_told(rows, said):
    assert alone(**rows) == [f"each layer asked alone, with a random delta: {said}"]


def test_no_class_is_told_where_all_are_right():
    assert alone(dense=DENSE, tanh=Layer(Tanh)) == []


# --- bad input ---------------------------------------------------------------------------------------------------


def dense(cls=Plain, **said):
    return layers(dense=Layer(cls, **(MAPPED | said)), hidden=["identity"])


class Asking:
    def __init__(self, n_in, n_out, activation):
        pass


@pytest.mark.parametrize(("target", "message"), [
    (dense(Asking), r"Asking\(n_in, n_out, activation\) is given 2 arguments: name what it takes, among .*, in "
                    r"Layer\(arguments=\(...\)\), or write make=lambda n_in, n_out: Asking\(...\)"),
    (dense(having(forward=left_forward)),
     r"Dense.forward returned None; does it leave its result in an attribute \(there are self.output\)\? "
     r"Write Layer\(forward='forward\(x\) -> self.output'\)"),
    (dense(having(backward=left_backward)), r"Dense.backward returned None; .*self.dinputs.*"
                                            r"Write Layer\(backward='backward\(dy\) -> self.dinputs'\)"),
    (dense(having(backward=returning)), r"Dense.backward returned a tuple of 3; name its parts, for example "
                                        r"Layer\(backward='backward\(dy\) -> dx, weight, bias'\)"),
    (dense(having(backward=updating)), r"Dense.backward\(dy, rate\) is given 1 argument: write, for example, "
                                       r"Layer\(backward='backward\(dy, rate\) -> dx'\)"),
    (dense(backward="backward(dy) -> dx, dW, db"), "Plain.backward returned a ndarray; written is that it gives 3"),
    (dense(forward="forward(x, trainin)"), "Plain.forward is to take 'trainin'; known here are: training"),
    (dense(backward="backward(self.y)"), "no attribute 'y' in 'y'; there is: W, b"),
    (dense(forward="forward(x) -> self.out"), "Plain after forward: no attribute 'out' in 'out'; there is: W"),
    (dense(reset="zero_grad"), "Plain has no method 'zero_grad'"),
])
def test_an_adapter_that_does_not_fit_says_what_to_write(target, message):
    says(target, message)


@pytest.mark.parametrize(("said", "message"), [
    ({"backward": "backward(dy"}, r"backward='backward\(dy' is no call; wanted .* 'backward\(dy\) -> dx'"),
    ({"forward": "forward(x) -> y.z"}, "'y.z' is no name; wanted names such as x, and self.output"),
    ({"forward": 3}, "forward=3 is no call"),
    ({"reduce": "average"}, "reduce: unknown 'average'"),
    ({"gradients": {}}, r"gradients none; wanted the same names in both, or backward=\"backward\(dy, rate\) -> dx\""),
])
def test_a_row_that_cannot_be_is_refused_at_once(said, message):
    with pytest.raises(DescriptionError, match=message):
        dense(**said)


def test_an_adapter_that_does_not_fit_is_not_judged():
    report = verify(dense(having(forward=left_forward)), examples=5)
    assert report.verdict == "not_judged"
    assert "Write Layer(forward='forward(x) -> self.output')" in report.reason


def summed_over_units(self, dy):
    dx = Plain.backward(self, dy)
    self.db = self.db.sum()
    return dx


def test_a_wrong_shape_is_told_where_it_is_and_known_by_what_it_is():
    row = Layer(having(backward=summed_over_units), **MAPPED)
    engine = subject_of(layers(dense=row, hidden=["identity"])).engine
    with pytest.raises(BrokenContract) as caught:
        engine(a_case())
    assert caught.value.message.startswith("layer 0: Dense.db of shape () where (2,) is wanted")
    assert caught.value.broken == ("shape", "0.bias: ()")


# --- calls -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "wanted"), [
    ("run", Call("run", ("x",), ("y",))), ("run()", Call("run", (), ("y",))),
    (" run( x ,w )->y,cache ", Call("run", ("x", "w"), ("y", "cache"))),
    ("run(x) -> self.a.0, w", Call("run", ("x",), ("self.a.0", "w"))),
])
def test_a_call_is_read(text, wanted):
    assert call("forward", text, ("x",), ("y",)) == wanted
    assert call("forward", str(wanted), (), ()) == wanted


def test_paths_lead_into_lists_and_dictionaries():
    held = SimpleNamespace(grads={"list": [1, {"b": 2}]})
    assert look_up(held, "grads.list.1.b", "here") == 2
    put(held, "grads.list.0", 7)
    assert held.grads["list"][0] == 7
    with pytest.raises(DescriptionError, match="here: no attribute '5'"):
        look_up(held, "grads.list.5", "here")


def test_a_layout_is_kept_with_the_habits():
    def columns(self, x):
        self.x = x
        self.output = self.W @ x + self.b

    def back(self, dy, rate):
        self.dinputs = self.W.T @ dy
        self.W -= rate * dy @ self.x.T
        self.b -= rate * dy.sum(axis=1, keepdims=True)

    cls = having(__init__=lambda self, n, m: self.__dict__.update(W=np.ones((m, n)), b=np.ones((m, 1))),
                 forward=columns, backward=back)
    row = Layer(cls, **HELD, layout=Layout("out_in", "column", "columns"), forward="forward(x) -> self.output",
                backward="backward(dy, rate) -> self.dinputs")
    agrees(layers(dense=row, hidden=["identity"]), bound=1e-10)


@pytest.mark.parametrize(("name", "message"), [
    ("mse", "layers: 'mse' is called 'squared_error' here; write squared_error=Layer(Anything, ...)"),
    ("linear", "layers: 'linear' is called 'dense' here; write dense=Layer(Anything, ...)"),
    ("swish", "layers: 'swish' is called 'silu' here; write silu=Layer(Anything, ...)")])
def test_a_class_under_another_name_is_told_the_name(name, message):
    class Anything:
        """Nothing is asked of it."""

    with pytest.raises(DescriptionError) as error:
        layers(**{name: Layer(Anything)})
    assert str(error.value) == message
