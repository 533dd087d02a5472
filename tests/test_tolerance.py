"""The tolerance: the noise has the size it says, the bound holds, right programs stay inside, wrong ones do not."""

import math

import numpy as np
import pytest
from backproof.oracles import load
from backproof.properties import bounded, tolerance
from backproof.properties.agreement import differing, disagreements, measured
from backproof.properties.bounded import Bounded, gamma
from backproof.properties.claims import EVERYTHING, Claims, Head
from backproof.properties.perturbed import AMPLIFY, TINY, UNIT, Noise, Perturbed
from backproof.properties.strategies import Style, build, cases, chain
from backproof.properties.tolerance import SLACK, bounds, spread, textbook
from backproof.reference import (
    ACTIVATIONS,
    LOSSES,
    TABLES,
    Answer,
    Case,
    LayerSpec,
    LossSpec,
    Network,
    evaluate,
    numbers,
)
from wrong_engines import drawn_cases

DTYPES = ("float64", "float32")
RNG = np.random.default_rng(0)
BOTH = pytest.mark.parametrize("dtype", DTYPES)


def dense(units, bias=True):
    return LayerSpec("dense", {"units": units, "bias": bias})


def act(name, **options):
    return LayerSpec("activation", {"function": name, **options})


def one_unit(weight, layers, loss, targets=((0.5,),), dtype="float64", inputs=((1.0,),), bias=0.0):
    """Inputs through one dense unit, then `layers`, then `loss`."""
    network = Network((1,), (dense(1), *layers), LossSpec(loss, "sum", 1.0))
    arrays = ([[weight]], [bias], inputs, targets)
    w, b, x, t = (np.array(a, dtype=dtype) for a in arrays)
    return Case(network, {"0.weight": w, "0.bias": b}, x, t, dtype)


def worst_ratio(answer, truth, allowed):
    """The largest error over what is allowed, loss and gradients alike; NaN is infinitely wrong."""
    pairs = [(answer.loss, truth.loss, allowed.loss),
             *((answer.gradients[k], g, allowed.gradients[k]) for k, g in truth.gradients.items())]
    ratios = [np.max(np.abs(np.asarray(a, float) - b) / c) for a, b, c in pairs]
    return float(np.max(np.nan_to_num(ratios, nan=np.inf)))


# --- perturbed arithmetic -------------------------------------------------------------------------------------

X = RNG.uniform(0.5, 1.5, (20, 30, 8))
NOISY = {  # operation: what it computes, and the units it owes on top of those of its operands
    "x + 1": (lambda x: x + 1.0, 1.0), "3 - x": (lambda x: 3.0 - x, 1.0), "x x": (lambda x: x * x, 1.0),
    "1 / x": (lambda x: 1.0 / x, 1.0), "exp": (np.exp, 8.0), "log": (np.log, 8.0),
    "log1p": (numbers.log1p, 8.0), "tanh": (np.tanh, 8.0), "erf": (numbers.erf, 8.0), "erfc": (numbers.erfc, 8.0),
}
QUIET = {
    "-x": lambda x: -x, "x.T": lambda x: x.T, "reshape": lambda x: x.reshape(10, 24),
    "x[..., 1:]": lambda x: x[..., 1:],
    "max": lambda x: x.max(axis=-1), "where": lambda x: np.where(x > 1.0, x, -x),
    "concatenate": lambda x: np.concatenate([x, x], axis=-1),
}


def noisy(dtype="float64", raw=X):
    return Perturbed(raw.copy(), Noise(dtype))


def deviation(got, exact, dtype):
    """The largest relative deviation, in units of the (amplified) rounding."""
    return np.max(np.abs(got.raw - exact) / np.abs(exact)) / (UNIT[dtype] * AMPLIFY[dtype])


@BOTH
@pytest.mark.parametrize("name", NOISY)
def test_an_operation_owes_its_noise(name, dtype):
    operation, units = NOISY[name]
    assert 0.9 * units < deviation(operation(noisy(dtype)), operation(X), dtype) < 1.01 * units


@BOTH
@pytest.mark.parametrize("terms", [1, 4, 9, 30])
def test_a_sum_owes_the_root_of_its_terms(terms, dtype):
    """One rounding of √n units on the result; operands owe √2 each, which averages out where there are many."""
    x = RNG.uniform(0.9, 1.1, (8, 500, terms))
    w = Perturbed(RNG.uniform(0.9, 1.1, (8, terms, 4)), Noise(dtype))
    operands = math.sqrt(2.0) if terms > 1 else 0.0
    for got, exact in ((noisy(dtype, x).sum(axis=1), x.sum(axis=2)), (noisy(dtype, x) @ w, x @ w.raw)):
        units = deviation(got, exact, dtype)
        assert 0.9 * math.sqrt(terms) < units < 1.01 * math.ceil(math.sqrt(terms)) + operands


@pytest.mark.parametrize("name", QUIET)
def test_what_moves_numbers_owes_nothing(name):
    for sample, got in zip(X, QUIET[name](noisy()).raw, strict=True):
        assert np.array_equal(got, QUIET[name](sample))


@BOTH
def test_what_underflows_owes_an_underflow(dtype):
    for operation in (lambda x: x * x, lambda x: x / 3.0, lambda x: np.exp(x - 1e4), lambda x: x @ x.T):
        got = np.abs(operation(noisy(dtype, np.zeros((4, 50, 50)))).raw)
        assert 0.9 * TINY[dtype] < got.max() / AMPLIFY[dtype] <= TINY[dtype]


def test_noise_is_fresh_for_every_entry_and_every_operation():
    x = noisy()
    first, second = (x * 1.0).raw, (x * 1.0).raw
    assert (first != second).mean() > 0.9
    large = np.ones((8, 100, 100))
    first, second = (noisy(raw=large) * 1.0).raw, (noisy(raw=large) * 1.0).raw
    assert np.array_equal(first, second)
    x = noisy(raw=large)
    assert ((x * 1.0).raw != (x * 1.0).raw).mean() > 0.9


def test_spread_is_deterministic_and_leaves_everything_as_it_was():
    """The same numbers again, other numbers for another seed; pool, case and NumPy's own random state untouched."""
    case = drawn_cases(cases(), 3, 4)[3]
    before, state = case.id, np.random.get_state()[1].copy()
    first = spread(case, seed=5)
    pools = {a: pool.copy() for a, pool in tolerance._noise(case.dtype).pools.items()}
    spread(case, seed=9)
    again, other = spread(case, seed=5), spread(case, seed=6)
    assert all(np.array_equal(tolerance._noise(case.dtype).pools[a], pool) for a, pool in pools.items())
    assert all(np.array_equal(again.gradients[k], first.gradients[k]) for k in first.gradients)
    assert any(not np.array_equal(other.gradients[k], first.gradients[k]) for k in first.gradients)
    assert again.loss == first.loss
    del case.__dict__["id"]
    assert case.id == before
    assert np.array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize("amplify", [16.0, 4096.0])
def test_the_amplification_is_taken_back(amplify, monkeypatch):
    """float64's noise is amplified to stand out of float64's own rounding: s hardly depends on by how much."""
    few = list(drawn_cases(cases(Claims(hidden=("tanh", "sigmoid"), depth=(1, 4))), 1, 40))
    usual = [spread(case, 64) for case in few]
    with monkeypatch.context() as patched:
        patched.setitem(AMPLIFY, "float64", amplify)
        tolerance._noise.cache_clear()
        other = [spread(case, 64) for case in few]
    tolerance._noise.cache_clear()
    ratios = np.concatenate([(b.gradients[k] / a.gradients[k]).ravel()
                             for a, b in zip(usual, other, strict=True) for k in a.gradients])
    assert 0.9 < np.median(ratios) < 1.1
    assert np.quantile(ratios, 0.01) > 0.25
    assert np.quantile(ratios, 0.99) < 4


# --- bounded arithmetic ---------------------------------------------------------------------------------------

A = (RNG.uniform(-2, 2, (6, 5)), RNG.uniform(0, 0.2, (6, 5)))
B = (RNG.uniform(-2, 2, (5, 6)), RNG.uniform(0, 0.2, (5, 6)))
POSITIVE = (RNG.uniform(0.5, 2, (5, 6)), RNG.uniform(0, 0.2, (5, 6)))
LIFTED = {
    "a + b": (lambda a, b: a.T + b, A, B), "a - b": (lambda a, b: a.T - b, A, B), "a b": (lambda a, b: a.T * b, A, B),
    "a / b": (lambda a, b: a.T / b, A, POSITIVE),
    "a @ b": (lambda a, b: a @ b, A, B), "1 / b": (lambda a, b: 1.0 / b, A, POSITIVE),
    "2 - a": (lambda a, b: 2.0 - a, A, B), "a - 0.1": (lambda a, b: a - 0.1, A, B),
    "0.1 a": (lambda a, b: 0.1 * a, A, B),
    "exp": (lambda a, b: np.exp(a), A, B), "log": (lambda a, b: np.log(b), A, POSITIVE),
    "tanh": (lambda a, b: np.tanh(a), A, B),
    "log1p": (lambda a, b: numbers.log1p(b), A, POSITIVE), "erf": (lambda a, b: numbers.erf(a), A, B),
    "erfc": (lambda a, b: numbers.erfc(a), A, B), "sum": (lambda a, b: a.sum(axis=0), A, B),
    "sum of all": (lambda a, b: a.sum(), A, B), "max": (lambda a, b: a.max(axis=-1, keepdims=True), A, B),
    "where": (lambda a, b: np.where(b < a.T, a.T, -b), A, B),
    "where constant": (lambda a, b: np.where(a > 0, 1.0, 0.01 * a), A, B),
    "magnitude": (lambda a, b: numbers.magnitude(a), A, B), "less": (lambda a, b: np.where(a < 0.5, a * a, 3.0), A, B),
    "concatenate": (lambda a, b: np.concatenate([a, b.T], axis=-1), A, B),
    "reshape": (lambda a, b: a.reshape(-1, 3)[1:], A, B),
    **{f"{name}": (lambda a, b, row=row: row.f(a), A, B) for name, row in ACTIVATIONS.items() if not row.options},
    **{f"{name}'": (lambda a, b, row=row: row.backward(a, row.f(a), b.T), A, B)
       for name, row in ACTIVATIONS.items() if not row.options},
}


def sampled(name, count=300):
    """(bounded result, its operation on many points of the boxes, the corners among them)."""
    operation, a, b = LIFTED[name]
    rng = np.random.default_rng(1)
    with np.errstate(all="ignore"):
        found = operation(Bounded(*a, "float64"), Bounded(*b, "float64"))
        for i in range(count):
            corner = (lambda s: rng.choice([-1.0, 0.0, 1.0], s)) if i % 2 else (lambda s: rng.uniform(-1, 1, s))
            yield found, operation(*(v + e * corner(v.shape) for v, e in (a, b)))


@pytest.mark.parametrize("name", LIFTED)
def test_the_bound_holds_for_every_operation(name):
    for found, result in sampled(name):  # computed in float64 too, so a corner may land a rounding outside
        assert np.all(np.abs(result - found.value) <= found.error * (1 + 1e-12) + 1e-15)


SLACKER = ("softmax'", "softmax", "gelu'", "silu'", "gelu_tanh", "gelu_tanh'", "softplus", "sigmoid", "sigmoid'",
           "tanh'", "softplus'", "gelu", "silu", "log_softmax")


@pytest.mark.parametrize("name", [name for name in LIFTED if name not in SLACKER])
def test_the_bound_of_one_operation_is_sharp(name):
    """No larger than three times what is seen: a bound that is infinite holds too."""
    worst = 0.0
    for found, result in sampled(name, 600):
        worst = np.maximum(worst, np.abs(result - found.value))
    open_enough = worst > 0.05 * worst.max()
    assert np.median(found.error[open_enough] / worst[open_enough]) < 3


def test_a_divisor_that_may_vanish_has_no_bound():
    for value, error in ((0.1, 0.2), (0.0, 0.0)):
        x = Bounded(np.array([value]), np.array([error]), "float64")
        with np.errstate(all="ignore"):
            assert not np.isfinite((1.0 / x).error).any()
            assert not np.isfinite(np.log(x).error).any()


RELU = ACTIVATIONS["relu"]
OPEN = [  # value, error, what relu and its derivative may be off by, at least
    (-1e-9, 1e-8, 9e-9, 1.0), (1e-9, 1e-8, 1e-8, 1.0), (0.0, 1e-8, 1e-8, 1.0), (-1e-8, 1e-9, 0.0, 0.0),
    (1e-8, 1e-9, 1e-9, 0.0),
]


@BOTH
@pytest.mark.parametrize(("value", "error", "f", "df"), OPEN)
def test_a_comparison_is_yes_no_or_open(value, error, f, df, dtype):
    x = Bounded(np.array([value]), np.array([error]), dtype)
    y = RELU.f(x)
    for found, wanted in ((y, f), (RELU.df(x, y), df)):
        assert wanted * (1 - 1e-12) <= found.error[0] <= 1.3 * wanted + 1e-30


@BOTH
def test_a_constant_owes_its_rounding_unless_it_is_exact(dtype):
    one = Bounded(np.ones(1), np.zeros(1), dtype)
    u = UNIT[dtype]
    for constant, units in ((0.5, 1), (3.0, 1), (1.0 / 1024, 1), (0.1, 2), (1e-5, 2), (math.sqrt(0.5), 2)):
        found = (one * constant).error[0] / (u * constant)
        assert units - 0.01 < found < units + 0.01
    assert gamma(10, u) > 10 * u


# --- of whole networks ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def networks():
    """By dtype: cases, the truth by the arbiter, and what NumPy and torch answer in that dtype."""
    found, engines = {}, {"numpy": evaluate, "torch": lambda case: load("torch").answer(case, None)}
    for dtype in DTYPES:
        drawn = drawn_cases(cases(EVERYTHING, dtype=dtype), 11, 150)
        truths = [load("arbiter").answer(case) for case in drawn]
        found[dtype] = [(case, truth, {name: engine(case) for name, engine in engines.items()})
                        for case, truth in zip(drawn, truths, strict=True)]
    return found


def ratios(networks, dtype, instrument):
    allowed = [instrument(case) for case, _, _ in networks[dtype]]
    return np.array([worst_ratio(answer, truth, a)
                     for (_, truth, answers), a in zip(networks[dtype], allowed, strict=True)
                     for answer in answers.values()])


@BOTH
def test_right_programs_stay_inside_the_spread(networks, dtype):
    found = ratios(networks, dtype, spread)
    assert found.max() < SLACK
    assert np.median(found) > 0.02  # a spread that is huge would hold too


@BOTH
def test_right_programs_stay_inside_the_bound(networks, dtype):
    assert ratios(networks, dtype, bounds).max() < 1


@BOTH
def test_the_bound_needs_its_terms(networks, dtype, monkeypatch):
    """Without the error of sums, products and functions the same networks are outside."""
    monkeypatch.setattr(bounded, "gamma", lambda n, u: 0.0)
    monkeypatch.setattr(bounded, "ELEMENTARY_UNITS", 0.0)
    monkeypatch.setitem(bounded.UNIT, dtype, UNIT[dtype] / 8)
    assert ratios(networks, dtype, bounds).max() > 1


@BOTH
def test_the_spread_is_far_below_the_bound_and_the_gradient(networks, dtype):
    """Sharp enough to matter: the median tolerance over the gradient's largest entry."""
    relative = []
    for case, truth, _ in networks[dtype]:
        s = spread(case)
        relative += [SLACK * s.gradients[k].max() / np.abs(g).max() for k, g in truth.gradients.items() if g.any()]
    assert np.median(relative) < {"float64": 1e-12, "float32": 1e-4}[dtype]


@BOTH
def test_a_planted_error_is_seen(networks, dtype):
    """100 times the tolerance in one entry of one array: seen in that array, and nowhere else."""
    rng = np.random.default_rng(2)
    for case, _, _ in networks[dtype]:
        s = spread(case)
        name = list(s.gradients)[rng.integers(len(s.gradients))]
        where = tuple(rng.integers(n) for n in s.gradients[name].shape)
        for times, seen in ((100.0, [name]), (0.0, [])):
            wrong = np.array(s.truth.gradients[name])
            wrong[where] += times * SLACK * s.gradients[name][where]
            answer = Answer(s.truth.loss, {**s.truth.gradients, name: wrong})
            found = disagreements(measured(case, answer, s), s.truth)
            assert [d.parameter for d in found] == seen
            assert all(d.where == where for d in found)


@BOTH
def test_a_planted_error_of_the_loss_is_seen(networks, dtype):
    for case, _, _ in networks[dtype][:40]:
        s = spread(case)
        for times in (100.0, -100.0):
            reply = measured(case, Answer(s.truth.loss + times * SLACK * s.loss, {}), s)
            assert differing("loss", reply.loss, s.truth.loss) is not None


# --- the textbook's formulas ----------------------------------------------------------------------------------

SATURATED = [(name, x) for name in ("sigmoid", "tanh", "gelu", "gelu_tanh", "silu", "mish", "softsign", "selu")
             for x in (3.0, 6.0, 12.0, 18.0, -7.0, -18.0)]


def textbook_answer(case):
    """The textbook's derivatives, 1 - y² and its like, in the case's dtype."""
    return evaluate(case, textbook())


@BOTH
@pytest.mark.parametrize(("name", "x"), SATURATED)
def test_saturated_units_may_use_the_textbook(name, x, dtype):
    case = one_unit(np.float32(x) * 1.001, [act(name), dense(1)], "squared_error", dtype=dtype)
    extra = {"2.weight": np.array([[0.7]], dtype), "2.bias": np.array([0.1], dtype)}
    case = case.but(parameters=extra)
    s, truth = spread(case), load("arbiter").answer(case)
    for answer in (evaluate(case), textbook_answer(case), load("torch").answer(case, None)):
        assert worst_ratio(answer, truth, s) < SLACK


def test_it_takes_the_textbook_in_the_tolerance(monkeypatch):
    """Over the accurate rows alone, PyTorch's 1 - y² would be called wrong."""
    case = one_unit(12.0, [act("tanh")], "squared_error")
    truth, theirs = load("arbiter").answer(case), load("torch").answer(case)
    assert worst_ratio(theirs, truth, spread(case)) < SLACK
    monkeypatch.setattr(tolerance, "TEXTBOOK", TABLES)
    assert worst_ratio(theirs, truth, spread(case.copy())) > 1000 * SLACK


def test_every_variant_is_another_program_of_the_same_function():
    x, dy = np.linspace(-4, 4, 42).reshape(3, 14), np.linspace(1, 2, 42).reshape(3, 14)
    for name, row in ACTIVATIONS.items():
        options = {option: each.default for option, each in row.options.items()}
        for variant in row.variants:
            y = row.f(x, **options)
            assert np.allclose(variant.f(x, **options), y, rtol=1e-9, atol=1e-12), name
            assert np.allclose(variant.backward(x, y, dy, **options), row.backward(x, y, dy, **options),
                               rtol=1e-9, atol=1e-12), name
            assert textbook().activations[name] is variant


@BOTH
@pytest.mark.parametrize("weight", [0.5, 4.0, 8.0, -8.0, 12.0])
@pytest.mark.parametrize("target", [0.0, 1.0, 0.25])
def test_binary_cross_entropy_of_a_sigmoid(weight, target, dtype):
    """Fused y - t, the chain over accurate rows and over the textbook's: all of them are right."""
    case = one_unit(weight, [act("sigmoid")], "binary_cross_entropy", ((target,),), dtype)
    fused = one_unit(weight, [], "sigmoid_cross_entropy", ((target,),), dtype)
    s, truth = spread(case), load("arbiter").answer(case)
    for answer in (evaluate(fused), evaluate(case), textbook_answer(case), load("torch").answer(case, None)):
        with_own_loss = Answer(truth.loss, answer.gradients)
        assert worst_ratio(with_own_loss, truth, s) < SLACK


@BOTH
def test_gradients_that_underflow_are_no_mistake(dtype):
    """Twelve saturated layers: flushed to zero, or subnormal, both are right."""
    network = chain([2] * 13, [True] * 12, [act("sigmoid")] * 11, Head("identity", "squared_error", "sum"))
    case = build(network, 2, "real", Style(), 1, dtype)
    low = {k: np.full_like(v, {"float64": -66.0, "float32": -8.5}[dtype]) for k, v in case.parameters.items()
           if k.endswith("bias") and not k.startswith("22.")}
    deep = case.but(parameters=low)
    s, truth = spread(deep), load("arbiter").answer(deep)
    tiny = float(np.finfo(dtype).tiny)
    assert min(np.abs(g[g != 0]).min(initial=np.inf) for g in truth.gradients.values()) < tiny
    answer = evaluate(deep)
    flushed = {k: np.where(np.abs(g) < tiny, 0.0, g) for k, g in answer.gradients.items()}
    for each in (answer, Answer(answer.loss, flushed), load("torch").answer(deep, None)):
        assert worst_ratio(each, truth, s) < SLACK


# --- kinks and overflow ---------------------------------------------------------------------------------------

NEAR = [  # argument of the relu, unclear in float64, in float32
    (0.0, True, True), (1e-17, True, True), (1e-9, False, True), (-1e-9, False, True), (1e-3, False, False),
    (-0.5, False, False),
]


@pytest.mark.parametrize(("argument", "in_float64", "in_float32"), NEAR)
@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
def test_a_unit_within_rounding_of_its_kink_is_unclear(name, argument, in_float64, in_float32):
    options = {"slope": 0.01} if name == "leaky_relu" else {}
    for dtype, wanted in (("float64", in_float64), ("float32", in_float32)):
        case = one_unit(1.5, [act(name, **options)], "squared_error", dtype=dtype, bias=-1.5 + argument,
                        inputs=((1.0,), (2.0,)), targets=((0.5,), (0.5,)))
        if dtype == "float32":  # float32 has no -1.5 + 1e-9: the rest comes from the weight
            case = case.astype("float64").but(parameters={"0.bias": np.array([-1.5 + argument])}, dtype="float32")
        found = spread(case).unclear
        assert list(found) == (["1"] if wanted else [])
        if wanted:
            assert found["1"].tolist() == [[True], [False]]


def test_smooth_units_are_never_unclear():
    for name in ("identity", "sigmoid", "tanh", "softplus", "gelu", "silu"):
        assert not spread(one_unit(1.5, [act(name)], "squared_error", bias=-1.5)).unclear


@BOTH
@pytest.mark.parametrize(("target", "wanted"), [(1.5, ["loss"]), (1.25, [])])
def test_the_kink_of_the_loss(target, wanted, dtype):
    case = one_unit(1.5, [], "absolute_error", ((target,),), dtype)
    assert list(spread(case).unclear) == wanted
    assert LOSSES["absolute_error"].kinks == (0.0,)


@pytest.mark.parametrize(("weight", "in_float64", "in_float32"), [
    (10.0, True, True), (1e25, True, False), (1e200, False, False)])
@pytest.mark.parametrize("layers", [[], [act("relu")], [act("identity"), dense(1)]])
def test_overflow_makes_the_case_invalid_in_that_dtype(layers, weight, in_float64, in_float32):
    for dtype, wanted in (("float64", in_float64), ("float32", in_float32)):
        case = one_unit(weight, layers, "squared_error")
        extra = {"2.weight": np.array([[1.0]]), "2.bias": np.zeros(1)} if len(layers) == 2 else {}
        case = case.but(parameters=extra)
        assert spread(case.but(dtype=dtype) if dtype == "float32" else case).finite == wanted
