"""Numbers that were published, and numbers that a reader can check by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from backproof.reference import Case, DescriptionError, evaluate, forward, parse
from backproof.reference.training import UPDATES, Kept, batches, train, update

DENSE, PLAIN = {"kind": "dense"}, {"kind": "dense", "bias": False}
SIGMOID = {"kind": "activation", "function": "sigmoid"}


def network(inputs, *layers, reduction="sum", scale=0.5):
    loss = {"kind": "squared_error", "reduction": reduction, "scale": scale}
    return parse.network({"format": 1, "input_shape": [inputs], "layers": list(layers), "loss": loss})


def case_of(net, parameters, inputs, targets):
    parameters = {name: np.array(value, float) for name, value in parameters.items()}
    return Case(net, parameters, np.array(inputs, float), np.array(targets, float))


# --- the published 2-2-2 network --------------------------------------------------------------------------------------

PUBLISHED = case_of(
    network(2, DENSE | {"units": 2}, SIGMOID, DENSE | {"units": 2}, SIGMOID),
    {"0.weight": [[0.15, 0.25], [0.20, 0.30]], "0.bias": [0.35, 0.35],  # w1, w2 lead to the first hidden unit
     "2.weight": [[0.40, 0.50], [0.45, 0.55]], "2.bias": [0.60, 0.60]},
    [[0.05, 0.10]], [[0.01, 0.99]],
)


def test_published_forward():
    outputs = forward(PUBLISHED).outputs
    np.testing.assert_allclose(outputs, [[0.75136507, 0.77292847]], rtol=0, atol=5e-9)
    assert abs(outputs[0, 0] - 0.75136079) > 4e-6, "the circulating copy swaps two digits of the first output"
    np.testing.assert_allclose(evaluate(PUBLISHED).loss, 0.298371109, rtol=0, atol=5e-10)


def test_published_step():
    """The example moves the weights only (bias_rate 0), all of them from the gradients at the original weights."""
    after, losses = train(PUBLISHED, {"rate": 0.5, "bias_rate": 0.0}, 1)
    w, b = after.network.unpack(after.parameters)
    np.testing.assert_allclose(w[0].T.ravel(), [0.14978072, 0.19956143, 0.24975114, 0.29950229], rtol=0, atol=5e-9)
    np.testing.assert_allclose(w[1].T.ravel(), [0.35891648, 0.40866619, 0.51130127, 0.56137012], rtol=0, atol=5e-9)
    np.testing.assert_array_equal(b, [[0.35, 0.35], [0.60, 0.60]])
    np.testing.assert_allclose([*losses, evaluate(after).loss], [0.298371109, 0.29102777], rtol=0, atol=5e-9)


@pytest.mark.parametrize("bias_rate", [1.0, 0.5])
def test_published_error_needs_frozen_biases(bias_rate):
    after, _ = train(PUBLISHED, {"rate": 0.5, "bias_rate": bias_rate}, 1)
    assert evaluate(after).loss < 0.29102777 - 1e-3


# --- identities -------------------------------------------------------------------------------------------------------


def random_case(seed=0, features=3, bias=True):
    rng = np.random.default_rng(seed)
    net = network(features, {"kind": "dense", "units": 4, "bias": bias}, SIGMOID, DENSE | {"units": 2})
    shapes = {"0.weight": (features, 4), **({"0.bias": 4} if bias else {}), "2.weight": (4, 2), "2.bias": 2}
    parameters = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return case_of(net, parameters, rng.normal(size=(5, features)), rng.normal(size=(5, 2)))


def test_bias_is_the_weight_of_a_constant_input():
    case = random_case()
    p = case.parameters
    wide = replace(
        random_case(features=4, bias=False),
        parameters={"0.weight": np.vstack([p["0.weight"], p["0.bias"]])} | {k: p[k] for k in ("2.weight", "2.bias")},
        inputs=np.hstack([case.inputs, np.ones((5, 1))]), targets=case.targets,
    )
    one, other = evaluate(case), evaluate(wide)
    np.testing.assert_allclose(other.loss, one.loss, rtol=1e-14)
    folded = np.vstack([one.gradients["0.weight"], one.gradients["0.bias"]])
    np.testing.assert_allclose(other.gradients["0.weight"], folded, rtol=1e-13, atol=1e-14)


def test_standardised_inputs_fold_into_weights_and_bias():
    """(x - m) / s W + b = x W' + b' with W' = W / s, b' = b - m W'. Gradients: db = db', dW = (dW' - mᵀ db') / s."""
    case = random_case()
    m, s = case.inputs.mean(axis=0), case.inputs.std(axis=0)
    weight = case.parameters["0.weight"] / s[:, None]
    folded = case.but(parameters={"0.weight": weight, "0.bias": case.parameters["0.bias"] - m @ weight})
    one, other = evaluate(replace(case, inputs=(case.inputs - m) / s)), evaluate(folded)
    np.testing.assert_allclose(other.loss, one.loss, rtol=1e-14)
    np.testing.assert_allclose(other.gradients["0.bias"], one.gradients["0.bias"], rtol=1e-13, atol=1e-14)
    unfolded = (other.gradients["0.weight"] - np.outer(m, other.gradients["0.bias"])) / s[:, None]
    np.testing.assert_allclose(unfolded, one.gradients["0.weight"], rtol=1e-13, atol=1e-14)


# --- trained networks -------------------------------------------------------------------------------------------------


def three_inputs(weights, scale):
    net = network(3, PLAIN | {"units": 4}, SIGMOID, PLAIN | {"units": 1}, SIGMOID, scale=scale)
    inputs = [[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]]
    parameters = {"0.weight": weights[:12].reshape(3, 4), "2.weight": weights[12:].reshape(4, 1)}
    return case_of(net, parameters, inputs, [[0], [1], [1], [0]])


@pytest.mark.parametrize("scale", [0.5, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_three_inputs_never_rising(seed, scale):
    """Full batch, rate 1; scale 0.5 is `delta = error * derivative`, scale 1 the equally common `2 * error * ...`."""
    weights = 2 * np.random.RandomState(seed).rand(16) - 1
    after, losses = train(three_inputs(weights, scale), {"rate": 1.0}, 1500)
    losses.append(float(evaluate(after).loss))
    assert all(later <= earlier for earlier, later in pairwise(losses))
    assert losses[-1] < 0.02 * losses[0]


def test_three_inputs_published_start():
    """NumPy's seed 1: the error first printed there is the mean of |target - output|."""
    case = three_inputs(2 * np.random.RandomState(1).rand(16) - 1, 0.5)
    assert abs(np.abs(case.targets - forward(case).outputs).mean() - 0.496410031903) < 5e-13


@pytest.mark.parametrize("rule", [{"rate": 0.1}, {"rate": 0.05, "momentum": 0.9}, {"rate": 0.1, "bias_rate": 2.0}])
@pytest.mark.parametrize("batch_size", [1, 8, None])
def test_linear_model_recovered(rule, batch_size):
    """y = 2 x1 - 3 x2 + 0.5, without noise: every rule and batch size finds the three numbers."""
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, size=(40, 2))
    net = network(2, DENSE | {"units": 1}, reduction="mean_over_batch")
    case = case_of(net, {"0.weight": np.zeros((2, 1)), "0.bias": [0]}, x, x @ [[2], [-3]] + 0.5)
    after, losses = train(case, rule, 1500, batch_size=batch_size, generator=rng)
    np.testing.assert_allclose(after.parameters["0.weight"], [[2], [-3]], rtol=1e-10)
    np.testing.assert_allclose(after.parameters["0.bias"], [0.5], rtol=1e-10)
    assert losses[-1] < 1e-20


# --- the update rules by hand -----------------------------------------------------------------------------------------

def weight_and_bias(case):
    return [case.parameters["0.weight"][0, 0], case.parameters["0.bias"][0]]


# One linear unit, y = w x + b from w = 1, b = 0; loss Σ (y - t)² / 2 with t = 0, so that dw = Σ y x and db = Σ y.
LINE = case_of(network(1, DENSE | {"units": 1}), {"0.weight": [[1]], "0.bias": [0]}, [[1], [2], [3]], [[0], [0], [0]])
FIRST = replace(LINE, inputs=LINE.inputs[:1], targets=LINE.targets[:1])  # x = 1: dw = 1, db = 1


@pytest.mark.parametrize(("case", "batch_size", "iterations", "w", "b"), [
    (LINE, None, 1, 1 - 0.1 * 14, -0.1 * 6),                # full batch: dw = 1 + 4 + 9, db = 1 + 2 + 3
    (LINE, 1, 1, 0.9, -0.1),                                # the first example: dw = 1, db = 1
    (LINE, 1, 2, 0.9 - 0.1 * 1.7 * 2, -0.1 - 0.1 * 1.7),    # then x = 2: y = 1.8 - 0.1
    (LINE, 2, 1, 0.5, -0.3),                                # a mini-batch of two: dw = 1 + 4, db = 1 + 2
    (LINE, 2, 2, 0.5 - 0.1 * 1.2 * 3, -0.3 - 0.1 * 1.2),    # then the one left, x = 3: y = 1.5 - 0.3
    (LINE, 2, 3, 0.14 - 0.1 * (-0.28 * 1 - 0.14 * 2), -0.42 + 0.1 * 0.42),  # the second pass: y = 0.14 x - 0.42
])
def test_batch_sizes(case, batch_size, iterations, w, b):
    after, losses = train(case, {"rate": 0.1}, iterations, batch_size=batch_size)
    np.testing.assert_allclose(weight_and_bias(after), [w, b], rtol=1e-14)
    assert len(losses) == iterations


def test_mean_over_batch_divides_by_the_batch():
    mean = replace(LINE, network=network(1, DENSE | {"units": 1}, reduction="mean_over_batch"))
    after, _ = train(mean, {"rate": 0.1}, 1)
    np.testing.assert_allclose(after.parameters["0.weight"], [[1 - 0.1 * 14 / 3]], rtol=1e-15)
    np.testing.assert_allclose(after.parameters["0.bias"], [-0.1 * 6 / 3], rtol=1e-15)


@pytest.mark.parametrize(("rule", "steps", "w", "b"), [
    ({"rate": 0.1}, 1, 0.9, -0.1),
    # Two steps: v = -0.1, then y = 0.9 - 0.1 = 0.8 and v = 0.5 (-0.1) - 0.1 0.8 = -0.13.
    ({"rate": 0.1, "momentum": 0.5}, 2, 0.9 - 0.13, -0.1 - 0.13),
    # Three: y = 0.77 - 0.23 = 0.54, v = 0.5 (-0.13) - 0.1 0.54 = -0.119.
    ({"rate": 0.1, "momentum": 0.5}, 3, 0.77 - 0.119, -0.23 - 0.119),
    ({"rate": 0.1, "bias_rate": 3.0}, 1, 0.9, -0.3),
    # Each keeps its own velocity: w, -0.1 then 0.5 (-0.1) - 0.1 0.6; b, -0.3 then 0.5 (-0.3) - 0.3 0.6.
    ({"rate": 0.1, "bias_rate": 3.0, "momentum": 0.5}, 2, 0.9 - 0.11, -0.3 - 0.33),
    ({"rate": 0.1, "decay": 0.2}, 1, 1 - 0.1 * (1 + 0.2 * 1), -0.1),
    # Second step: y = 0.88 - 0.1 = 0.78; the bias, no longer 0, feels no decay.
    ({"rate": 0.1, "decay": 0.2}, 2, 0.88 - 0.1 * (0.78 + 0.2 * 0.88), -0.1 - 0.1 * 0.78),
    ({"rate": 0.1, "clip_norm": 10.0}, 1, 0.9, -0.1),
    ({"rate": 0.1, "clip_value": 0.25}, 1, 0.975, -0.025),
    # Nesterov, v = -0.1 and a step of 0.5 v - 0.1; then y = 0.85, v = -0.135 and a step of -0.0675 - 0.085.
    ({"rate": 0.1, "nesterov": 0.5}, 1, 1 - 0.15, -0.15),
    ({"rate": 0.1, "nesterov": 0.5}, 2, 0.85 - 0.1 * 0.7 - 0.5 * (0.05 + 0.07), -0.15 - 0.07 - 0.06),
    # Adam's first step is g / (|g| + epsilon), whatever the betas; RMSProp's is g / sqrt(0.1 g²).
    ({"rate": 0.1, "adam": {"epsilon": 0.25}}, 1, 1 - 0.1 / 1.25, -0.1 / 1.25),
    ({"rate": 0.1, "adam": {"epsilon": 0.25}, "decoupled_decay": 0.5}, 1, 1 - 0.1 * (0.8 + 0.5), -0.08),
    ({"rate": 0.1, "rmsprop": {"rho": 0.75, "epsilon": 0.5}}, 1, 1 - 0.1, -0.1),
    # The clip comes before the decay: the penalty is not clipped.
    ({"rate": 0.1, "clip_value": 0.25, "decay": 0.2}, 1, 1 - 0.1 * (0.25 + 0.2), -0.025),
])
def test_rules_by_hand(rule, steps, w, b):
    for order in (rule, dict(reversed(rule.items()))):
        after, _ = train(FIRST, order, steps)
        np.testing.assert_allclose(weight_and_bias(after), [w, b], rtol=1e-14)


@pytest.mark.parametrize(("row", "number", "w", "b"), [
    ("clip_value", 2.0, [[2, -2]], [2, -0.5]),
    ("clip_norm", 6.5, [[1.5, -2]], [6, -0.0]),     # |(3, -4; 12, 0)| = 13: all are halved, the small ones too
    ("clip_norm", 13.0, [[3, -4]], [12, -0.0]),
    ("decay", 0.5, [[4, -3]], [12, -0.5]),          # parameters are all 2
    ("bias_rate", 3.0, [[3, -4]], [36, -1.5]),
    ("rate", 0.5, [[-1.5, 2]], [-6, 0.25]),
    ("momentum", 0.5, [[3.5, -3.5]], [12.5, 0.0]),  # the last step was all 1
])
def test_rows(row, number, w, b):
    """Each row on gradients of both signs."""
    gradients = {"0.weight": np.array([[3.0, -4.0]]), "0.bias": np.array([12.0, 0.0 if row == "clip_norm" else -0.5])}
    twos, ones = ({name: np.full_like(g, value) for name, g in gradients.items()} for value in (2, 1))
    kept = Kept(1, {name: (one,) for name, one in ones.items()})
    changed, _ = UPDATES[row].line(gradients, twos, kept, UPDATES[row].numbers(row, number))
    np.testing.assert_array_equal(changed["0.weight"], w)
    np.testing.assert_array_equal(changed["0.bias"], b)


OPTIMISERS = {
    "SGD": ({"rate": 0.1, "decay": {"decay": 0.01, "of": "all"}, "momentum": 0.9},
            {"lr": 0.1, "weight_decay": 0.01, "momentum": 0.9}),
    "SGD, Nesterov": ({"rate": 0.1, "nesterov": 0.9}, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "RMSprop": ({"rate": 0.01, "rmsprop": {"rho": 0.9, "epsilon": 1e-8}}, {"lr": 0.01, "alpha": 0.9}),
    "Adam": ({"rate": 0.01, "adam": {}}, {"lr": 0.01}),
    "AdamW": ({"rate": 0.01, "adam": {"beta1": 0.8}, "decoupled_decay": {"decay": 0.1, "of": "all"}},
              {"lr": 0.01, "betas": (0.8, 0.999), "weight_decay": 0.1}),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_rules_are_those_of_torch(name):
    """Five updates beside torch.optim, with gradients that change."""
    torch = pytest.importorskip("torch")
    rule, options = OPTIMISERS[name]
    rng, memory = np.random.default_rng(0), None
    mine = {"0.weight": rng.standard_normal((2, 3)), "0.bias": rng.standard_normal(3)}
    theirs = [torch.tensor(p, requires_grad=True) for p in mine.values()]
    optimiser = getattr(torch.optim, name.partition(",")[0])(theirs, **options)
    for _ in range(5):
        gradients = {key: rng.standard_normal(p.shape) for key, p in mine.items()}
        mine, memory = update(rule, mine, gradients, memory)
        for tensor, g in zip(theirs, gradients.values(), strict=True):
            tensor.grad = torch.tensor(g)
        optimiser.step()
    for p, tensor in zip(mine.values(), theirs, strict=True):
        np.testing.assert_allclose(p, tensor.detach().numpy(), rtol=1e-12)


def test_clipping_a_zero_gradient():
    d, _ = UPDATES["clip_norm"].line({"0.bias": np.zeros(2)}, {}, Kept(), {"limit": 0.0})
    assert d["0.bias"].tolist() == [0.0, 0.0]


def test_shuffling_takes_its_generator():
    """Every pass visits every example once; the same generator, the same order; another, another."""
    def passes(seed):
        stream = batches(7, 3, np.random.default_rng(seed))
        return [np.concatenate([next(stream) for _ in range(3)]) for _ in range(2)]

    first, second = passes(0)
    assert sorted(first) == sorted(second) == list(range(7))
    assert list(first) != list(second)
    np.testing.assert_array_equal(passes(0), [first, second])
    assert list(passes(1)[0]) != list(first)


def test_training_leaves_the_case_alone():
    before = PUBLISHED.copy()
    train(PUBLISHED, {"rate": 0.5, "momentum": 0.9, "decay": 0.1}, 3)
    assert PUBLISHED.id == before.id


def test_float32_stays_float32():
    rule = {"rate": 0.5, "bias_rate": 2.0, "momentum": 0.9, "decay": 0.1, "clip_value": 1.0, "clip_norm": 1e-3,
            "adam": {}, "rmsprop": {}, "nesterov": 0.5, "decoupled_decay": 0.1}
    after, _ = train(PUBLISHED.astype("float32"), rule, 2)
    assert {p.dtype for p in after.parameters.values()} == {np.dtype("float32")}


@pytest.mark.parametrize(("rule", "message"), [
    ({"rate": 1.0, "adagrad": 0.9}, "unknown key 'adagrad'"), ({"momentum": 0.9}, "rate is missing"),
    ({"rate": 1.0, "adam": {"beta": 0.9}}, "update rule: adam: unknown key 'beta'; allowed: beta1, beta2, epsilon"),
    ({"rate": 1.0, "decay": {"decay": 0.1, "of": "biases"}}, "update rule: decay: of: unknown 'biases'"),
    ({"rate": "fast"}, "update rule: rate: rate: received 'fast'"),
])
def test_rules_refused_by_name(rule, message):
    with pytest.raises(DescriptionError, match=message):
        update(rule, {}, {})
