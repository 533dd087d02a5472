"""Right programs in other forms than the reference's are never called wrong; what they lose, the tolerance carries."""

import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from backproof import implementation
from backproof.faults import FAULTS
from backproof.judging.judge import Judge
from backproof.plug.subject import Subject, subject_of
from backproof.properties import tolerance
from backproof.properties.claims import EVERYTHING, Claims, Head
from backproof.properties.perturbed import Noise, Perturbed
from backproof.properties.strategies import cases
from backproof.properties.subtraction import carried, rate_of
from backproof.properties.tolerance import SLACK, spread
from backproof.reference import (
    ACTIVATIONS,
    LOSSES,
    TABLES,
    Answer,
    Case,
    DescriptionError,
    LayerSpec,
    LossSpec,
    Network,
    evaluate,
)
from wrong_engines import drawn_cases

DTYPES = ("float64", "float32")
BOTH = pytest.mark.parametrize("dtype", DTYPES)
LOGITS = (-12.0, -8.0, -4.0, -1.0, 0.5, 2.0, 4.0, 8.0, 12.0)


def neuron(z, loss, target, dtype, activation=None):
    """One weight z on the input 1, with a bias of 0: z is the argument of what follows."""
    layers = (LayerSpec("dense", {"units": 1, "bias": True}),)
    layers += (LayerSpec("activation", {"function": activation}),) if activation else ()
    arrays = (np.array(a, dtype) for a in ([[z]], [0.0], [[1.0]], [[target]]))
    w, b, x, t = arrays
    return Case(Network((1,), layers, LossSpec(loss, "sum", 1.0)), {"0.weight": w, "0.bias": b}, x, t, dtype)


def answered(case, dz):
    """The answer of a program with this dL/dz."""
    dz = np.asarray(dz).reshape(1, 1)
    x, w = case.inputs, case.parameters["0.weight"]
    return Answer(evaluate(case).loss, {"0.weight": x.T @ dz, "0.bias": dz.sum(axis=0), "inputs": dz @ w.T})


def judged(case, answer):
    """What the value check says of an answer, with every witness at hand."""
    judge = Judge(Subject("mine", EVERYTHING, lambda _: answer), EVERYTHING, ["torch", "jax"], lambda **_: None, 0)
    judge.ask(case)
    return dict(judge.tally.counts["reference"]), dict(judge.tally.counts["loss_value"])


# --- mixes of forms ---------------------------------------------------------------------------------------------------

SIGMOIDS = {  # p, and p' of z and that p
    "logistic": (lambda z: 1 / (1 + np.exp(-z)), lambda z, p: np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))) ** 2),
    "tanh": (lambda z: (1 + np.tanh(z / 2)) / 2, lambda z, p: p * (1 - p)),
}


@BOTH
@pytest.mark.parametrize("z", LOGITS)
@pytest.mark.parametrize("target", [0.0, 1.0, 0.25])
def test_a_sigmoid_by_tanh_less_the_target(z, target, dtype):
    """dz = sigma(z) - t from the logits: where t is 0 and z far below, sigma by tanh has few digits left."""
    case = neuron(z, "sigmoid_cross_entropy", target, dtype)
    for p, _ in SIGMOIDS.values():
        outcome = judged(case, answered(case, p(case.parameters["0.weight"]) - case.targets))
        assert outcome == ({"passed": 1}, {"passed": 1})


@BOTH
@pytest.mark.parametrize("z", [z for z in LOGITS if abs(z) < 10])
@pytest.mark.parametrize("target", [0.0, 1.0, 0.25])
def test_every_mix_of_p_and_its_derivative(z, target, dtype):
    """Logistic regression by the chain rule, p in one form under the logarithm and p' in another, as autograd has it."""
    case = neuron(z, "binary_cross_entropy", target, dtype, "sigmoid")
    z, t = case.parameters["0.weight"], case.targets
    for (p, _), (q, slope) in product(SIGMOIDS.values(), SIGMOIDS.values()):
        dp = (1 - t) / (1 - p(z)) - t / p(z)
        assert judged(case, answered(case, dp * slope(z, q(z)))) == ({"passed": 1}, {"passed": 1})


@pytest.mark.parametrize("z", [-8.0, 8.0])
def test_autograd_through_a_sigmoid_by_tanh(z):
    """torch differentiates (1 + tanh(z / 2)) / 2 by tanh': its roundings are not those of p (1 - p)."""
    torch = pytest.importorskip("torch")
    for dtype, target in product(DTYPES, (0.0, 1.0)):
        case = neuron(z, "binary_cross_entropy", target, dtype, "sigmoid")
        logit = torch.tensor(case.parameters["0.weight"], requires_grad=True)
        p = (1 + torch.tanh(logit / 2)) / 2
        (-(target * torch.log(p) + (1 - target) * torch.log(1 - p))).sum().backward()
        assert judged(case, answered(case, logit.grad.numpy())) == ({"passed": 1}, {"passed": 1})


@BOTH
def test_a_wrong_slope_is_still_seen(dtype):
    """What the tolerance carries is no more than what forms lose."""
    case = neuron(4.0, "binary_cross_entropy", 0.0, dtype, "sigmoid")
    right = spread(case).truth.gradients["0.bias"]
    assert SLACK * spread(case).gradients["0.bias"] < {"float64": 1e-12, "float32": 1e-3}[dtype] * np.abs(right)
    assert judged(case, answered(case, right * 1.001))[0] == {"failed": 1}


@BOTH
@pytest.mark.parametrize("z", LOGITS)
def test_forms_of_the_binary_loss_from_logits(z, dtype):
    """Each loses the digits of z on one side or the other."""
    forms = (lambda z, t: np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))),
             lambda z, t: (1 - t) * z + np.logaddexp(0, -z), lambda z, t: np.logaddexp(0, z) - t * z)
    for target, form in product((0.0, 1.0), forms):
        case = neuron(4 * z, "sigmoid_cross_entropy", target, dtype)
        got = form(case.parameters["0.weight"], case.targets).sum()
        answer = Answer(got, evaluate(case).gradients)
        assert judged(case, answer) == ({"passed": 1}, {"passed": 1})


@BOTH
@pytest.mark.parametrize("slope", [0.01, 0.1])
def test_leaky_relu_by_magnitude(slope, dtype):
    """Theano's f1 z + f2 |z|: below zero the digits of z cancel."""
    layers = (LayerSpec("dense", {"units": 1, "bias": True}),
              LayerSpec("activation", {"function": "leaky_relu", "slope": slope}))
    for z in (-3.3, -0.7, 2.1):
        plain = neuron(z, "squared_error", 0.3, dtype)
        case = plain.but(network=Network((1,), layers, plain.network.loss))
        w = case.parameters["0.weight"]
        y = 0.5 * (1 + slope) * w + 0.5 * (1 - slope) * np.abs(w)
        dz = 2 * (y - case.targets) * (0.5 * (1 + slope) + 0.5 * (1 - slope) * np.sign(w))
        answer = Answer(((y - case.targets) ** 2).sum(), answered(case, dz).gradients)
        assert judged(case, answer) == ({"passed": 1}, {"passed": 1})


def test_the_variant_shares_no_result_between_f_and_its_derivative():
    """Else their roundings cancel in y (1 - y) / (1 - y), and those of a mix do not."""
    x = np.linspace(-3, 3, 7)
    for name, row in ACTIVATIONS.items():
        for variant in row.variants:
            options = {key: option.default for key, option in row.options.items()}
            nothing = np.full_like(x, np.nan)
            assert np.isfinite(variant.backward(x, nothing, x, **options)).all(), name


@BOTH
def test_a_softmax_by_lse_and_its_jacobian_as_differences(dtype):
    """Two like units: in y (dy - Σ dy y) what a large lse has lost cancels, in y Σ (dy - dyⱼ) yⱼ it does not."""
    network = Network((1,), (LayerSpec("dense", {"units": 2, "bias": True}),
                             LayerSpec("activation", {"function": "softmax"})), LossSpec("inner_product", "sum", 1.0))
    arrays = ([[700.1, 700.1]], [0.0, 0.0], [[1.0]], [[3.0, 1e-3]])
    w, b, x, t = (np.array(a, dtype) for a in arrays)
    case = Case(network, {"0.weight": w, "0.bias": b}, x, t, dtype)
    y = np.exp(w - np.logaddexp.reduce(w, axis=-1, keepdims=True))
    dz = y * ((t[..., :, None] - t[..., None, :]) * y[..., None, :]).sum(-1)
    answer = Answer((y * t).sum(), {"0.weight": dz, "0.bias": dz[0]})
    assert judged(case, answer) == ({"passed": 1}, {"passed": 1})


@BOTH
def test_a_binary_loss_by_p_less_its_square(dtype):
    """(p - t) / (p - p²) of a softmax: near 1 a square takes the digits of 1 - p, which -1 / p never had."""
    network = Network((1,), (LayerSpec("dense", {"units": 2, "bias": True}),
                             LayerSpec("activation", {"function": "softmax"})), LossSpec("binary_cross_entropy", "sum", 1.0))
    for z in (7.3, 8.1, 9.2):
        w, b, x, t = (np.array(a, dtype) for a in ([[z, 0.0]], [0.0, 0.0], [[1.0]], [[1.0, 0.0]]))
        case = Case(network, {"0.weight": w, "0.bias": b}, x, t, dtype)
        y = np.exp(w - w.max()) / np.exp(w - w.max()).sum()
        dy = (y - t) / (y - y * y)
        dz = y * (dy - (dy * y).sum(axis=-1, keepdims=True))
        answer = Answer(evaluate(case).loss, {"0.weight": dz, "0.bias": dz[0]})
        assert judged(case, answer) == ({"passed": 1}, {"passed": 1})


@BOTH
@pytest.mark.parametrize("z", [50.0, 700.0, 1e4])
def test_the_slope_of_softplus_from_its_value(z, dtype):
    """exp(z - softplus(z)), where softplus is right to a few roundings of a large z."""
    case = neuron(z, "inner_product", 1.0, dtype, "softplus")
    w = case.parameters["0.weight"]
    y = np.logaddexp2(0, w / np.log(2).astype(dtype)) * np.log(2).astype(dtype)
    answer = Answer(y.sum(), answered(case, np.exp(w - y)).gradients)
    assert judged(case, answer) == ({"passed": 1}, {"passed": 1})


# --- a training step --------------------------------------------------------------------------------------------------

STEP_CLAIMS = Claims(hidden=("sigmoid", "tanh", "relu"), dtypes=DTYPES, bias="any",
                     heads=(Head("identity", "squared_error", "sum"), Head("softmax", "cross_entropy", "mean")))
RATES = (10.0, 0.5, 0.1, 0.01, 1e-3)


def stepping(rate, wrong=1.0):
    """backprop by a training step: what the parameters have moved by, over the rate."""
    def backprop(network, parameters, inputs, targets):
        answer = evaluate(Case(network, parameters, inputs, targets, str(inputs.dtype)))
        r = inputs.dtype.type(rate)
        stepped = {name: value - r * (wrong * answer.gradients[name]).astype(inputs.dtype)
                   for name, value in parameters.items()}
        return answer.loss, {name: (value - stepped[name]) / r for name, value in parameters.items()}

    return backprop


def asked(backprop, claims, count=10, dtype=None):
    judge = Judge(subject_of(backprop), claims, ("torch",), lambda **_: None, 0)
    for case in drawn_cases(cases(claims, dtype=dtype), 5, count):
        judge.network(case)
    return judge


@BOTH
@pytest.mark.parametrize("rate", RATES)
def test_a_right_step_conforms_at_every_rate(rate, dtype):
    """Its difference of parameters is rounded as parameters are, and magnified by the rate."""
    judge = asked(stepping(rate), replace(STEP_CLAIMS, rate=rate), dtype=dtype)
    assert not judge.tally.failures
    assert sum(by["inconclusive"] for by in judge.tally.counts.values()) == 0


@BOTH
def test_without_the_claim_the_lost_digits_are_seen(dtype):
    judge = asked(stepping(1e-3), STEP_CLAIMS, dtype=dtype)
    assert judge.tally.counts["reference"]["failed"]


@BOTH
@pytest.mark.parametrize("rate", [10.0, 0.1, 0.01])
def test_a_wrong_step_is_seen(rate, dtype):
    """A gradient one percent too large (float64: a millionth), where the claim costs few digits."""
    judge = asked(stepping(rate, 1 + {"float64": 1e-6, "float32": 1e-2}[dtype]), replace(STEP_CLAIMS, rate=rate), dtype=dtype)
    assert judge.tally.counts["reference"]["failed"] >= 5


def test_the_gradient_of_the_inputs_is_no_difference():
    """The claim loosens parameters only."""
    case = neuron(2.0, "squared_error", 0.3, "float64", "tanh")
    s, wide = spread(case), carried(case, spread(case), 1e-4)
    assert wide.loss == s.loss
    assert np.array_equal(wide.gradients["inputs"], s.gradients["inputs"])
    assert (wide.gradients["0.weight"] > 100 * s.gradients["0.weight"]).all()
    assert carried(case, s, None) is s


@pytest.mark.parametrize(("rate", "message"), [
    (0, "claims: rate is 0"), (-0.1, "claims: rate is -0.1"), ("fast", "claims: rate"), (float("nan"), "claims: rate")])
def test_a_rate_that_is_none(rate, message):
    with pytest.raises(DescriptionError, match=message):
        implementation(rate=rate)


def test_the_rate_is_data():
    claims = implementation(rate=0.1)(lambda *_: None).__backproof__
    assert claims.rate == 0.1
    assert Claims.from_json(claims.to_json()) == claims


def answers_of(engine, dtype, count=12):
    claims = replace(STEP_CLAIMS, hidden=("tanh",))
    found = [case for case in drawn_cases(cases(claims, dtype=dtype), 3, 3 * count) if spread(case).finite]
    return [(case, engine(case), spread(case)) for case in found[:count]]


@BOTH
@pytest.mark.parametrize("rate", [0.1, 0.01, 1e-3, 1e-4])
def test_the_rate_is_read_off_what_a_step_leaves(rate, dtype):
    assert 0.8 * rate < rate_of(answers_of(subject_of(stepping(rate)).engine, dtype)) < 1.25 * rate


def by_fault(name):
    return FAULTS[name].engine(TABLES)


def changed(case, change):
    answer = evaluate(case)
    return Answer(answer.loss, {name: change(name, g) for name, g in answer.gradients.items()})


OTHERWISE = {
    "right": evaluate, "all in float32": by_fault("float32-inside"), "all in float16": by_fault("float16-inside"),
    "one percent": lambda case: changed(case, lambda name, g: 1.01 * g),
    "a little weight decay": lambda case: changed(case, lambda name, g: g + 1e-9 * case.parameters.get(name, 0.0)),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_other_errors_are_no_subtraction(name):
    assert rate_of(answers_of(OTHERWISE[name], "float64")) is None


# --- the complex step -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [-640.0, -660.0, -670.0, -690.0, -700.0])
@pytest.mark.parametrize("amplify", [1.0, 2048.0])
@pytest.mark.parametrize("entrywise", [False, True])
def test_gradients_that_the_complex_step_cannot_hold(bias, amplify, entrywise):
    """Times the step, gradients of 1e-291 are no numbers any more: nobody is blamed, and no oracle said to diverge."""
    case = neuron(1.0, "inner_product", 1.0, "float64", "sigmoid")
    case = case.but(parameters={"0.bias": np.array([bias])}, targets=np.array([[amplify]]))
    judge = Judge(Subject("reference", EVERYTHING, evaluate), EVERYTHING, ("complex_step",), lambda **_: None, 0, entrywise)
    judge.network(case)
    assert 0 < np.abs(evaluate(case).gradients["0.bias"]) < 1e-270
    assert judge.tally.counts["complex_step"] == {"passed": 1}
    assert not judge.tally.failures
    assert not judge.tally.divergences


# --- what a subject switches on ---------------------------------------------------------------------------------------

HEADS = [Head("identity", "squared_error", "sum"), Head("sigmoid", "binary_cross_entropy", "mean")]


def test_np_seterr_inside_the_subject_ends_with_its_answer():
    """Floating-point errors that it makes exceptions are its own: none of ours is raised, none blamed on it."""
    def mine(network, parameters, inputs, targets):
        answer = evaluate(Case(network, parameters, inputs, targets, str(inputs.dtype)))
        np.seterr(all="raise")
        return answer.loss, dict(answer.gradients)

    claims = Claims(hidden=("sigmoid", "softplus"), heads=tuple(HEADS), dtypes=DTYPES)
    before = np.geterr()
    judge = Judge(subject_of(mine), claims, ("differences", "complex_step"), lambda **_: None, 0)
    case = neuron(1.0, "squared_error", 0.5, "float64", "softplus")
    tiny = case.but(parameters={"0.weight": np.array([[1e-200]]), "0.bias": np.array([-500.0])}, inputs=np.array([[1e-200]]))
    for each in (case, tiny, case, tiny, tiny, case):
        judge.network(each)
    assert np.geterr() == before
    assert not judge.tally.failures
    assert judge.tally.counts["own_loss"]["passed"]
    assert judge.tally.counts["line_integral"]["passed"]


# --- many programs ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixtures():
    sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
    try:
        import mixtures

        yield mixtures
    finally:
        sys.path.pop(0)


# Rows that no mixture has a program for: their forms are held against the variant alone (MORE_FORMS), or not at all.
UNMIXED = {"log_softmax", "elu", "selu", "mish", "softsign", "hard_tanh", "hard_sigmoid", "relu6", "abs",
           "huber", "hinge", "squared_hinge", "kl_divergence", "kl_divergence_of_logs"}
MIXED_LAYERS = ("dense", "parallel", "shared", "transposed", "sequence")


@pytest.fixture
def mixed(mixtures, monkeypatch):
    """The mixtures, asked about what they have programs for."""
    everything = mixtures.ALL
    heads = tuple(head for head in everything.heads
                  if not {head.activation, head.loss} & UNMIXED and not head.smoothing)
    hidden = tuple(name for name in everything.hidden if name not in UNMIXED)
    monkeypatch.setattr(mixtures, "ALL", replace(everything, hidden=hidden, heads=heads, layers=MIXED_LAYERS))
    return mixtures


def test_there_are_forty_styles_of_every_piece(mixtures):
    counts = mixtures.counts()
    assert {*ACTIVATIONS, *LOSSES, "matrix product", "sum", "containers"} - UNMIXED == set(counts)
    assert min(counts.values()) >= 40


def _mish_quotient(z):
    """tanh(log(1 + exp(z))) = (e² + 2 e) / (e² + 2 e + 2) with e = exp(z)."""
    e = np.exp(np.minimum(z, 20))
    return np.where(z > 20, z, z * (e * (e + 2)) / (e * (e + 2) + 2))


def _mish_slope(softplus):
    def slope(z, y):
        t = np.tanh(softplus(z))
        return t + z * (1 - t * t) / (1 + np.exp(-z))

    return slope


def _inside(z, low, high):
    return (z > low) & (z < high)


ELU = {
    "expm1": lambda z, a: np.where(z > 0, z, a * np.expm1(np.minimum(z, 0))),
    "exp - 1": lambda z, a: np.where(z > 0, z, a * (np.exp(np.minimum(z, 0)) - 1)),
    "two parts": lambda z, a: np.maximum(z, 0) + a * np.expm1(np.minimum(z, 0)),
    "two parts, exp - 1": lambda z, a: np.maximum(z, 0) + a * (np.exp(np.minimum(z, 0)) - 1),
}
ELU_SLOPE = {
    "a exp(z)": lambda z, y, a: np.where(z > 0, 1, a * np.exp(np.minimum(z, 0))),
    "y + a": lambda z, y, a: np.where(z > 0, 1, y + a),
    "a + a expm1(z)": lambda z, y, a: np.where(z > 0, 1, a + a * np.expm1(np.minimum(z, 0))),
}
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772
MORE_FORMS = {  # activations that are not in the mixtures: forms of f, and of f' of (z, y)
    "elu": (ELU, ELU_SLOPE),
    "selu": (
        {name: lambda z, f=f: SCALE * f(z, ALPHA) for name, f in ELU.items()},
        {name: lambda z, y, df=df: SCALE * df(z, y / SCALE, ALPHA) for name, df in ELU_SLOPE.items()}),
    "mish": (
        {"logaddexp": lambda z: z * np.tanh(np.logaddexp(0, z)), "quotient": _mish_quotient,
         "max + log1p": lambda z: z * np.tanh(np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))),
         "max + log": lambda z: z * np.tanh(np.maximum(z, 0) + np.log(1 + np.exp(-np.abs(z))))},
        {"logaddexp": _mish_slope(lambda z: np.logaddexp(0, z)),
         "max + log": _mish_slope(lambda z: np.maximum(z, 0) + np.log(1 + np.exp(-np.abs(z))))}),
    "softsign": (
        {"z / (1 + |z|)": lambda z: z / (1 + np.abs(z)), "sign": lambda z: np.sign(z) * (np.abs(z) / (1 + np.abs(z)))},
        {"1 / (1 + |z|)²": lambda z, y: 1 / (1 + np.abs(z)) ** 2, "(1 - |y|)²": lambda z, y: (1 - np.abs(y)) ** 2,
         "reciprocal squared": lambda z, y: np.square(1 / (1 + np.abs(z)))}),
    "hard_tanh": (
        {"clip": lambda z: np.clip(z, -1, 1), "maximum": lambda z: np.maximum(-1, np.minimum(z, 1)),
         "where": lambda z: np.where(np.abs(z) > 1, np.sign(z), z)},
        {"|z| < 1": lambda z, y: np.abs(z) < 1, "y inside": lambda z, y: _inside(y, -1, 1)}),
    "hard_sigmoid": (
        {"clip": lambda z, a: np.clip(a * z + 0.5, 0, 1), "maximum": lambda z, a: np.maximum(0, np.minimum(0.5 + z * a, 1)),
         "relu6(z + 3) / 6": lambda z, a: np.clip(z + 3, 0, 6) / 6},
        {"where": lambda z, y, a: np.where(_inside(z, -0.5 / a, 0.5 / a), a, 0),
         "y inside": lambda z, y, a: a * _inside(y, 0, 1)}),
    "relu6": (
        {"clip": lambda z: np.clip(z, 0, 6), "minimum": lambda z: np.minimum(np.maximum(z, 0), 6)},
        {"z inside": lambda z, y: _inside(z, 0, 6), "y inside": lambda z, y: _inside(y, 0, 6)}),
    "abs": (
        {"abs": np.abs, "maximum": lambda z: np.maximum(z, -z), "sign": lambda z: z * np.sign(z),
         "where": lambda z: np.where(z < 0, -z, z), "sqrt(z²)": lambda z: np.sqrt(z * z)},
        {"sign": lambda z, y: np.sign(z), "where": lambda z, y: np.where(z > 0, 1, -1), "z / y": lambda z, y: z / y}),
}


def every_form(name, z, dtype):
    """Each form of f, and of its derivative with each f before it: name, values, and which of the two."""
    from styles import functions

    forms, slopes = {**functions.FORMS, **MORE_FORMS}[name]
    more = tuple(option.default for option in ACTIVATIONS[name].options.values())
    for f, form in forms.items():
        y = form(z, *more)
        yield f, 0, y
        for df, slope in slopes.items():
            yield f"{f}, then {df}", 1, np.broadcast_to(slope(z, y, *more), z.shape)


@BOTH
@pytest.mark.parametrize("name", [name for name, row in ACTIVATIONS.items() if row.df is not None])
def test_no_form_loses_more_than_the_variant(mixtures, name, dtype):
    """At every argument, the error of every form over the spread of the tolerance's own program there."""
    rng, row = np.random.default_rng(0), ACTIVATIONS[name]
    variant = (*row.variants, row)[0]
    options = {key: option.default for key, option in row.options.items()}
    z = np.concatenate([scale * rng.standard_normal(30) for scale in (1e-8, 1e-4, 0.01, 0.3, 1, 4, 20, 1000, 1e6)]).astype(dtype)
    wide = z.astype(float)
    stack = Perturbed(np.broadcast_to(wide, (64, *wide.shape)).copy(), Noise(dtype))
    with np.errstate(all="ignore"):
        y = row.f(wide, **options)
        true = y, np.broadcast_to(row.df(wide, y, **options), z.shape)
        runs = variant.f(stack, **options), stack * 0.0 + variant.df(stack, stack, **options)
        s = [tolerance.deviation(run.raw, t, dtype) for run, t in zip(runs, true, strict=True)]
        for form, which, got in every_form(name, z, dtype):
            assert (np.abs(got.astype(float) - true[which]) < 6 * s[which]).all(), form


@BOTH
def test_right_programs_in_mixtures_of_styles(mixed, dtype):
    """A small share of what tests/benchmarks/mixtures.py asks: no alarm."""
    seen = mixed.part((dtype, 4242, 150))
    assert not seen.alarms
    assert seen.asked == 150
    assert seen.judged > 140


def test_a_wrong_form_in_a_mixture_is_an_alarm(mixtures):
    """The benchmark can fail: tanh' without its square."""
    from styles import functions

    network = Network((1,), (LayerSpec("dense", {"units": 1, "bias": True}),
                             LayerSpec("activation", {"function": "tanh"})), LossSpec("squared_error", "sum", 1.0))
    case = neuron(0.7, "squared_error", 0.3, "float64", "tanh").but(network=network)
    seen, mix = mixtures.Seen(), mixtures.Mixture(0)
    mix.chosen["tanh'@1"] = "wrong"
    functions.TANH_SLOPE["wrong"] = lambda z, y: 1 - y
    try:
        mixtures.one(seen, case, mix)
    finally:
        del functions.TANH_SLOPE["wrong"]
    assert len(seen.alarms) == 1
    assert seen.alarms[0]["blamed"][0].startswith("tanh'@1: wrong")
