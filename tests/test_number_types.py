"""Every function that a rule may use, through every number type."""

import inspect
import itertools
import math
import operator

import flint
import numpy as np
import pytest
from backproof.oracles import arbiter
from backproof.oracles.arbiter import Balls, Comparisons, exact
from backproof.properties import bounded, perturbed
from backproof.properties.bounded import Bounded
from backproof.properties.perhaps import Largest, Perhaps
from backproof.properties.perturbed import (
    AMPLIFY,
    TINY,
    UNIT,
    Noise,
    Perturbed,
    sum_units,
    term_units,
)
from backproof.properties.tolerance import SLACK
from backproof.reference import stacked
from backproof.reference.numbers import (
    METHODS,
    OPERATIONS,
    Counts,
    Operation,
    add_windows,
    erf,
    erfc,
    magnitude,
    put,
    scatter_add,
    windows,
)
from backproof.reference.stacked import Stacked
from function_examples import CALLS, EXAMPLES, drawn, operands

EVERY = pytest.mark.parametrize("name", CALLS)
EXACT = (Counts.REARRANGEMENT, Counts.CHOICE, Counts.COMPARISON, Counts.INDEX)


def names_of(call):
    return tuple(inspect.signature(call).parameters)


def subsets(names):
    """Which operands are lifted: all of them, and every way to leave some as plain arrays."""
    for chosen in itertools.product((True, False), repeat=len(names)):
        if any(chosen):
            yield dict(zip(names, chosen, strict=True))


# --- the types: how to lift arrays, and the values of a result ----------------------------------


def stack(given, lifted, wrap=Stacked):
    """Three samples of each operand that is lifted, and by sample what all operands are."""
    many = {
        k: np.stack([a, a[::-1] * 1.25, -0.75 * a if k != "p" else 0.75 * a])
        for k, a in given.items()
    }
    samples = [{k: many[k][n] if lifted[k] else given[k] for k in given} for n in range(3)]
    return {k: wrap(many[k]) if lifted[k] else given[k] for k in given}, samples


def close(got, wanted, rtol):
    """Of one shape, and equal to within rtol of the larger numbers at hand."""
    got, wanted = np.asarray(got, dtype=float), np.asarray(wanted, dtype=float)
    assert got.shape == wanted.shape
    assert np.isfinite(wanted).all()
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol * 4)


def value_float32(call, given, lifted):
    result = call(**{k: a.astype(np.float32) for k, a in given.items()})
    close(result, call(**given), 3e-6)


def value_complex(call, given, lifted):
    result = call(**{k: a.astype(complex) if lifted[k] else a for k, a in given.items()})
    close(np.real(result), call(**given), 1e-14)


def in_balls(bits, call, given, lifted, as_undecided=False):
    """The result in balls of that precision, and what became of the comparisons."""
    state = Comparisons(as_undecided)
    token = arbiter._COMPARISONS.set(state)
    try:
        with flint.ctx.workprec(bits), np.errstate(all="ignore"):
            return call(**{k: exact(a) if lifted[k] else a for k, a in given.items()}), state
    finally:
        arbiter._COMPARISONS.reset(token)


def value_balls(call, given, lifted):
    """Float64's numbers; and a ball of few bits contains the one of many, which is small."""
    result, state = in_balls(80, call, given, lifted)
    assert state.undecided == 0
    balls, fine = np.asarray(result), np.asarray(in_balls(300, call, given, lifted)[0])
    if balls.dtype == object:
        assert isinstance(result, Balls) or balls.shape == ()
        assert all(
            b.contains(f) and f.rad() < 1e-60 for b, f in zip(balls.flat, fine.flat, strict=True)
        )
    close(np.vectorize(float, otypes=[float])(balls), call(**given), 1e-14)


def value_stacked(call, given, lifted):
    operands, samples = stack(given, lifted)
    result = call(**operands)
    assert result.shape == result.raw.shape[1:]
    assert len(result.raw) == 3
    for got, sample in zip(result.raw, samples, strict=True):
        close(got, call(**sample), 1e-14)


def value_perturbed(call, given, lifted):
    noise = Noise("float64")
    operands, samples = stack(given, lifted, lambda raw: Perturbed(raw, noise))
    result = call(**operands)
    assert isinstance(result, Perturbed)
    for got, sample in zip(result.raw, samples, strict=True):
        close(got, call(**sample), 1e-11)


def value_bounded(call, given, lifted):
    result = call(
        **{k: Bounded(a, np.zeros_like(a), "float64") if lifted[k] else a for k, a in given.items()}
    )
    if isinstance(result, Largest):
        assert (result.candidates.sum(axis=-1) == 1).all()
        return close(result.first, call(**given), 0)
    assert result.error.shape == result.value.shape
    return close(result.value, call(**given), 1e-14)


VALUES = {
    "float32": value_float32,
    "complex": value_complex,
    "balls": value_balls,
    "stacked": value_stacked,
    "perturbed": value_perturbed,
    "bounded": value_bounded,
}


def check_value(kind, name):
    call = CALLS[name][1]
    names = names_of(call)
    for lifted in subsets(names):
        VALUES[kind](call, operands(names), lifted)


# --- the list -----------------------------------------------------------------------------------


def test_every_function_of_the_list_has_its_examples():
    assert set(EXAMPLES) == set(OPERATIONS)


@EVERY
@pytest.mark.parametrize("kind", VALUES)
def test_the_value_is_numpys(kind, name):
    check_value(kind, name)


@pytest.mark.parametrize("kind", ["stacked", "perturbed", "bounded", "balls"])
def test_every_method_of_the_list_is_its_function(kind):
    x = drawn((2, 1, 4))
    arguments = {
        "reshape": ((4, 2),),
        "swapaxes": (0, 2),
        "cumsum": (1,),
        "argmax": (1,),
        "transpose": ((2, 0, 1),),
    }
    lift = {
        "stacked": lambda a: Stacked(a[None]),
        "perturbed": lambda a: Perturbed(a[None].copy(), Noise("float64")),
        "bounded": lambda a: Bounded(a, 0 * a, "float64"),
        "balls": exact,
    }[kind]
    for method, function in METHODS.items():
        given = arguments.get(method, ())
        wanted = function(x, *given)
        call = (
            (lambda a: a.T) if method == "T" else (lambda a, m=method, g=given: getattr(a, m)(*g))
        )
        got = in_balls(80, lambda x, call=call: call(lift(x)), {"x": x}, {"x": False})[0]
        flat = getattr(got, "raw", getattr(got, "value", getattr(got, "first", got)))
        close(np.vectorize(float, otypes=[float])(flat).reshape(wanted.shape), wanted, 1e-10)


def test_numbers_own_functions_by_hand():
    assert windows(np.arange(6.0), (2,), (2,), (3,)).tolist() == [[0, 3], [2, 5]]
    image = np.arange(12.0).reshape(3, 4)
    assert windows(image, (2, 2), (1, 2), (1, 1)).tolist() == [
        [[[0, 1], [4, 5]], [[2, 3], [6, 7]]],
        [[[4, 5], [8, 9]], [[6, 7], [10, 11]]],
    ]
    assert add_windows(np.ones((2, 3)), (4,), (1,), (1,)).tolist() == [1, 2, 2, 1]
    assert scatter_add((3,), ([2, 2, 0],), np.array([1.0, 10.0, 5.0])).tolist() == [5, 0, 11]
    assert put(np.zeros(3), [0, 2], np.array([1.0, 2.0])).tolist() == [1, 0, 2]
    assert put(np.zeros(2, int), 0, 0.5).tolist() == [0.5, 0]
    x = np.array([-3.0, -0.2, 0.0, 1.0])
    assert erf(x).tolist() == [math.erf(v) for v in x]
    assert erfc(x).tolist() == [math.erfc(v) for v in x]


@pytest.mark.parametrize(
    ("sizes", "window", "stride", "dilation"),
    [((7,), (3,), (2,), (1,)), ((6, 5), (2, 3), (1, 2), (2, 1)), ((5, 4), (5, 1), (1, 3), (1, 1))],
)
def test_windows_and_their_adjoint(sizes, window, stride, dilation):
    """<windows(x), y> = <x, add_windows(y)>, and the places are those of sliding_window_view."""
    x = drawn((2, *sizes))
    found = windows(x, window, stride, dilation)
    y = drawn(found.shape)
    assert np.isclose((found * y).sum(), (x * add_windows(y, sizes, stride, dilation)).sum())
    span = tuple(d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True))
    every = np.lib.stride_tricks.sliding_window_view(x, span, axis=tuple(range(1, x.ndim)))
    cut = (
        slice(None),
        *(slice(None, None, s) for s in stride),
        *(slice(None, None, d) for d in dilation),
    )
    assert np.array_equal(found, every[cut])


@pytest.mark.parametrize("kind", ["stacked", "perturbed", "bounded"])
def test_what_is_not_on_the_list_is_refused(kind):
    lift = {
        "stacked": Stacked,
        "perturbed": lambda a: Perturbed(a, Noise("float64")),
        "bounded": lambda a: Bounded(a, 0 * a, "float64"),
    }[kind]
    x = lift(np.ones((2, 3)))
    for wrong in (
        lambda: np.abs(x),
        lambda: np.hypot(x, x),
        lambda: np.median(x),
        lambda: np.add(x, x, out=x),
        lambda: np.asarray(x),
        lambda: x**0.5,
        lambda: x[x > 0],
        lambda: np.float64(x),
    ):
        with pytest.raises((TypeError, IndexError)):
            wrong()
    with pytest.raises(ValueError, match="two axes"):
        np.ones(3) @ x.T


@pytest.mark.parametrize("kind", ["stacked", "perturbed", "bounded"])
def test_products_do_not_warn_of_what_blas_flags(kind):
    """Whatever flag a product leaves behind: infinity times zero raises it everywhere."""
    lift = {
        "stacked": Stacked,
        "perturbed": lambda a: Perturbed(a.copy(), Noise("float64")),
        "bounded": lambda a: Bounded(a[0], 0 * a[0], "float64"),
    }[kind]
    x = lift(
        np.array([[[np.inf, 0.0], [0.0, 1.0]]])
        if kind != "bounded"
        else np.array([[[1.0, 0.0], [0.0, 1.0]]])
    )
    y = np.array([[0.0, 1.0], [np.inf, 1.0]])
    with np.errstate(invalid="raise"):
        assert np.isnan(getattr(x @ y, "raw", getattr(x @ y, "value", None))).any()


# --- perturbed arithmetic -----------------------------------------------------------------------


def noise_of(call, dtype="float64", samples=400):
    """By entry: the exact result, and the largest deviation of a sample in units of u; operands."""
    given = operands(names_of(call))
    noise = Noise(dtype)
    lifted = {
        k: Perturbed(np.broadcast_to(a, (samples, *a.shape)), noise) for k, a in given.items()
    }
    wanted, got = call(**given), call(**lifted).raw
    return wanted, np.abs(got - wanted).max(axis=0) / (UNIT[dtype] * AMPLIFY[dtype]), given


def check_quiet(name):
    off = noise_of(CALLS[name][1])[1]
    assert np.all(off == 0)


def check_units(name, dtype):
    """One operation's noise: as many units of the result as it owes, and hardly less."""
    function, call = CALLS[name]
    units = {Counts.ROUNDING: 1.0, Counts.ELEMENTARY: 8.0}[OPERATIONS[function].counts]
    wanted, off, _ = noise_of(call, dtype)
    assert np.all(off <= 1.006 * units * np.abs(wanted))  # 1/256: float64's own rounding
    assert np.all(off >= 0.95 * units * np.abs(wanted))


def counting(*counts):
    return [name for name, (f, _) in CALLS.items() if OPERATIONS[f].counts in counts]


QUIET = [*counting(*EXACT), *(name for name, (f, _) in CALLS.items() if f in (magnitude, windows))]


@pytest.mark.parametrize("name", QUIET)
def test_what_moves_or_chooses_owes_nothing(name):
    check_quiet(name)


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("name", counting(Counts.ROUNDING, Counts.ELEMENTARY))
def test_an_operation_owes_its_units(name, dtype):
    check_units(name, dtype)


@pytest.mark.parametrize(("n", "units"), [(2, 1), (3, 2), (5, 4), (-1, 1), (-2, 2), (0, 0), (1, 0)])
def test_a_power_owes_its_multiplications(n, units):
    wanted, off, _ = noise_of(lambda x: x**n, "float32")
    assert np.all((off <= 1.001 * units * np.abs(wanted)) & (off >= 0.95 * units * np.abs(wanted)))


def magnitudes(call, given):
    """The same sum of absolute values."""
    return call(**{k: np.abs(a) for k, a in given.items()})


def check_sum(name):
    """At most what result and terms owe together; at least half of what the result owes."""
    call = CALLS[name][1]
    wanted, off, given = noise_of(call, "float32")
    most = max(a.size for a in given.values())
    owed = sum_units(most) + 1.0
    assert np.all(
        off <= 1.01 * (owed * np.abs(wanted) + term_units(most) * magnitudes(call, given))
    )
    several = np.abs(wanted) < (1 - 1e-12) * magnitudes(call, given)
    assert np.all(off[several] >= 0.95 * np.abs(wanted[several]))


@pytest.mark.parametrize(
    "name", [*counting(Counts.SUM, Counts.PRODUCT_SUM), "add_windows 0", "add_windows 1"]
)
def test_a_sum_owes_what_its_terms_and_its_result_owe(name):
    check_sum(name)


def ones(*shape):
    return Perturbed(np.ones((400, *shape)), Noise("float32"))


LIKE = {  # n ones, added up
    "sum": lambda n: ones(3, n).sum(axis=1),
    "matmul": lambda n: ones(3, n) @ np.ones((n, 2)),
    "matmul of a plain array": lambda n: np.ones((2, n)) @ ones(n, 3),
    "einsum": lambda n: np.einsum("ij,kj->ik", ones(3, n), ones(2, n)),
    "cumsum": lambda n: np.cumsum(ones(n, 3), axis=0)[-1],
    "mean": lambda n: ones(n, 3).mean(axis=0) * float(n),
    "scatter_add": lambda n: scatter_add((2, 3), ([1] * n,), ones(n, 3))[1],
}


def check_root(n, call):
    """√n units of the result, and little more: what terms owe averages out."""
    off = np.abs(call(n).raw / n - 1).max() / UNIT["float32"]
    assert 0.9 * math.sqrt(n) < off
    assert off < 1.02 * (math.ceil(math.sqrt(n)) + 2) + 4 * term_units(n) / math.sqrt(3 * n)


@pytest.mark.parametrize("n", [2, 4, 9, 16, 64])
@pytest.mark.parametrize("name", LIKE)
def test_a_sum_of_like_numbers_owes_the_root_of_its_terms(n, name):
    check_root(n, LIKE[name])


def test_what_is_not_added_up_owes_nothing():
    """The first of a cumulated sum; entries that one number, or none, is sent to."""
    x = ones(3, 2)
    assert np.all(np.cumsum(x, axis=0).raw[:, 0] == 1)
    sent = scatter_add((4, 2), ([3, 1, 3],), x).raw
    assert np.all(sent[:, [0, 2]] == 0)
    assert np.all(sent[:, 1] == 1)
    assert sent[:, 3].std() > 0
    zero = Perturbed(np.zeros((8, 3, 2)), Noise("float32"))
    for still in (
        zero.sum(axis=0),
        zero + zero,
        zero.mean(axis=1) * 0.0 - zero.sum(),
        np.cumsum(zero, axis=1),
    ):
        assert np.all(np.abs(still.raw) <= 4 * TINY["float32"])
    assert np.all(zero.sum(axis=0).raw == 0)
    assert np.all((zero - zero).raw == 0)


# --- the noise of a sum covers every partial sum ------------------------------------------------


def in_sequence(x):
    """float32, term after term, over the last axis."""
    return np.cumsum(x.astype(np.float32), axis=-1, dtype=np.float32)[..., -1]


def in_pairs(x):
    x = x.astype(np.float32)
    while x.shape[-1] > 1:
        x = np.concatenate([x, np.zeros_like(x[..., : x.shape[-1] % 2])], axis=-1)
        x = x[..., 0::2] + x[..., 1::2]
    return x[..., 0]


def in_blocks(x):
    return in_sequence(
        np.stack([in_sequence(b) for b in np.array_split(x, min(4, x.shape[-1]), axis=-1)], axis=-1)
    )


def by_size(x):
    return np.take_along_axis(x, np.argsort(-np.abs(x), axis=-1), -1)


ORDERS = {
    "forward": in_sequence,
    "backward": lambda x: in_sequence(x[..., ::-1]),
    "pairwise": in_pairs,
    "blocked": in_blocks,
    "sorted": lambda x: in_sequence(np.sort(x, axis=-1)),
    "sorted pairwise": lambda x: in_pairs(np.sort(x, axis=-1)),
    "by size": lambda x: in_sequence(by_size(x)),
}


def last_cancels(x):
    """The last term is all others' negative sum, as far as float32 has it."""
    x[..., -1] = -x[..., :-1].sum(axis=-1)
    return x


DATA = {
    "ordinary": lambda rng, shape: rng.normal(size=shape),
    "positive": lambda rng, shape: rng.uniform(0, 1, shape),
    "equal": lambda rng, shape: np.broadcast_to(rng.uniform(0, 1, (*shape[:-1], 1)), shape),
    "cancelling": lambda rng, shape: last_cancels(rng.normal(size=shape)),
    "one against all": lambda rng, shape: last_cancels(rng.uniform(0.5, 1, shape)),
    "centred": lambda rng, shape: (lambda x: x - x.mean(axis=-1, keepdims=True))(
        rng.normal(size=shape)
    ),
    "of all sizes": lambda rng, shape: last_cancels(
        rng.normal(size=shape) * 10.0 ** rng.uniform(-4, 4, shape)
    ),
}


def exact_sums(x):
    return np.apply_along_axis(math.fsum, -1, x)


def spread_of(call, truth, *arrays):
    """s, as the tolerance computes it, of a float32 operation."""
    noise = Noise("float32", 5)
    got = call(*(Perturbed(np.broadcast_to(a, (8, *a.shape)), noise) for a in arrays)).raw
    return np.abs(got - truth).max(axis=0) + UNIT["float32"] * np.abs(truth) + 64 * TINY["float32"]


def terms_drawn(kind, n, trials=1000):
    return DATA[kind](np.random.default_rng(n), (trials, n)).astype(np.float32).astype(float)


@pytest.mark.parametrize("n", [2, 5, 12, 33, 100, 500])
@pytest.mark.parametrize("kind", DATA)
def test_a_sum_in_any_order_is_within_the_tolerance(kind, n):
    x = terms_drawn(kind, n)
    truth = exact_sums(x)
    s = spread_of(lambda x: x.sum(axis=1), truth, x)
    for order, add in ORDERS.items():
        assert (np.abs(add(x) - truth) / s).max() < 0.75 * SLACK, order


@pytest.mark.parametrize("n", [100, 500])
def test_noise_on_the_result_alone_would_not_cover_it(n, monkeypatch):
    monkeypatch.setattr(perturbed, "term_units", lambda terms: math.sqrt(2.0))
    x = terms_drawn("cancelling", n)
    truth = exact_sums(x)
    s = spread_of(lambda x: x.sum(axis=1), truth, x)
    assert (np.abs(ORDERS["sorted"](x) - truth) / s).max() > SLACK


@pytest.mark.parametrize("n", [5, 33, 200])
@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("product", ["matmul", "einsum", "scatter_add", "cumsum", "mean"])
def test_what_adds_up_in_any_order_is_within_the_tolerance(product, kind, n):
    """The products x y of float32 numbers, rounded, added up in every order."""
    x = terms_drawn(kind, n, 300)
    y = np.random.default_rng(1).choice([0.5, 1.0, 2.0], n)
    products = {"matmul": x * y, "einsum": x * y}.get(product, x)
    truth = exact_sums(products) / (n if product == "mean" else 1)
    calls = {
        "matmul": lambda x: (x @ y[:, None])[:, 0],
        "einsum": lambda x: np.einsum("ij,j->i", x, y),
        "mean": lambda x: x.mean(axis=1),
        "cumsum": lambda x: np.cumsum(x[:, -n:], axis=1)[:, -1],
        "scatter_add": lambda x: scatter_add((300, 2), (slice(None), [1] * n), x)[:, 1],
    }
    s = spread_of(calls[product], truth, x)
    for order, add in ORDERS.items():
        got = add(products) / np.float32(n) if product == "mean" else add(products)
        assert (np.abs(got - truth) / s).max() < 0.75 * SLACK, order


def test_the_spread_of_ordinary_sums_stays_sharp(monkeypatch):
    """The median of s, over what it would be if terms owed √2 units however many there are."""
    found = {}
    for n in (4, 11, 30, 100):
        x = terms_drawn("ordinary", n)
        truth = exact_sums(x)
        new = spread_of(lambda x: x.sum(axis=1), truth, x)
        with monkeypatch.context() as patched:
            patched.setattr(perturbed, "term_units", lambda terms: math.sqrt(2.0))
            found[n] = np.median(new / spread_of(lambda x: x.sum(axis=1), truth, x))
    print(found)
    assert found[4] == found[11] == 1
    assert found[30] < 1.6
    assert found[100] < 3


# --- bounded arithmetic -------------------------------------------------------------------------


def most_units(call, given, value):
    """With more units of rounding than these a bound is no use: for a sum, three for each term."""
    terms = max(a.size for a in given.values())
    return 30 * (1 + value**2) + 3 * terms * np.abs(magnitudes(call, given))


def check_bound(name, trials=40):
    """The error of a float32 evaluation is within the bound, and the bound is not absurd."""
    call = CALLS[name][1]
    rng = np.random.default_rng(7)
    for _ in range(trials):
        given = operands(names_of(call), rng)
        found = call(**{k: Bounded(a, np.zeros_like(a), "float32") for k, a in given.items()})
        narrow = call(**{k: a.astype(np.float32) for k, a in given.items()})
        if not isinstance(found, Largest):
            assert np.all(np.abs(narrow - found.value) <= found.error * (1 + 1e-9))
            assert np.all(found.error <= UNIT["float32"] * most_units(call, given, found.value))


def check_boxes(name, trials=60):
    """Operands anywhere within their errors, the ends too: the result is within its error."""
    call = CALLS[name][1]
    rng = np.random.default_rng(8)
    given = operands(names_of(call), rng)
    off = {
        k: rng.choice([0.0, 1e-3, 0.2], a.shape) * rng.uniform(0, 1, a.shape)
        for k, a in given.items()
    }
    found = call(**{k: Bounded(a, off[k], "float64") for k, a in given.items()})
    reached = 0.0
    for i in range(trials):
        draw = (
            (lambda s: rng.choice([-1.0, 1.0], s)) if i % 2 else (lambda s: rng.uniform(-1, 1, s))
        )
        result = call(**{k: a + off[k] * draw(a.shape) for k, a in given.items()})
        if isinstance(found, Largest):
            may = np.take_along_axis(found.candidates, np.asarray(result)[..., None], -1)
            assert may.all()
        else:
            assert np.all(np.abs(result - found.value) <= found.error * (1 + 1e-9) + 1e-14)
            reached = np.maximum(reached, np.abs(result - found.value))
    if not isinstance(found, Largest):
        loose = found.error > 1e-9
        assert np.all(np.isfinite(found.error))
        assert (
            not loose.any()
            or np.median(found.error[loose] / np.maximum(reached[loose], 1e-300)) < 12
        )


@EVERY
def test_a_float32_evaluation_is_within_the_bound(name):
    check_bound(name)


@EVERY
def test_the_bound_holds_wherever_the_operands_lie(name):
    check_boxes(name)


def test_a_largest_entry_that_errors_may_change_is_open():
    x = Bounded(np.array([[1.0, 1.1, 0.2]]), np.array([[0.2, 0.01, 0.1]]), "float64")
    first = x.argmax(axis=1)
    assert first.first.tolist() == [1]
    assert first.candidates.tolist() == [[True, True, False]]
    dx = np.where(
        np.arange(3) == first[..., None],
        Bounded(np.array([[7.0]]), np.zeros((1, 1)), "float64"),
        0.0,
    )
    assert dx.value.tolist() == [[0.0, 7.0, 0.0]]
    assert dx.error.tolist() == [[7.0, 7.0, 0.0]]
    y = np.take_along_axis(np.array([[5.0, 3.0, 100.0]]), x.argmax(axis=1, keepdims=True), 1)
    assert (y.value.tolist(), y.error.tolist()) == ([[3.0]], [[2.0]])
    assert isinstance(x > 1.0, Perhaps)
    assert (x >= 1.05)[..., 0].open.tolist() == [True]


# --- balls --------------------------------------------------------------------------------------


def third(bits=0):
    """Balls around 1/3 that no precision makes exact."""
    return exact(np.ones((1, 3))) / 3.0


def test_an_exact_tie_goes_to_the_first_and_is_decided():
    x = {"x": np.array([[1.0, 2.0, 2.0]])}
    for either in (False, True):
        found, state = in_balls(80, lambda x: x.argmax(axis=1), x, {"x": True}, either)
        assert (found.tolist(), state.undecided, state.covered) == ([1], 0, True)


@pytest.mark.parametrize(
    ("top", "covered", "places"),
    [
        ([0.0, 0.0, -1.0], True, {0, 1}),
        ([0.0, 0.0, 0.0], False, {0, 2}),
        ([0.0, 1.0, 0.0], True, {1}),
    ],
)
def test_a_tie_of_balls_is_open(top, covered, places):
    """Two of them: both evaluations together take both. Three: they do not, and say so."""
    found = [
        in_balls(
            80, lambda x: (third() + x).argmax(axis=1), {"x": np.array([top])}, {"x": True}, either
        )
        for either in (False, True)
    ]
    assert {int(place[0]) for place, _ in found} == places
    assert all(state.covered is covered for _, state in found)
    assert all((state.undecided > 0) is (len(places) > 1) for _, state in found)


def test_a_maximum_of_balls_encloses_both():
    wide = in_balls(
        20, lambda x: (exact(x) / 3.0).max(axis=(0, 1)), {"x": np.ones((2, 2))}, {"x": False}
    )[0]
    assert wide.contains(flint.arb(1) / 3)


# --- the complex step ---------------------------------------------------------------------------

STEP = 1e-30


def slope_by_differences(call, given, along):
    """The derivative along a direction, by central differences of fourth order."""
    h = 2.0**-10
    at = {k: call(**{n: a + k * h * along[n] for n, a in given.items()}) for k in (-2, -1, 1, 2)}
    return (8.0 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12.0 * h)


def check_derivative(name):
    call = CALLS[name][1]
    given = operands(names_of(call), np.random.default_rng(9))
    along = {k: np.random.default_rng(10).uniform(-1, 1, a.shape) for k, a in given.items()}
    found = np.imag(call(**{k: a + 1j * STEP * along[k] for k, a in given.items()})) / STEP
    wanted = (
        slope_by_differences(call, given, along) if CALLS[name][0] is not np.argmax else 0.0 * found
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-7)


@EVERY
def test_the_complex_step_is_the_derivative(name):
    check_derivative(name)


# --- the tests above can fail -------------------------------------------------------------------


def test_a_function_without_support_is_noticed(monkeypatch):
    """np.hypot, put on the list and given an example, is in no type's table."""
    monkeypatch.setitem(OPERATIONS, np.hypot, Operation(np.hypot, Counts.ROUNDING))
    with pytest.raises(AssertionError):
        test_every_function_of_the_list_has_its_examples()
    monkeypatch.setitem(CALLS, "hypot 0", (np.hypot, lambda x, y: np.hypot(x, y)))
    for kind in ("stacked", "perturbed", "bounded", "balls"):
        with pytest.raises((TypeError, AttributeError)):
            check_value(kind, "hypot 0")


def wrong_axis(function):
    """A handler that forgets the axis of samples."""
    return lambda a, *args, **options: a._like(function(a.raw, *args, **options))


MISTAKES = {  # what is broken: (the table, the key, the wrong entry, the check that must notice)
    "stacked flip": (
        Stacked.functions,
        np.flip,
        wrong_axis(np.flip),
        lambda: check_value("stacked", "flip 0"),
    ),
    "stacked swapaxes": (
        Stacked.functions,
        np.swapaxes,
        wrong_axis(np.swapaxes),
        lambda: check_value("stacked", "swapaxes 0"),
    ),
    "stacked indexing": (
        Stacked.functions,
        operator.getitem,
        lambda a, index: a._like(
            a.raw[(slice(None), *(index if isinstance(index, tuple) else (index,)))]
        ),
        lambda: check_value("stacked", "getitem 8"),
    ),
    "stacked maximum": (
        Stacked.ufuncs,
        np.maximum,
        lambda one, ufunc, a, b: one._like(a.raw),
        lambda: check_value("stacked", "maximum 0"),
    ),
    "sum without its terms": (
        Stacked.functions,
        np.sum,
        lambda a, axis=None, keepdims=False: a._like(
            a.raw.sum(axis=stacked._shifted(axis, a.raw.ndim), keepdims=keepdims)
        ),
        lambda: check_sum("sum 1"),
    ),
    "noise of sqrt": (perturbed.FIXED, np.sqrt, 0.5, lambda: check_units("sqrt 0", "float32")),
    "noise of tanh": (perturbed.FIXED, np.tanh, 1.0, lambda: check_units("tanh 0", "float64")),
    "noise of a product": (
        perturbed.GROWING,
        np.matmul,
        lambda terms: 1.0,
        lambda: check_root(16, LIKE["matmul"]),
    ),
    "noise of a scattered sum": (
        Stacked.functions,
        scatter_add,
        lambda shape, index, v: v._like(
            np.stack([scatter_add(shape, index, each) for each in v.raw])
        ),
        lambda: check_root(16, LIKE["scatter_add"]),
    ),
    "noise where none is": (
        Stacked.functions,
        np.max,
        lambda a, axis=None, keepdims=False: a._done(
            np.add, a.raw.max(axis=stacked._shifted(axis, a.raw.ndim), keepdims=keepdims)
        ),
        lambda: check_quiet("max 1"),
    ),
    "bound of sqrt": (
        Bounded.functions,
        np.cumsum,
        Bounded.functions[np.flip],
        lambda: check_value("bounded", "cumsum 0"),
    ),
    "bound of a cosine": (
        bounded.PASSED_ON,
        np.cos,
        lambda x, e, y: 0.5 * e,
        lambda: check_boxes("cos 0"),
    ),
    "bound of a root": (
        bounded.PASSED_ON,
        np.sqrt,
        lambda x, e, y: 0.4 * e / y,
        lambda: check_boxes("sqrt 0"),
    ),
    "bound of a maximum": (
        Bounded.functions,
        np.max,
        lambda a, axis=None, keepdims=False: a._exact(
            a.value.max(axis=axis, keepdims=keepdims), a.error.min(axis=axis, keepdims=keepdims)
        ),
        lambda: check_boxes("max 1"),
    ),
    "bound of a sum": (
        Bounded.functions,
        np.sum,
        lambda a, axis=None, keepdims=False: a._exact(
            a.value.sum(axis=axis, keepdims=keepdims), 0.0
        ),
        lambda: check_bound("sum 0"),
    ),
    "balls' minimum": (
        arbiter.ENCLOSING,
        np.minimum,
        arbiter.ENCLOSING[np.maximum],
        lambda: check_value("balls", "minimum 0"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_handler_is_noticed(mistake, monkeypatch):
    table, key, wrong, check = MISTAKES[mistake]
    check()
    monkeypatch.setitem(table, key, wrong)
    with pytest.raises((AssertionError, ValueError)):
        check()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("log 0", lambda p: np.log(np.abs(p))), ("magnitude 0", lambda x: np.abs(x))],
)
def test_a_function_that_is_not_analytic_is_noticed(name, wrong, monkeypatch):
    monkeypatch.setitem(CALLS, name, (CALLS[name][0], wrong))
    with pytest.raises(AssertionError):
        check_derivative(name)
