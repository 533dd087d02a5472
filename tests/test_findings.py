"""One mistake, one finding; two mistakes, two: on one plain network with switches for its mistakes."""

import numpy as np
import pytest
from backproof import Head, implementation, verify
from backproof.plug.subject import Subject
from backproof.reference import TABLES, Case, evaluate
from wrong_engines import CLAIMED, WRONG

ACTIVATIONS = {
    "tanh": (np.tanh, lambda z, y: 1 - y * y),
    "relu": (lambda z: np.maximum(z, 0), lambda z, y: (z > 0) * 1.0),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z, y: y * (1 - y)),
}


def perceptron(*mistakes):
    """A subject with some of the mistakes below."""
    memory = {}

    @implementation(hidden=list(ACTIVATIONS), heads=[Head("identity", "squared_error")])
    def backprop(network, parameters, inputs, targets):
        weights, b = network.unpack(parameters)
        z, a = [], [inputs]
        for i, (w, c) in enumerate(zip(weights, b, strict=True)):
            z.append(a[-1] @ w + c)
            a.append(ACTIVATIONS[network.hidden[i]][0](z[-1]) if i < len(weights) - 1 else z[-1])
        error = a[-1] - targets
        loss = (error**2).sum() / len(error)
        loss = {"loss times 3": 3 * loss, "absolute loss": np.abs(error).sum() / len(error)}.get(mistakes[-1], loss)
        delta = (1 if "no 2" in mistakes else 2) * error / len(error)
        d_weights, db = [None] * len(weights), [None] * len(b)
        for i in reversed(range(len(weights))):
            d_weights[i] = a[i].T @ delta + ("decay" in mistakes) * 0.01 * weights[i]
            db[i] = delta.mean(axis=0) if "mean" in mistakes else delta.sum(axis=0)
            db[i] = -db[i] if "sign" in mistakes else db[i]
            square = weights[i].shape[0] == weights[i].shape[1]
            back = weights[i] if "W for W.T" in mistakes and square else weights[i].T
            if i:
                kind = network.hidden[i - 1]
                slope = ACTIVATIONS[kind][1](z[i - 1], a[i])
                slope = 1 - a[i] if "1 - y" in mistakes and kind == "tanh" else slope
                slope = 1 if "no slope" in mistakes or ("relu 1" in mistakes and kind == "relu") else slope
                delta = delta @ back * slope
        gradients = network.pack(d_weights, db)
        if "accumulate" in mistakes:
            for name, gradient in gradients.items():
                key = name, gradient.shape
                gradients[name] = memory[key] = memory.get(key, 0) + gradient
        return loss, gradients

    return backprop


def findings(*mistakes):
    return verify(perceptron(*mistakes), examples=60, oracles=("torch",), stop_after=24).findings


ONE = {
    "mean": "bias-averaged-over-batch", "sign": "bias-negated", "decay": "decay-in-gradient-only",
    "W for W.T": "weight-not-transposed", "no slope": "derivative-missing", "relu 1": "relu-derivative-always-one",
    "1 - y": "tanh-derivative-not-squared", "no 2": "gradient-half", "accumulate": "gradients-accumulate",
}


@pytest.mark.parametrize("mistake", ONE)
def test_one_mistake_is_one_finding_by_its_name(mistake):
    assert [finding.faults[:1] for finding in findings(mistake)] == [(ONE[mistake],)]


TWO = [("relu 1", "mean"), ("mean", "decay"), ("1 - y", "relu 1"), ("W for W.T", "mean")]


@pytest.mark.parametrize("mistakes", TWO, ids=" and ".join)
def test_two_mistakes_are_two_findings_by_their_names(mistakes):
    assert {finding.faults[0] for finding in findings(*mistakes)} == {ONE[mistake] for mistake in mistakes}


@pytest.mark.parametrize(("mistake", "loss", "says"), [
    ("mean", "loss times 3", "the loss reported is 3 times the declared one"),
    ("W for W.T", "absolute loss", "the gradient is right"),
])
def test_a_wrong_loss_beside_a_wrong_gradient_is_its_own_finding(mistake, loss, says):
    gradient, other = findings(mistake, loss)
    assert gradient.faults[0] == ONE[mistake]
    assert other.property == "loss_value"
    assert says in other.explanation


@pytest.mark.parametrize("mistakes", [("no slope", "sign"), ("no 2", "mean")], ids=" and ".join)
def test_where_one_hides_in_the_other_there_are_still_two(mistakes):
    """Each gradient that the second touches, the first touches too: the first is named, the second is described."""
    first, second = findings(*mistakes)
    assert first.faults[0] in {ONE[mistake] for mistake in mistakes}
    assert second.explanation.startswith("the gradient of ")


@pytest.mark.parametrize("loss", ["loss times 3", "absolute loss"])
def test_a_wrong_loss_alone_is_one_finding_and_the_gradient_is_right(loss):
    found = findings(loss)
    assert [finding.property for finding in found] == ["loss_value"]
    assert "the gradient is right" in found[0].explanation


# --- no known mistake ---------------------------------------------------------------------------------------------

def swept(change):
    """A way back with one layer's step changed: change(i, step, dx, dy) -> what is handed down."""
    def gradients(case):
        def sweep(tape, i, dy):
            dx, local = TABLES.sweep(tape, i, dy)
            return change(i, tape[i], dx, dy), local
        return evaluate(case, TABLES._replace(sweep=sweep)).gradients
    return gradients


def changed(change):
    def gradients(case):
        right = dict(evaluate(case).gradients)
        return right | {name: change(name, gradient) for name, gradient in right.items()}
    return gradients


def bfloat16(x):
    bits = np.asarray(x, np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(x.dtype)


UNKNOWN = {
    "detached": (swept(lambda i, step, dx, dy: 0 * dx if i == 2 else dx),
                 ["layer 2 is right and layer 0 is the first that is wrong", "detached at or above layer 1"]),
    "transposed and doubled": (changed(lambda n, g: 2.5 * g.T if n == "0.weight" and g.shape == g.T.shape else g),
                               ["the gradient of 0.weight is"]),
    "3.7 times in the first": (changed(lambda n, g: 3.7 * g if n.startswith("0.") else g),
                               ["0.weight and 0.bias is 3.7 times what it should be"]),
    "doubled in one": (changed(lambda n, g: 2 * g if n == "0.weight" else g),
                       ["0.weight is 2 times what it should be"]),
    "inputs only": (changed(lambda n, g: g + 1 if n == "inputs" else g), ["only the gradient of the inputs is wrong"]),
    "a few digits": (changed(lambda n, g: bfloat16(g) if n == "0.weight" else g),
                     ["agree to about 2 digits, as bfloat16 keeps"]),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_mistake_is_described(name):
    gradients, words = UNKNOWN[name]

    @implementation(hidden=["tanh", "relu"], heads=[Head("identity", "squared_error", reduction="mean")])
    def backprop(network, parameters, inputs, targets):
        case = Case(network, parameters, inputs, targets, str(inputs.dtype), {})
        return evaluate(case).loss, gradients(case)

    report = verify(backprop, examples=80, oracles=("torch",), stop_after=8)
    assert len(report.findings) == 1
    assert not report.findings[0].lesson
    assert [word for word in words if word not in report.findings[0].explanation] == [], report


def test_a_known_mistake_in_one_layer_alone_is_named_with_its_place():
    turned = changed(lambda n, g: g.T if n == "0.weight" and g.shape == g.T.shape else g)

    @implementation(hidden=["tanh", "relu"], heads=[Head("identity", "squared_error", reduction="mean")])
    def backprop(network, parameters, inputs, targets):
        case = Case(network, parameters, inputs, targets, str(inputs.dtype), {})
        return evaluate(case).loss, turned(case)

    finding, = verify(backprop, examples=80, oracles=("torch",), stop_after=8).findings
    assert finding.faults[0] == "weight-gradient-transposed"
    assert dict(finding.only) == {"layer": "first"}


OFF_BY_A_HUNDREDTH = ("derivative off by an odd part", "loss gradient plus a constant",
                      "loss gradient of the output alone")


@pytest.mark.parametrize("name", [*OFF_BY_A_HUNDREDTH, "rounded to 16 bits"])
def test_a_narrow_precision_is_named_where_errors_scatter_as_its_rounding_does(name):
    """A formula off by about 1 % makes errors as large as float16's, the same ones every time."""
    report = verify(Subject(name, CLAIMED, WRONG[name]()), examples=25, oracles=("torch",))
    named = {fault for finding in report.findings for fault in finding.faults}
    assert report.findings
    assert ("float16-inside" in named) == (name == "rounded to 16 bits"), report
