"""The tables against high precision, the backpropagation against the complex step; and wrong rows, which must fail."""

from __future__ import annotations

import itertools
import math
from functools import partial

import numpy as np
import pytest
from backproof.reference import (
    ACTIVATIONS,
    LAYERS,
    LOSSES,
    TABLES,
    Case,
    evaluate,
    forward,
    infer,
    parse,
)
from backproof.reference.activations import elementwise
from backproof.reference.losses import factor
from flint import arb, ctx

OPTIONS = {"leaky_relu": {"slope": 0.01}, "elu": {"alpha": 1.0}, "hard_sigmoid": {"slope": 1 / 6}}

# --- activations against high precision -------------------------------------------------------------------------------

BITS, H = 3000, 200  # working precision, and the step 2^-H of the central difference
HALF = [1e-30, 1e-8, 0.1, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 88.0, 300.0, 700.0]
POINTS = np.array([*(-x for x in HALF[::-1]), *HALF])


def _gelu(x):
    return x * (-x / arb(2).sqrt()).erfc() / 2


def _gelu_tanh(x):
    return x / (1 + (-2 * (2 / arb.pi()).sqrt() * (x + arb("0.044715") * x**3)).exp())


TEXTBOOK = {
    "identity": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
    "relu": lambda x: x if x > 0 else arb(0),
    "leaky_relu": lambda x: x if x > 0 else x * arb(0.01),
    "softplus": lambda x: (1 + x.exp()).log(),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda x: x / (1 + (-x).exp()),
}


ELEMENTWISE = list(TEXTBOOK)
HERE = [*TEXTBOOK, "softmax"]
# Rows whose accuracy is tested here too; the rest of them is in test_tables.py, against PyTorch's. The constants of
# selu: Klambauer and others, Self-Normalizing Neural Networks (2017).
SELU = "1.0507009873554804934193349852946", "1.6732632423543772848170429916717"
TEXTBOOK |= {
    "elu": lambda x: x if x > 0 else x.exp() - 1,
    "selu": lambda x: arb(SELU[0]) * (x if x > 0 else arb(SELU[1]) * (x.exp() - 1)),
    "mish": lambda x: x * (1 + x.exp()).log().tanh(),
    "softsign": lambda x: x / (1 + abs(x)),
    "hard_tanh": lambda x: between(x, -1, 1),
    "hard_sigmoid": lambda x: between(x * arb(1 / 6) + arb(0.5), 0, 1),
    "relu6": lambda x: between(x, 0, 6),
    "abs": abs,
}
MORE = [name for name in TEXTBOOK if name not in ELEMENTWISE]


def between(x, low, high):
    return arb(low) if x < low else arb(high) if x > high else x


def slope(f, x, left=1, right=1):
    """The difference quotient of f over (x - left h, x + right h)."""
    h = arb(2) ** -H
    return (f(x + right * h) - f(x - left * h)) / ((left + right) * h)


def truth(name, x):
    """f(x), f'(x) and f''(x) as floats, from the textbook formula at 3,000 bits."""
    with ctx.workprec(BITS):
        f, x = TEXTBOOK[name], arb(float(x))
        return [float(v.mid()) for v in (f(x), slope(f, x), slope(partial(slope, f), x))]


def accuracy(row, name, points):
    """The worst error of f and of f' at the points, in units of u |value|; gelu's, of u (|value| + |x| |slope|).

    The second term is what one rounding of x does, and gelu's tails, exp(-x²/2), cannot do better.
    """
    u, tiny = np.finfo(points.dtype).eps / 2, float(np.finfo(points.dtype).tiny)
    y = row.f(points, **OPTIONS.get(name, {}))
    got = np.array([y, row.df(points, y, **OPTIONS.get(name, {})) * np.ones_like(points)])
    assert np.isfinite(got).all()
    assert got.dtype == points.dtype
    want = np.array([truth(name, x) for x in points]).T
    scale = np.abs(want[:2]) + (np.abs(points * want[1:]) if name.startswith("gelu") else 0.0)
    return (np.abs(got - want[:2]) / (u * scale + tiny)).max()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activations_are_accurate(name, dtype):
    assert accuracy(ACTIVATIONS[name], name, POINTS.astype(dtype)) < 8


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", MORE)
def test_more_activations_are_accurate(name, dtype):
    """Everywhere but on their kinks, where there is no slope."""
    kinks = ACTIVATIONS[name].points(OPTIONS.get(name))
    points = np.array([x for x in POINTS if x not in kinks])
    assert accuracy(ACTIVATIONS[name], name, points.astype(dtype)) < 8


@pytest.mark.parametrize(("name", "row"), [
    ("tanh", ACTIVATIONS["tanh"].variants[0]),        # 1 - y²: no digit left at 20
    ("sigmoid", ACTIVATIONS["sigmoid"].variants[0]),  # y (1 - y)
    ("gelu", ACTIVATIONS["gelu_tanh"]),
    ("softplus", elementwise(ACTIVATIONS["softplus"].f, ACTIVATIONS["tanh"].f)),
    ("relu", ACTIVATIONS["leaky_relu"]._replace(f=ACTIVATIONS["relu"].f, df=lambda x, y: np.where(x > 0, 1.0, 0.01))),
])
def test_accuracy_can_fail(name, row):
    assert accuracy(row, name, POINTS) > 1000


def test_overflow_would_be_seen():
    with pytest.raises(RuntimeWarning, match="overflow"):
        accuracy(elementwise(lambda x: 1 / (1 + np.exp(-x)), lambda x, y: y * (1 - y)), "sigmoid", POINTS * 2)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_rows_run_in_high_precision(name):
    """The same lines on balls: what is left is the rounding of gelu's constants."""
    row, digits = ACTIVATIONS[name], 1e-10 if name.startswith("gelu") else 1e-100
    with ctx.workprec(BITS):
        x = np.array([arb(v) for v in POINTS])
        y = row.f(x, **OPTIONS.get(name, {}))
        pairs = zip(POINTS, y, row.df(x, y, **OPTIONS.get(name, {})) * np.ones_like(x), strict=True)
        for point, *got in pairs:
            want = TEXTBOOK[name](arb(point)), slope(TEXTBOOK[name], arb(point))
            assert all(abs(arb(g) - w) <= digits * (abs(w) + abs(arb(point))) for g, w in zip(got, want, strict=True))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_kinks(name):
    """The slopes from the left and from the right differ at the kinks, and agree at 0 where there is none."""
    row = ACTIVATIONS[name]
    with ctx.workprec(BITS):
        f = partial(row.f, **OPTIONS.get(name, {}))
        for kink in row.kinks or (0.0,):
            x = np.array([arb(kink)])
            jump = abs(slope(f, x, left=1, right=0) - slope(f, x, left=0, right=1))[0]
            assert (jump > 0.5) == (kink in row.kinks)
            assert abs(f(x - arb(2) ** -H) - f(x))[0] < 2.0**-100, "no jump in value"


@pytest.mark.parametrize("name", HERE)
def test_ranges(name):
    """Every value lies in the row's interval, and its finite ends are approached."""
    row, x = ACTIVATIONS[name], np.stack([POINTS, -POINTS], axis=1)
    y = row.f(x, **OPTIONS.get(name, {}))
    assert row.range[0] <= y.min()
    assert y.max() <= row.range[1]
    assert all(np.abs(y - end).min() < 1e-12 for end in row.range if math.isfinite(end))


@pytest.mark.parametrize("name", [name for name in HERE if ACTIVATIONS[name].variants])
def test_variants_agree_with_their_row(name):
    x = np.linspace(-4, 4, 41)
    row, options = ACTIVATIONS[name], OPTIONS.get(name, {})
    for variant in row.variants:
        y, right = variant.f(x, **options), row.f(x, **options)
        np.testing.assert_allclose(y, right, rtol=1e-11)
        np.testing.assert_allclose(variant.backward(x, y, x, **options), row.backward(x, right, x, **options),
                                   rtol=1e-9, atol=1e-14)
        assert variant.df is None or np.array_equal(variant.backward(x, y, x, **options),
                                                    x * variant.df(x, y, **options))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_backward_is_dy_times_the_derivative(name):
    x, dy = np.random.default_rng(1).normal(size=(2, 4, 3))
    row, options = ACTIVATIONS[name], OPTIONS.get(name, {})
    y = row.f(x, **options)
    np.testing.assert_array_equal(row.backward(x, y, dy, **options), dy * row.df(x, y, **options))


@pytest.mark.parametrize("shift", [0.0, 1000.0, -1000.0])
def test_softmax(shift):
    """No overflow; rows sum to 1; backward is the whole Jacobian diag(y) - y yᵀ."""
    rng = np.random.default_rng(1)
    x, dy = rng.normal(size=(4, 3)) + shift, rng.normal(size=(4, 3))
    row = ACTIVATIONS["softmax"]
    y = row.f(x)
    np.testing.assert_allclose(y.sum(axis=-1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(np.log(y[:, 0] / y[:, 1]), x[:, 0] - x[:, 1], atol=1e-12)
    jacobians = np.einsum("bi,ij->bij", y, np.eye(3)) - np.einsum("bi,bj->bij", y, y)
    np.testing.assert_allclose(row.backward(x, y, dy), np.einsum("bij,bi->bj", jacobians, dy), rtol=1e-12, atol=1e-15)


# --- losses -----------------------------------------------------------------------------------------------------------


def draw_targets(kind, shape, rng):
    """Targets of one kind for outputs of this shape."""
    index = rng.integers(shape[-1], size=shape[:-1])
    return {
        "real": rng.normal(size=shape),
        "one_hot": np.eye(shape[-1])[index],
        "soft": rng.dirichlet(np.ones(shape[-1]), size=shape[:-1]),
        "binary": rng.integers(2, size=shape).astype(float),
        "index": index,
    }[kind]


def draw_outputs(row, shape, rng):
    return rng.uniform(0.1, 0.9, size=shape) if math.isfinite(row.domain[0]) else rng.normal(size=shape)


def complex_step(f, x):
    """df/dx entry by entry, for real f of an array: Im f(x + ih) / h."""
    gradient = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[at] += 1e-30j
        gradient[at] = f(moved).imag / 1e-30
    return gradient


IN_TEST_TABLES = ("huber", "hinge", "squared_hinge", "kl_divergence", "kl_divergence_of_logs")
LOSS_CASES = [(name, kind) for name, row in LOSSES.items() if name not in IN_TEST_TABLES for kind in row.targets]


def loss_error(row, kind, shape):
    rng = np.random.default_rng(2)
    p, t = draw_outputs(row, shape, rng), draw_targets(kind, shape, rng)
    return np.abs(row.dL(p, t) - complex_step(lambda p: row.L(p, t).sum(), p)).max()


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3), (1, 1)])
@pytest.mark.parametrize(("name", "kind"), [*LOSS_CASES, ("softmax_cross_entropy", "real")])
def test_loss_gradients(name, kind, shape):
    """Targets of every kind, and for softmax_cross_entropy some whose rows do not sum to one."""
    assert loss_error(LOSSES[name], kind, shape) < 1e-13


@pytest.mark.parametrize(("name", "kind", "dL"), [
    ("squared_error", "real", lambda p, t: p - t),
    ("softmax_cross_entropy", "real", lambda p, t: ACTIVATIONS["softmax"].f(p) - t),
    ("absolute_error", "real", lambda p, t: np.sign(t - p)),
    ("cross_entropy", "soft", lambda p, t: p - t),
    ("inner_product", "real", lambda p, t: p),
])
def test_loss_gradients_can_fail(name, kind, dL):
    assert loss_error(LOSSES[name]._replace(dL=dL), kind, (4, 3)) > 0.01


@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 3)])
@pytest.mark.parametrize(("name", "kind"), LOSS_CASES)
def test_reductions(name, kind, shape):
    """sum; sum over examples / batch; mean over the unreduced array, which has the shape that the row says."""
    rng, row = np.random.default_rng(3), LOSSES[name]
    unreduced = row.L(draw_outputs(row, shape, rng), draw_targets(kind, shape, rng))
    assert unreduced.shape == (shape if row.per == "element" else shape[:-1])
    total, mean = unreduced.sum(), unreduced.mean()
    for reduction, wanted in ("sum", total), ("mean_over_batch", total / shape[0]), ("mean", mean):
        np.testing.assert_allclose(unreduced.sum() * factor(reduction, row.per, shape), wanted, rtol=1e-15)


@pytest.mark.parametrize("name", [name for name, row in LOSSES.items() if "index" in row.targets])
def test_index_targets_equal_one_hot(name):
    rng, row = np.random.default_rng(4), LOSSES[name]
    p, index = draw_outputs(row, (2, 4, 3), rng), rng.integers(3, size=(2, 4))
    one_hot = np.eye(3)[index]
    np.testing.assert_array_equal(row.L(p, index), row.L(p, one_hot))
    np.testing.assert_array_equal(row.dL(p, index), row.dL(p, one_hot))


@pytest.mark.parametrize("z", [-700.0, -30.0, 0.0, 30.0, 700.0])
def test_logits_forms_do_not_overflow(z):
    """sigmoid_cross_entropy(z, 0) = softplus(z) = softmax_cross_entropy((0, z), 0), and neither loses digits."""
    wanted = truth("softplus", z)[0]
    one = LOSSES["sigmoid_cross_entropy"].L(np.array([[z]]), np.array([[0.0]]))
    two = LOSSES["softmax_cross_entropy"].L(np.array([[0.0, z]]), np.array([0]))
    np.testing.assert_allclose([one.item(), two.item()], wanted, rtol=1e-15, atol=1e-15)
    slope = LOSSES["sigmoid_cross_entropy"].dL(np.array([z]), np.array([0.0]))
    np.testing.assert_allclose(slope, truth("sigmoid", z)[0], rtol=1e-15)


def test_absolute_error_at_its_kink():
    row = LOSSES["absolute_error"]
    assert row.kinks == (0.0,)
    np.testing.assert_array_equal(row.dL(np.array([1.0, 2.0, 3.0]), np.full(3, 2.0)), [-1, 0, 1])


# --- backpropagation against the complex step -------------------------------------------------------------------------


def dense(units, **more):
    return {"kind": "dense", "units": units, **more}


def activation(function):
    return {"kind": "activation", "function": function}


def parallel(combine, *branches):
    return {"kind": "parallel", "branches": list(branches), "combine": combine}


def case_of(layers, inputs=(3,), loss="squared_error", kind="real", reduction="mean_over_batch", scale=0.5, batch=4):
    """A case of normal numbers in float64; biases are not zero."""
    network = parse.network({"format": 1, "input_shape": list(inputs), "layers": layers,
                                 "loss": {"kind": loss, "reduction": reduction, "scale": scale}})
    rng, shapes = np.random.default_rng(0), infer(network)
    parameters = {name: rng.normal(size=shape) for name, shape in shapes.parameters.items()}
    targets = draw_targets(kind, (batch, *shapes.output), rng)
    return Case(network, parameters, rng.normal(size=(batch, *inputs)), targets)


def gradient_error(case, tables=TABLES):
    """The largest difference from the complex step, over 1 + |gradient|; every parameter and the inputs."""
    answer = evaluate(case, tables)
    assert answer.gradients.keys() == {*case.parameters, "inputs"}
    worst = 0.0
    for name, at in {**case.parameters, "inputs": case.inputs}.items():
        def loss(a, name=name):
            return evaluate(case.but(inputs=a) if name == "inputs" else case.but(parameters={name: a}), tables).loss

        want = complex_step(loss, at)
        assert answer.gradients[name].shape == want.shape
        worst = max(worst, (np.abs(answer.gradients[name] - want) / (1 + np.abs(want))).max())
    return worst


RESIDUAL = parallel("add", [], [dense(5), activation("tanh"), dense(3)])
NETWORKS = {
    "no layer": [],
    "one dense": [dense(2)],
    "no bias": [dense(2, bias=False)],
    "chain": [dense(4), activation("tanh"), dense(5, bias=False), activation("sigmoid"), dense(2)],
    "residual": [dense(3), RESIDUAL, activation("tanh"), RESIDUAL],
    "add": [parallel("add", [dense(2)], [dense(4), activation("sigmoid"), dense(2)], [dense(2, bias=False)])],
    "concatenate": [parallel("concatenate", [dense(2)], [], [activation("tanh"), dense(4)]), dense(2)],
    "multiply": [parallel("multiply", [dense(3)], [], [dense(3), activation("sigmoid")]), dense(2)],
    "one branch": [parallel(combine, [dense(3)]) for combine in ("add", "concatenate", "multiply")],
    "three factors": [parallel("multiply", [dense(2)], [dense(2), activation("tanh")], [dense(2)])],
    "two empty branches": [dense(3), parallel("multiply", [], []), parallel("add", [], []), dense(2)],
    "nested": [parallel("add", [dense(4)], [parallel("concatenate", [dense(1)], [dense(3), RESIDUAL])]), dense(2)],
    "shared": [dense(3), activation("tanh"), dense(3, share="0"), activation("tanh"), dense(3, share="0"), dense(2)],
    "shared weight, own bias": [dense(3, bias=False), activation("tanh"), dense(3, share="0")],
    "tied autoencoder": [dense(5), activation("sigmoid"), dense(3, share="0", transpose=True)],
    "shared from inside a branch": [RESIDUAL, dense(5, share="0.1.0"), activation("tanh"), dense(2)],
}


@pytest.mark.parametrize("inputs", [(3,), (5, 3)])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients(name, inputs):
    """On vectors and on sequences (batch, time, features)."""
    assert gradient_error(case_of(NETWORKS[name], inputs)) < 1e-13


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_of_activations(name, batch):
    assert gradient_error(case_of([dense(4), activation(name), dense(2), activation(name)], batch=batch)) < 1e-13


@pytest.mark.parametrize("reduction", ["sum", "mean_over_batch", "mean"])
@pytest.mark.parametrize(("name", "kind"), LOSS_CASES)
def test_gradients_of_losses(name, kind, reduction):
    head = [activation("softmax")] if math.isfinite(LOSSES[name].domain[0]) else []
    case = case_of([dense(4), activation("tanh"), dense(3), *head], (2, 3), name, kind, reduction, scale=1.5)
    assert gradient_error(case) < 1e-13


def dense_with(change):
    return {"layers": LAYERS | {"dense": LAYERS["dense"]._replace(backward=change)}}


def bias_mean(p, x, dy):
    dx, gradients = LAYERS["dense"].backward(p, x, dy)
    return dx, gradients | {"bias": dy.mean(axis=0)}


def no_transpose(p, x, dy):
    dx, gradients = LAYERS["dense"].backward(p, x, dy)
    return (dy @ p["weight"] if dx.shape == dy.shape else dx), gradients


def last_branch_only(p, saved, dy):
    ys, tapes = saved
    gradients = LAYERS["parallel"].backward(p, saved, dy)[1]
    return LAYERS["parallel"].backward(p, (ys[-1:], tapes[-1:]), dy)[0], gradients


def doubled(tape, i, dy):
    dx, gradients = TABLES.sweep(tape, i, dy)
    return 2 * dx, gradients


def with_row(table, name, **changes):
    return {table: {**getattr(TABLES, table), name: getattr(TABLES, table)[name]._replace(**changes)}}


WRONG = {
    "bias averaged over the batch": (dense_with(bias_mean), NETWORKS["one dense"]),
    "weights not transposed": (dense_with(no_transpose), NETWORKS["shared"]),
    "tanh' = 1 - y": (with_row("activations", "tanh", backward=lambda x, y, dy: dy * (1 - y)), NETWORKS["chain"]),
    "softmax's diagonal only": (with_row("activations", "softmax", backward=lambda x, y, dy: dy * y * (1 - y)),
                                [dense(3), activation("softmax")]),
    "squared error without its 2": (with_row("losses", "squared_error", dL=lambda p, t: p - t), NETWORKS["one dense"]),
    "residual forgotten": (with_row("layers", "parallel", backward=last_branch_only), NETWORKS["residual"]),
    "delta doubled between layers": ({"sweep": doubled}, NETWORKS["chain"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_tables_are_seen(name):
    """One entry replaced makes another backpropagation, and the complex step sees it; the right tables stay right."""
    changed, layers = WRONG[name]
    case = case_of(layers)
    assert gradient_error(case, TABLES._replace(**changed)) > 1e-3
    assert gradient_error(case) < 1e-13


def test_a_bias_mean_hides_at_batch_one():
    assert gradient_error(case_of(NETWORKS["one dense"], batch=1), TABLES._replace(**dense_with(bias_mean))) < 1e-13


# --- one source, many number types ------------------------------------------------------------------------------------


def fits(activation, loss):
    (low, high), domain = ACTIVATIONS[activation].range, LOSSES[loss].domain
    return domain[0] <= low and high <= domain[1]


HEADS = [(name, loss, kind) for name, (loss, kind) in itertools.product(HERE, LOSS_CASES) if fits(name, loss)]


@pytest.mark.parametrize(("name", "loss", "kind"), HEADS)
def test_number_types(name, loss, kind):
    """float32 in, float32 out, near float64; and the same lines over balls, which agree with float64 to 1e-13."""
    layers = [dense(4), activation(name), parallel("add", [], [dense(4)]), dense(3), activation(name)]
    case = case_of(layers, loss=loss, kind=kind).astype("float32")
    narrow, wide = evaluate(case), evaluate(case.astype("float64"))
    exact = case.astype("float64").map(lambda a: np.vectorize(arb, otypes=[object])(a) if a.dtype.kind == "f" else a)
    with ctx.workprec(200):
        balls = evaluate(exact)
    assert narrow.loss.dtype == np.float32
    np.testing.assert_allclose([narrow.loss, float(balls.loss)], wide.loss, rtol=1e-4)
    for parameter, gradient in wide.gradients.items():
        scale = 1 + np.abs(gradient)
        assert narrow.gradients[parameter].dtype == np.float32
        assert (np.abs(narrow.gradients[parameter] - gradient) / scale < 1e-4).all()
        assert (np.abs(balls.gradients[parameter].astype(float) - gradient) / scale < 1e-13).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_evaluate_touches_nothing_and_repeats(dtype):
    case = case_of(NETWORKS["nested"]).astype(dtype)
    before, first = case.copy(), evaluate(case)
    again = evaluate(case)
    assert case.id == before.id
    assert first.loss == again.loss
    assert all((first.gradients[name] == again.gradients[name]).all() for name in first.gradients)
    own = (*case.parameters.values(), case.inputs, case.targets)
    assert not any(np.shares_memory(gradient, array) for gradient in first.gradients.values() for array in own)
    assert forward(case).outputs.dtype == dtype
