"""Plugging in: the decorator, the contract breach by breach, layouts both ways, layer classes."""

import functools
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from backproof.plug.contract import BrokenContract, Declined
from backproof.plug.implementing import claims_of, implementation
from backproof.plug.layer_classes import Layer, layers
from backproof.plug.layouts import Layout, Say
from backproof.plug.subject import Subject, subject_of
from backproof.properties.claims import EVERYTHING, Claims, Head
from backproof.reference import Case, DescriptionError, evaluate, parse

EXAMPLES = Path(__file__).parent / "examples"
BATCH = 4


def network(activation="tanh", loss="squared_error", reduction="mean", bias=True, **options):
    """3 -> 2 -> 3, one hidden activation."""
    return parse.network({
        "format": 1, "input_shape": [3], "layers": [
            {"kind": "dense", "units": 2, "bias": bias}, {"kind": "activation", "function": activation, **options},
            {"kind": "dense", "units": 3, "bias": bias}],
        "loss": {"kind": loss, "reduction": reduction}})


def a_case(net=None, batch=BATCH, dtype="float64", seed=0):
    net, rng = net or network(), np.random.default_rng(seed)
    shapes = {"0.weight": (3, 2), "0.bias": (2,), "2.weight": (2, 3), "2.bias": (3,)}
    shapes = {name: shape for name, shape in shapes.items() if net.layers[0].options["bias"] or "bias" not in name}
    inputs, targets = rng.normal(size=(2, batch, 3)).astype(dtype)
    return Case(net, {k: rng.normal(size=s).astype(dtype) for k, s in shapes.items()}, inputs, targets, dtype)


def right(net, parameters, inputs, targets):
    answer = evaluate(Case(net, parameters, inputs, targets, str(inputs.dtype)))
    return float(answer.loss), dict(answer.gradients)


def but(**changes):
    """The right answer with some gradients changed: a value, or a function of the right one; None in `drop` removes."""
    def backprop(net, parameters, inputs, targets):
        loss, gradients = right(net, parameters, inputs, targets)
        for key, value in changes.items():
            name = key.replace("_", ".")
            gradients[name] = value(gradients.get(name)) if callable(value) else value
        return loss, gradients
    return backprop


def breach(target, case=None):
    with pytest.raises(BrokenContract) as caught:
        subject_of(target).engine(case or a_case())
    return caught.value


def agree(one, other, bound=1e-12):
    for name, wanted in other.gradients.items():
        assert np.abs(one.gradients[name] - wanted).max() <= bound * np.abs(wanted).max(), name
    assert abs(one.loss - other.loss) <= bound * abs(other.loss)


# --- the decorator -----------------------------------------------------------------------------------------------


def test_the_decorator_returns_its_argument_and_keeps_the_claims():
    def backprop(net, parameters, inputs, targets): ...

    assert implementation(hidden=["tanh"], batch=(2, 8))(backprop) is backprop
    assert claims_of(backprop) == Claims(hidden=("tanh",), batch=(2, 8))
    assert claims_of(functools.wraps(backprop)(lambda: None)) == claims_of(backprop)


def test_what_claims_nothing_is_explored():
    assert claims_of(right) is EVERYTHING
    assert claims_of(right).explored


class Slotted:
    __slots__ = ("__weakref__",)

    def __call__(self, net, parameters, inputs, targets):
        return right(net, parameters, inputs, targets)


class Sealed:
    __slots__ = ()

    def __call__(self, *arguments): ...


def test_objects_that_take_no_attributes():
    one = Slotted()
    assert implementation(hidden=["relu"])(one) is one
    assert claims_of(one).hidden == ("relu",)
    assert claims_of(Slotted()).explored
    with pytest.raises(DescriptionError, match="takes no attributes"):
        implementation()(Sealed())


@pytest.mark.parametrize(("claims", "message"), [
    ({"hiden": ["tanh"]}, "unknown key 'hiden'; allowed: hidden, heads"),
    ({"explored": True}, "unknown key 'explored'"),
    ({"hidden": ["tanhh"]}, "tanhh"),
])
def test_a_claim_that_cannot_be_is_refused_by_name(claims, message):
    with pytest.raises(DescriptionError, match=message):
        implementation(**claims)


def test_what_cannot_be_called_is_refused():
    for door in (subject_of, implementation()):
        with pytest.raises(DescriptionError, match="3 is not callable"):
            door(3)


# --- subjects ----------------------------------------------------------------------------------------------------


def test_a_right_function_is_a_subject():
    subject = subject_of(right)
    agree(subject.engine(a_case()), evaluate(a_case()))
    assert (subject.name, subject.claims, subject.engine.notes) == ("right", EVERYTHING, set())
    assert subject.source == f"{__file__}:{right.__code__.co_firstlineno}"
    assert subject_of(subject) is subject
    assert isinstance(subject_of(functools.partial(right), "mine"), Subject)


def test_fresh_gives_a_new_engine():
    subject = subject_of(right, stateless=True, made_of=["torch"])
    assert subject.fresh() is not subject.engine
    assert subject.made_of == {"torch"}
    assert subject_of(right).fresh is None


def test_the_answer_is_a_copy():
    buffer = np.zeros(3)
    engine = subject_of(but(**{"2_bias": lambda g: buffer})).engine
    answer = engine(a_case())
    buffer[:] = 7.0
    assert not answer.gradients["2.bias"].any()
    assert not engine.notes
    engine(a_case())
    assert engine.notes == {"2.bias: the same memory as in the answer before"}


def test_declining_passes_through():
    def backprop(*arguments):
        raise Declined("no biases here")

    with pytest.raises(Declined, match="no biases"):
        subject_of(backprop).engine(a_case())


def test_arrays_handed_over_are_writable_copies():
    case = a_case()

    def backprop(net, parameters, inputs, targets):
        mine = [case.inputs, case.targets, *case.parameters.values()]
        for given, kept in zip([inputs, targets, *parameters.values()], mine, strict=True):
            assert given.flags.writeable
            assert not np.may_share_memory(given, kept)
        return right(net, parameters, inputs, targets)

    subject_of(backprop).engine(case)


def step(net, parameters, inputs, targets):
    parameters["0.bias"] -= 0.1


def replaced(net, parameters, inputs, targets):
    parameters["0.bias"] = parameters["0.bias"] - 0.1


def removed(net, parameters, inputs, targets):
    del parameters["0.bias"]


def added(net, parameters, inputs, targets):
    parameters["0.velocity"] = inputs


def reshaped(net, parameters, inputs, targets):
    inputs.resize(3, BATCH, refcheck=False)


def turned(net, parameters, inputs, targets):
    targets *= -1.0


@pytest.mark.parametrize(("scribble", "message"), [
    (step, "parameters['0.bias'] was changed in place"), (replaced, "parameters['0.bias'] was replaced"),
    (removed, "parameters['0.bias'] was removed"), (added, "parameters['0.velocity'] was added"),
    (reshaped, "inputs was changed in place"), (turned, "targets was changed in place"),
])
def test_a_changed_argument_is_caught(scribble, message):
    def backprop(net, parameters, inputs, targets):
        answer = right(net, parameters, inputs, targets)
        scribble(net, parameters, inputs, targets)
        return answer

    case = a_case()
    error = breach(backprop, case)
    assert error.kind == "mutated"
    assert error.message.startswith(message)
    assert case.id == a_case().id


# --- what a reply must be ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reply", "message"), [
    (None, "returned None; (loss, gradients) is wanted: is the return statement missing?"),
    ({}, "returned a dict; (loss, gradients) is wanted: put the loss before the dictionary"),
    ((1.0,), "returned a tuple of 1"), ((1.0, [1, 2]), "returned (loss, a list of 2); the gradients are a dictionary"),
    ((1.0, None), "returned (loss, None)"),
])
def test_a_reply_that_is_none(reply, message):
    error = breach(lambda *arguments: reply)
    assert error.kind == "return"
    assert error.message.startswith(message)


def ragged(g):
    return [[1.0, 2.0], [3.0]]


def of_none(g):
    return np.array([1.0, None, 2.0], dtype=object)


@pytest.mark.parametrize(("changes", "kind", "message"), [
    ({"b2": np.zeros(3)}, "unknown", "a gradient for 'b2', which the network does not have; it has: '0.weight', "),
    ({"2_bias": None}, "none", "2.bias is None"),
    ({"2_bias": of_none}, "none", "2.bias holds None at (1,)"),
    ({"2_bias": lambda g: g[np.newaxis]}, "shape", "2.bias of shape (1, 3) where (3,) is wanted: keepdims left in?"),
    ({"2_bias": lambda g: np.ones((4, 3))}, "shape",
     "2.bias of shape (4, 3) where (3,) is wanted: not summed over the batch?"),
    ({"2_bias": lambda g: g.sum()}, "shape", "2.bias of shape () where (3,) is wanted: summed over the units too?"),
    ({"2_bias": lambda g: g[:, np.newaxis]}, "shape", "2.bias of shape (3, 1) where (3,) is wanted: a column"),
    ({"2_weight": lambda g: g.T}, "shape", "2.weight of shape (3, 2) where (2, 3) is wanted: transposed?"),
    ({"2_weight": lambda g: np.ones((4, 2, 3))}, "shape", "2.weight of shape (4, 2, 3) where (2, 3) is wanted: not"),
    ({"2_weight": lambda g: g[:, :1]}, "shape", "2.weight of shape (2, 1) where (2, 3) is wanted"),
    ({"inputs": lambda g: g.T}, "shape", "inputs of shape (3, 4) where (4, 3) is wanted: transposed?"),
    ({"2_weight": ragged}, "shape", "2.weight is ragged"),
    ({"0_bias": lambda g: g.astype("float32")}, "narrower_dtype", "0.bias is float32 in a float64 case"),
    ({"0_bias": lambda g: g + 0j}, "return", "0.bias has dtype complex128; real numbers are wanted"),
    ({"0_bias": "nothing"}, "return", "0.bias has dtype <U7"),
    ({"0_bias": {}}, "return", "0.bias holds what is no number"),
])
def test_every_breach_has_its_name(changes, kind, message):
    error = breach(but(**changes))
    assert (error.kind, error.message[:len(message)]) == (kind, message)
    assert error.where == next(iter(changes)).replace("_", ".")


def test_one_example_leaves_two_reasons():
    error = breach(but(**{"2_bias": lambda g: g[np.newaxis]}), a_case(batch=1))
    assert error.message.endswith("keepdims left in or not summed over the batch?")


def test_a_missing_gradient():
    def backprop(*arguments):
        loss, gradients = right(*arguments)
        return loss, {"0.weight": gradients["0.weight"]}

    error = breach(backprop)
    assert (error.kind, error.where) == ("missing", "0.bias")
    assert error.message == "no gradient for '0.bias'; received: '0.weight'"


def test_the_gradient_of_the_inputs_is_optional():
    for dropped in (lambda g: None, None):
        assert "inputs" not in subject_of(but(inputs=dropped)).engine(a_case()).gradients


@pytest.mark.parametrize(("loss", "kind"), [
    (np.ones(4), "shape"), (None, "none"), (np.float32(1), "narrower_dtype"), ("1", "return")])
def test_the_loss_is_one_number(loss, kind):
    error = breach(lambda *arguments: (loss, right(*arguments)[1]))
    assert (error.kind, error.where) == (kind, "loss")


@pytest.mark.parametrize(("dtype", "changes", "notes"), [
    ("float64", {"2_bias": lambda g: g.tolist()}, {"2.bias: a list"}),
    ("float64", {"2_bias": lambda g: np.array([1, 2, 3])}, {"2.bias: integers (int64)"}),
    ("float64", {"2_bias": lambda g: g.astype(object)}, {"2.bias: an object array"}),
    ("float32", {"2_bias": lambda g: g.astype("float64")}, {"2.bias: a wider dtype (float64 for float32)"}),
    ("float32", {}, set()),
])
def test_notes_are_no_failures(dtype, changes, notes):
    subject = subject_of(but(**changes))
    answer = subject.engine(a_case(dtype=dtype))
    assert subject.engine.notes == notes
    assert all(gradient.dtype.kind == "f" for gradient in answer.gradients.values())


def test_a_loss_in_an_array_is_a_note():
    subject = subject_of(lambda *arguments: (np.full((1, 1), 2.0), right(*arguments)[1]))
    assert subject.engine(a_case()).loss.shape == ()
    assert subject.engine.notes == {"loss: an array of shape (1, 1)"}


def test_whether_nan_is_right_is_not_decided_here():
    answer = subject_of(but(**{"0_bias": lambda g: g * np.nan})).engine(a_case())
    assert np.isnan(answer.gradients["0.bias"]).all()


def test_plugging_in_imports_no_framework():
    heavy = "torch", "jax", "sklearn", "autograd", "micrograd", "hypothesis"
    code = "import sys, backproof.plug.subject, backproof.plug.layer_classes, backproof.plug.subjects"
    code += "; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(heavy) & set(loaded)


# --- layouts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layout", "local", "ours", "theirs"), [
    (Layout(), "weight", (3, 2), (3, 2)), (Layout(weight="out_in"), "weight", (3, 2), (2, 3)),
    (Layout(), "bias", (2,), (2,)), (Layout(bias="row"), "bias", (2,), (1, 2)),
    (Layout(bias="column"), "bias", (2,), (2, 1)),
    (Layout(), "batch", (4, 3), (4, 3)), (Layout(batch="columns"), "batch", (4, 3), (3, 4)),
    (Layout(batch="columns"), "batch", (4,), (4,)),
])
@pytest.mark.parametrize("sign", [1, -1])
def test_layouts_both_ways(layout, local, ours, theirs, sign):
    layout = Layout(layout.weight, layout.bias, layout.batch, sign)
    array = np.arange(1.0, 1 + np.prod(ours)).reshape(ours)
    there = layout.theirs(local, array)
    assert there.shape == theirs
    assert (np.sign(there) == (sign if local == "bias" else 1)).all()
    assert (layout.ours(local, there, ours, Say("db", BATCH)) == array).all()


@pytest.mark.parametrize(("layout", "local", "got", "wanted", "message"), [
    (Layout(), "bias", (1, 3), (3,), "db of shape (1, 3) where (3,) is wanted: keepdims left in?"),
    (Layout(bias="row"), "bias", (3,), (3,), "db of shape (3,) where (1, 3) is wanted: an axis of length 1 was lost?"),
    (Layout(bias="row"), "bias", (4, 3), (3,), "db of shape (4, 3) where (1, 3) is wanted: not summed over the batch?"),
    (Layout(bias="column"), "bias", (3,), (3,),
     "db of shape (3,) where (3, 1) is wanted: an axis of length 1 was lost?"),
    (Layout(bias="column"), "bias", (3, 4), (3,),
     "db of shape (3, 4) where (3, 1) is wanted: not summed over the batch?"),
    (Layout(weight="out_in"), "weight", (3, 2), (3, 2), "db of shape (3, 2) where (2, 3) is wanted: transposed?"),
])
def test_a_layout_reshapes_nothing(layout, local, got, wanted, message):
    with pytest.raises(BrokenContract) as caught:
        layout.ours(local, np.ones(got), wanted, Say("db", BATCH, "0.bias"))
    assert (caught.value.kind, caught.value.where, caught.value.message) == ("shape", "0.bias", message)


@pytest.mark.parametrize("options", [{"weight": "oi"}, {"bias": "col"}, {"batch": "rows "}, {"bias_sign": 0}])
def test_a_layout_that_cannot_be(options):
    with pytest.raises(DescriptionError, match=next(iter(options))):
        Layout(**options)


# --- layer classes -----------------------------------------------------------------------------------------------


class Columns:
    """One example a column, weights (out, in), biases (out, 1) that are subtracted, all in dictionaries."""

    def __init__(self, n_out, n_in):
        self.held = {"w": np.zeros((n_out, n_in)), "theta": np.zeros((n_out, 1))}
        self.grads = {}

    def run(self, x):
        self.x = x
        return self.held["w"] @ x - self.held["theta"]

    def back(self, dy):
        self.grads = {"w": dy @ self.x.T, "theta": -dy.sum(axis=1, keepdims=True)}
        return self.held["w"].T @ dy


class Leaky:
    def __init__(self, slope=0.01):
        self.slope = slope

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dy):
        return np.where(self.x > 0, dy, self.slope * dy)


COLUMNS = Layer(Columns, {"weight": "held.w", "bias": "held.theta"}, {"weight": "grads.w", "bias": "grads.theta"},
                "run", "back", Layout("out_in", "column", "columns", -1), arguments=("out", "in"))


def test_classes_of_another_layout():
    target = layers(dense=COLUMNS, leaky_relu=Layer(Leaky, arguments=("slope",), layout=Layout(batch="columns")))
    case = a_case(network("leaky_relu", slope=0.3))
    agree(subject_of(target).engine(case), evaluate(case))
    assert claims_of(target) == Claims(hidden=("leaky_relu",))
    assert subject_of(target).name == "layers(Columns, Leaky)"
    assert subject_of(target).source.startswith(f"{__file__}:")


class Plain:
    """What most people write."""

    def __init__(self, n_in, n_out):
        self.W, self.b = np.ones((n_in, n_out)), np.ones(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW, self.db = self.x.T @ dy, dy.sum(0)
        return dy @ self.W.T


MAPPED = {"parameters": {"weight": "W", "bias": "b"}, "gradients": {"weight": "dW", "bias": "db"}}


def plain(**methods):
    return layers(dense=Layer(type("Changed", (Plain,), methods), **MAPPED), hidden=["identity"])


def changed_backward(change):
    def backward(self, dy):
        dx = Plain.backward(self, dy)
        return change(self, dx)
    return plain(backward=backward)


IDENTITY = network("identity")


def test_the_identity_needs_no_class_and_the_loss_is_the_references():
    agree(subject_of(plain()).engine(a_case(IDENTITY)), evaluate(a_case(IDENTITY)))


def unbiased(n, m):
    made = Plain(n, m)
    made.b = 0.0
    return made


def test_networks_without_biases():
    target = layers(dense=Layer(Plain, {"weight": "W"}, {"weight": "dW"}, make=unbiased), hidden=["identity"],
                    bias="never")
    case = a_case(network("identity", bias=False))
    agree(subject_of(target).engine(case), evaluate(case))
    with pytest.raises(DescriptionError, match="Plain has no 'bias' in its parameters"):
        subject_of(target).engine(a_case(IDENTITY))


def no_gradient(self, dx):
    del self.db


def keep(self, dx):
    self.db = self.db[np.newaxis]
    return dx


def update(self, dx):
    self.b -= self.db
    return dx


def none(self, dx):
    self.db = None
    return dx


@pytest.mark.parametrize(("change", "kind", "where", "message"), [
    (no_gradient, "none", "", "layer 2: Changed.backward's dx is None"),
    (lambda self, dx: dx.T, "shape", "",
     "layer 2: Changed.backward's dx of shape (2, 4) where (4, 2) is wanted: transposed?"),
    (keep, "shape", "0.bias", "layer 0: Changed.db of shape (1, 2) where (2,) is wanted: keepdims left in?"),
    (none, "none", "0.bias", "layer 0: Changed.db is None"),
    (update, "mutated", "0.bias", "parameters['0.bias'] was changed in place"),
])
def test_breaches_of_layer_classes(change, kind, where, message):
    error = breach(changed_backward(change), a_case(IDENTITY))
    assert (error.kind, error.where, error.message[:len(message)]) == (kind, where, message)


def test_a_gradient_that_is_not_there():
    error = breach(plain(backward=lambda self, dy: dy @ self.W.T), a_case(IDENTITY))
    assert (error.kind, error.where) == ("missing", "0.weight")
    assert "no attribute 'dW'" in error.message


def test_the_first_layer_may_keep_its_dx():
    target = changed_backward(lambda self, dx: None if dx.shape[1] == 3 else dx)
    answer = subject_of(target).engine(a_case(IDENTITY))
    assert "inputs" not in answer.gradients
    assert set(answer.gradients) == set(a_case().parameters)


@pytest.mark.parametrize(("given", "message"), [
    ({}, "wanted dense=Layer"),
    ({"dense": Plain}, "dense is .*Plain"),
    ({"dense": Layer(Plain, **MAPPED), "tanhh": Layer(Leaky)}, "unknown key 'tanhh'"),
    ({"dense": Layer(Plain, **MAPPED), "hidden": ["tanh"]}, "'tanh' is claimed, but no tanh="),
    ({"dense": Layer(Plain, **MAPPED), "heads": [Head("softmax", "cross_entropy")]}, "'softmax' is claimed"),
])
def test_layers_that_cannot_be(given, message):
    with pytest.raises(DescriptionError, match=message):
        layers(**given)


@pytest.mark.parametrize(("layer", "message"), [
    (Layer(Plain, {"weight": "Ws", "bias": "b"}, MAPPED["gradients"]), "no attribute 'Ws' in 'Ws'; there is: W, b"),
    (Layer(Plain, **MAPPED, forward="call"), "Plain has no method 'call'"),
    (Layer(Plain, **MAPPED, layout=Layout(bias="row")), r"Plain made b of shape \(2,\), but its layout says \(1, 2\)"),
    (Layer(Plain, **MAPPED, layout=Layout(weight="out_in")), r"made W of shape \(3, 2\), but its layout says \(2, 3\)"),
    (Layer(Plain, **MAPPED, arguments=("n",)), "argument: unknown 'n'"),
])
def test_an_adapter_that_is_wrong_says_so(layer, message):
    with pytest.raises(DescriptionError, match=message):
        subject_of(layers(dense=layer, hidden=["identity"])).engine(a_case(IDENTITY))


def test_what_has_no_class_is_declined():
    with pytest.raises(Declined, match="'tanh'"):
        subject_of(plain()).engine(a_case())


# --- the examples of the README ----------------------------------------------------------------------------------


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.mlp


def test_the_example_is_right():
    target = example("mlp_layers")
    agree(subject_of(target).engine(a_case()), evaluate(a_case()))
    assert claims_of(target) == Claims(hidden=("tanh",))


def test_the_wrong_example_averages_its_bias_gradients():
    got = subject_of(example("mlp_layers_wrong")).engine(a_case()).gradients
    for name, wanted in evaluate(a_case()).gradients.items():
        assert np.allclose(got[name] * (BATCH if name.endswith("bias") else 1), wanted, rtol=1e-12, atol=0.0), name


def test_the_examples_differ_in_one_line():
    one, other = ((EXAMPLES / f"mlp_layers{end}.py").read_text().splitlines() for end in ("", "_wrong"))
    assert [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]] == [
        ("        self.db = dz.sum(axis=0, keepdims=True)", "        self.db = dz.mean(axis=0, keepdims=True)")]
