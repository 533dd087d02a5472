"""Right programs in other forms than the reference's are never called wrong; what they lose, the tolerance carries."""

import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from backproof.judging.judge import Judge
from backproof.plug.subject import Subject, subject_of
from backproof.properties.claims import EVERYTHING, Claims, Head
from backproof.properties.tolerance import SLACK, spread
from backproof.reference import (
    ACTIVATIONS,
    LOSSES,
    Answer,
    Case,
    LayerSpec,
    LossSpec,
    Network,
    evaluate,
)

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
            if variant.df is not None:
                options = {key: option.default for key, option in row.options.items()}
                nothing = np.full_like(x, np.nan)
                assert np.isfinite(variant.df(x, nothing, **options)).all(), name


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


def test_there_are_forty_styles_of_every_piece(mixtures):
    counts = mixtures.counts()
    assert {*ACTIVATIONS, *LOSSES, "matrix product", "sum", "containers"} == set(counts)
    assert min(counts.values()) >= 40


@BOTH
def test_right_programs_in_mixtures_of_styles(mixtures, dtype):
    """A small share of what tests/benchmarks/mixtures.py asks: no alarm."""
    seen = mixtures.part((dtype, 4242, 150))
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
