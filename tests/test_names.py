"""A name is earned or withheld: plain programs by other people, with mistakes that the table has not or nearly has."""

import numpy as np
import pytest
from backproof import Head, implementation, verify

PRECISIONS = {"float32-inside", "float16-inside"}


def sigmoid(z):
    return np.exp(-np.logaddexp(0.0, -z))


def gelu(z):
    return 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))


def gelu_prime(z, coefficient=0.044715):
    inner = np.sqrt(2 / np.pi) * (z + coefficient * z**3)
    slope = np.sqrt(2 / np.pi) * (1 + 3 * coefficient * z**2)
    return 0.5 * (1 + np.tanh(inner)) + 0.5 * z * (1 - np.tanh(inner)**2) * slope


FUNCTIONS = {
    "identity": (lambda z: z, lambda z, a: 1.0), "tanh": (np.tanh, lambda z, a: 1 - a * a),
    "relu": (lambda z: np.maximum(z, 0), lambda z, a: (z > 0) * 1.0), "sigmoid": (sigmoid, lambda z, a: a * (1 - a)),
    "gelu_tanh": (gelu, lambda z, a: gelu_prime(z)),
}


def squared(y, t):
    return ((y - t)**2).sum() / len(y), 2 * (y - t) / len(y)


def summed(y, t):
    return ((y - t)**2).sum() / 2, y - t


def cross_entropy(y, t, epsilon=0.0, smoothing=0.0):
    """Loss and the gradient of the logits, y being probabilities by softmax."""
    loss = -(t * np.log(y + epsilon)).sum() / len(y)
    t = (1 - smoothing) * t + smoothing / t.shape[1]
    p = y / (y + epsilon) if epsilon else 1.0
    g = t * p
    return loss, (y * g.sum(axis=1, keepdims=True) - g) / len(y)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def program(hidden=("tanh",), head=("identity", "squared_error"), loss=squared, derivative=None, finish=None, db=None,
            back=None, inputs_too=False, **claims):
    """A network in rows, without a gradient of the inputs unless asked.

    derivative: by function, another f'(z, a). db(delta), back(delta, w) -> what is handed down. finish(name, gradient,
    value of the parameter). loss(y, t) -> loss, delta of the last layer.
    """
    slopes = {name: pair[1] for name, pair in FUNCTIONS.items()} | (derivative or {})

    targets = {"targets": "one_hot"} if head[1] == "cross_entropy" else {}

    @implementation(hidden=list(hidden), heads=[Head(*head, **targets)], **claims)
    def backprop(network, parameters, x, targets):
        weights, biases = network.unpack(parameters)
        zs, acts = [], [x]
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            zs.append(acts[-1] @ w + b)
            last = i == len(weights) - 1
            acts.append((softmax if head[0] == "softmax" else FUNCTIONS[head[0]][0])(zs[-1]) if last
                        else FUNCTIONS[network.hidden[i]][0](zs[-1]))
        value, delta = loss(acts[-1], targets)
        if head[0] in FUNCTIONS:
            delta = delta * slopes[head[0]](zs[-1], acts[-1])
        dw, dbs = [None] * len(weights), [None] * len(weights)
        for i in reversed(range(len(weights))):
            dw[i] = acts[i].T @ delta
            dbs[i] = db(delta) if db else delta.sum(axis=0)
            delta = back(delta, weights[i]) if back else delta @ weights[i].T
            if i:
                delta = delta * slopes[network.hidden[i - 1]](zs[i - 1], acts[i])
        gradients = network.pack(dw, dbs)
        if finish:
            gradients = {name: finish(name, g, parameters[name]) for name, g in gradients.items()}
        return value, gradients | ({"inputs": delta} if inputs_too else {})

    return backprop


def found(subject, **options):
    return verify(subject, **{"examples": 60, "oracles": ("torch",), "stop_after": 12} | options).findings


def named(findings):
    return {name for finding in findings for name in finding.faults}


# --- no precision where a formula is wrong ------------------------------------------------------------------------

def table(f, step):
    """f looked up at whole multiples of a step."""
    return lambda z, a: f(np.round(z / step) * step)


def tanh_prime(z):
    return 1 - np.tanh(z)**2


SOFTMAX = {"head": ("softmax", "cross_entropy"), "loss": cross_entropy}
FORMULAS = {
    "a coefficient of gelu": lambda: program(["gelu_tanh"], derivative={
        "gelu_tanh": lambda z, a: gelu_prime(z, 0.0447)}),
    "a coefficient of gelu, a little": lambda: program(["gelu_tanh", "relu"], derivative={
        "gelu_tanh": lambda z, a: gelu_prime(z, 0.04471500001)}),
    "labels smoothed by a thousandth": lambda: program(**SOFTMAX | {
        "loss": lambda y, t: (cross_entropy(y, t)[0], cross_entropy(y, t, smoothing=1e-3)[1])}),
    "log(p + 1e-7)": lambda: program(**SOFTMAX | {"loss": lambda y, t: cross_entropy(y, t, epsilon=1e-7)}),
    "a table of tanh'": lambda: program(derivative={"tanh": table(tanh_prime, 1e-3)}),
    "a fine table of tanh'": lambda: program(derivative={"tanh": table(tanh_prime, 1e-6)}),
    "a step over a small rate": lambda: program(finish=lambda name, g, w: (w - (w - 1e-9 * g)) / 1e-9),
    "off by 1e-5": lambda: program(finish=lambda name, g, w: g * (1 + 1e-5)),
    "a constant of 1e-9": lambda: program(finish=lambda name, g, w: g + 1e-9),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_or_a_subtraction_is_no_narrower_precision(name):
    findings = found(FORMULAS[name]())
    assert findings
    assert not named(findings) & PRECISIONS, findings[0].text


def in_float32(name, g, w):
    return g.astype(np.float32).astype(g.dtype)


def test_a_gradient_cast_to_float32_is_named():
    assert named(found(program(finish=in_float32)))  == {"float32-inside"}


def test_a_product_in_float32_is_named():
    def back(delta, w):
        return (delta.astype(np.float32) @ w.T.astype(np.float32)).astype(float)

    findings = found(program(back=back, depth=(2, 4)))
    assert named(findings) <= {"float32-inside"}


# --- a part that fits is not a name -------------------------------------------------------------------------------

REDUCTIONS = {
    "max": lambda delta: delta.max(axis=0), "median": lambda delta: np.median(delta, axis=0),
    "product": lambda delta: delta.prod(axis=0), "first two": lambda delta: delta[:2].sum(axis=0),
    "last by sorting": lambda delta: np.sort(delta, axis=0)[-1], "every other": lambda delta: delta[::2].sum(axis=0),
}


@pytest.mark.parametrize("examples", [20])
@pytest.mark.parametrize("how", REDUCTIONS)
def test_another_reduction_is_not_the_one_that_fits_the_smallest_batch(how, examples):
    findings = found(program(db=REDUCTIONS[how]), examples=examples)
    assert findings
    assert not named(findings) - {"bias-max-over-batch"}, findings[0].text


def test_what_the_subject_does_not_give_is_not_compared():
    """One layer and no gradient of the inputs: what is handed down shows nowhere."""
    findings = found(program(hidden=[], depth=(1, 1), finish=lambda name, g, w: g * (1 + 4e-14)))
    assert not named(findings), findings


# --- a name that was missing --------------------------------------------------------------------------------------

HANDED_DOWN = {
    "hidden-error-without-weights": lambda delta, w: delta.sum(axis=1, keepdims=True) + 0 * (delta @ w.T),
    "stops-after-one-layer": lambda delta, w: 0 * (delta @ w.T),
    "delta-doubled-per-layer": lambda delta, w: 2 * (delta @ w.T),
    "weight-not-transposed": lambda delta, w: delta @ (w if w.shape[0] == w.shape[1] else w.T),
}


@pytest.mark.parametrize("name", HANDED_DOWN)
def test_what_is_handed_down_is_named_without_a_gradient_of_the_inputs(name):
    findings = found(program(["tanh", "relu", "sigmoid"], back=HANDED_DOWN[name]))
    assert [finding.faults[:1] for finding in findings] == [(name,)]


def test_a_tail_of_exactly_zero_is_no_difference():
    """The derivative of a saturated tanh is 0 in this program and 1e-290 in the reference."""
    findings = found(program(["tanh"], db=lambda delta: delta.mean(axis=0)), examples=120)
    assert [finding.faults[:1] for finding in findings] == [("bias-averaged-over-batch",)]


# --- separable mistakes -------------------------------------------------------------------------------------------

def mean(delta):
    return delta.mean(axis=0)


def doubled(name, g, w):
    return 2 * g if "weight" in name else g


SEVERAL = {
    ("bias-averaged-over-batch", "tanh-derivative-not-squared"): lambda: program(
        ["tanh", "relu"], db=mean, derivative={"tanh": lambda z, a: 1 - a}),
    ("bias-negated", "decay-in-gradient-only"): lambda: program(
        ["tanh", "relu"], db=lambda d: -d.sum(axis=0),
        finish=lambda name, g, w: g + 0.01 * w if "weight" in name else g),
    ("bias-averaged-over-batch", "relu-derivative-always-one", "tanh-derivative-not-squared"): lambda: program(
        ["tanh", "relu"], db=mean, derivative={"tanh": lambda z, a: 1 - a, "relu": lambda z, a: 1.0}),
    ("gradient-half", "bias-of-first-example"): lambda: program(
        ["tanh", "relu"], db=lambda d: d[0], loss=lambda y, t: (squared(y, t)[0], squared(y, t)[1] / 2)),
    ("weight-not-transposed", "bias-never-updated"): lambda: program(
        ["tanh", "relu"], db=lambda d: 0 * d[0], back=HANDED_DOWN["weight-not-transposed"]),
    ("derivative-missing", "bias-averaged-over-batch"): lambda: program(
        ["tanh", "relu"], db=mean, derivative=dict.fromkeys(FUNCTIONS, lambda z, a: 1.0)),
}


@pytest.mark.parametrize("names", SEVERAL, ids=" and ".join)
def test_each_separable_mistake_is_a_finding_by_its_name(names):
    findings = found(SEVERAL[names](), stop_after=20)
    assert sorted(finding.faults[0] if finding.faults else "" for finding in findings) == sorted(names)


def test_a_known_mistake_beside_an_unknown_one_keeps_its_name_or_has_none():
    """tanh' = 1 - 0.9 a², unknown, beside an averaged bias: the names told are true ones."""
    findings = found(program(["tanh", "relu"], db=mean, derivative={"tanh": lambda z, a: 1 - 0.9 * a * a}))
    assert findings
    assert named(findings) <= {"bias-averaged-over-batch"}


# --- what is changed in place -------------------------------------------------------------------------------------

def centred(x):
    x -= x.mean(axis=0)


def halved(x):
    x *= 0.5


@pytest.mark.parametrize("change", [centred, halved, lambda x: x.sort(axis=0)], ids=["centred", "halved", "sorted"])
def test_a_changed_argument_is_one_finding_though_all_numbers_are_wrong(change):
    right = program(["tanh", "relu"])

    @implementation(hidden=["tanh", "relu"], heads=[Head("identity", "squared_error")])
    def backprop(network, parameters, inputs, targets):
        change(inputs)
        return right(network, parameters, inputs, targets)

    assert [finding.property for finding in found(backprop)] == ["untouched_arguments"]


# --- which derivative ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("used", "words"), [
    (lambda z, a: np.cos(z), "the derivative used for tanh is cos(z)"),
    (lambda z, a: 0.9 * (1 - a * a), "the derivative used for tanh is 0.9 times f'(z)"),
    (lambda z, a: 1 + a * a, "the derivative used for tanh is 1 + a * a"),
])
def test_the_derivative_used_is_told_where_it_has_no_name(used, words):
    findings = found(program(["tanh"], derivative={"tanh": used}))
    assert words in findings[0].explanation


# --- the forward before the gradient ------------------------------------------------------------------------------

def exchanged(y, t):
    """Outputs and targets exchanged in a squared error of logarithms: another loss, with its own gradient."""
    return np.log(np.cosh(y - t)).sum() / len(y), np.tanh(y - t) / len(y)


def test_another_loss_leads_where_the_gradient_is_its_own():
    finding, *_ = found(program(["tanh"], loss=exchanged))
    assert finding.headline.startswith("the loss is another one: ")
    assert "the gradient is that of the loss reported" in finding.headline


def quarter(y, t):
    return 2 * ((y - t)**2).sum(), y - t


def test_a_gradient_that_does_not_belong_to_its_loss_has_no_state():
    """On zero inputs the right answers to two questions are equal, and the same wrong one to both says nothing."""
    findings = found(program(["sigmoid", "relu"], loss=quarter))
    assert [finding.property for finding in findings] == ["reference"]
