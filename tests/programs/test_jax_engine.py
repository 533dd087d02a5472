"""JAX's engine: it asks, computes what is true, perturbs, and knows wrong backwards with their lines."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jnp = jax.numpy
lax = jax.lax

from backproof.programs.claim import Claim  # noqa: E402
from backproof.programs.drawing import Drawn  # noqa: E402
from backproof.programs.engine import engine_of  # noqa: E402
from backproof.programs.evidence import Evidence  # noqa: E402
from backproof.programs.formats import FORMATS  # noqa: E402
from backproof.programs.jax_engine import calling, computing, noise, plain, tracing  # noqa: E402
from backproof.programs.judge import Judge  # noqa: E402
from backproof.programs.locating import located  # noqa: E402
from backproof.programs.program import program  # noqa: E402
from backproof.programs.tolerance import spread, tolerance  # noqa: E402
from backproof.programs.trial import Trial, Value  # noqa: E402


def rows_of(name):
    """A module of this folder, which is on no path."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


RIGHT = rows_of("jax_rows").RIGHT
LOSING = rows_of("jax_rows").LOSING
WRONG = rows_of("jax_wrong").WRONG
ENGINE = engine_of("jax")


def value(numbers, dtype="float32"):
    numbers = np.asarray(numbers)
    return Value(FORMATS[dtype].rounded(numbers) if numbers.dtype.kind == "f" else numbers,
                 dtype if numbers.dtype.kind == "f" else str(numbers.dtype))


def trial(inputs, cotangents, wanted=None, dtype="float32", options=None, **more):
    """A trial of NumPy arrays, rounded to the dtype."""
    given = {name: None if each is None else value(each, dtype) for name, each in inputs.items()}
    wanted = tuple(name for name, each in given.items() if each is not None and each.is_real) if wanted is None else wanted
    return Trial(given, options or {}, tuple(None if each is None else value(each, dtype) for each in cotangents),
                 wanted, dtype, **more)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def wide(function, asked):
    """Outputs and gradients by jax.vjp in 64 bits, with no engine of ours."""
    def both(inputs, cotangents):
        def call(*wanted):
            every = {**inputs, **dict(zip(asked.wanted, wanted, strict=True))}
            return jax.tree.leaves(function(*every.values(), **asked.options))
        outputs, back = jax.vjp(call, *(inputs[name] for name in asked.wanted))
        return [*outputs, *back([jnp.zeros_like(out) if each is None else each
                                 for out, each in zip(outputs, cotangents, strict=True)])]

    with calling.enable_x64(True):
        inputs = {name: None if each is None else jnp.asarray(each.numbers) for name, each in asked.inputs.items()}
        cotangents = [None if each is None else jnp.asarray(each.numbers) for each in asked.cotangents]
        return [np.asarray(each) for each in jax.jit(both)(inputs, cotangents)]


# --- the truth --------------------------------------------------------------------------------------------------------


def scanned(x):
    def step(h, row):
        h = jnp.tanh(0.5 * h + row)
        return h, h.sum()
    last, sums = lax.scan(step, jnp.zeros_like(x[0]), x)
    return last, sums


def branched(x):
    return lax.cond(x.sum() > 0, lambda y: y * y, lambda y: 3.0 * y, x)


def looped(x):
    return lax.fori_loop(0, 3, lambda i, y: y * jnp.cos(y), x)


@jax.custom_vjp
def doubled(x):
    return 2.0 * x


doubled.defvjp(lambda x: (2.0 * x, None), lambda _, g: (2.0 * g,))

PLAIN = {
    "layer norm": lambda x: (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5),
    "two outputs": lambda x: {"a": jnp.exp(x), "b": x.sum(0)},
    "a scan": scanned,
    "a cond": branched,
    "a loop": looped,
    "rules of their own": lambda x: doubled(jax.nn.relu(x)) + jax.nn.silu(x),
    "remat": jax.checkpoint(lambda x: jnp.sin(jnp.sin(x))),
    "jit inside": lambda x: jax.jit(jnp.tanh)(x) * 2.0,
    "vmap": jax.vmap(lambda row: row @ jnp.outer(row, row)),
    "einsum": lambda x: jnp.einsum("ij,kj->ik", x, x),
    "sort and top_k": lambda x: jnp.sort(x, -1) + lax.top_k(x, x.shape[-1])[0],
    "cumulative": lambda x: jnp.cumsum(x, 0) + lax.cumsum(x, 1, reverse=True),
    "running extremes and products": lambda x: lax.cummax(x, 1) * lax.cumprod(x, 0),
    "indices": lambda x: x[jnp.array([0, 2, 2, -1])][:, jnp.array([1, 0])],
    "at": lambda x: x.at[jnp.array([0, 0])].add(x[1]).at[1, 2].set(5.0).at[7].add(1.0, mode="drop"),
    "a slice at": lambda x: lax.dynamic_update_slice(x, lax.dynamic_slice(x, (1, 1), (2, 2)), (0, 2)),
    "take along": lambda x: jnp.take_along_axis(x, jnp.argsort(x, -1), -1) * jnp.arange(1.0, 1 + x.shape[-1]),
    "pads and flips": lambda x: jnp.pad(x, ((1, 2), (0, 1)))[::-1, 1:] + lax.pad(x, 0.5, ((1, 2, 0), (-1, 1, 0))),
    "gaps": lambda x: lax.pad(x, 0.0, ((0, 0, 1), (0, 0, 2))),
    "split and stack": lambda x: jnp.stack(jnp.split(x, 2, 0)).transpose(2, 0, 1),
    "maxima": lambda x: x.max(0) + x.min(0) + jnp.maximum(x, 0.3).prod(0) + jnp.clip(x, -0.5, 0.5).sum(0),
    "elementary": lambda x: (jnp.expm1(x) + jnp.log1p(x * x) + lax.erf(x) + lax.erfc(x) + lax.rsqrt(x * x + 1) + jnp.cbrt(x)
                             + jnp.arctan2(x, 2.0) + jnp.sinh(x) + lax.logistic(x) + x**3 + jnp.exp2(x) + jnp.abs(x)),
    "others": lambda x: lax.erf_inv(jnp.tanh(x)) + lax.lgamma(2.0 + x * x) + jnp.sinc(x),
    "whole numbers": lambda x: jnp.round(x) + jnp.floor(x) * x + (x > 0) * x + x % 2.0,
    "convolution": lambda x: lax.conv_general_dilated(x[None, None], x[None, None, :2, :2], (1, 1), "SAME")[0, 0],
    "windows": lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (1, 1), "VALID")
               + lax.reduce_window(x, 0.0, lax.add, (2, 2), (1, 1), "VALID"),
    "one hot": lambda x: jax.nn.one_hot(jnp.arange(4) % 3, 5, dtype=x.dtype) * x,
    "casts": lambda x: x.astype(jnp.bfloat16).astype(jnp.float32) * x,
}
CASTS = {"casts": lambda x: x * x}


@pytest.mark.parametrize("name", PLAIN)
def test_steps_give_what_jax_gives(name):
    """Numbers of NumPy, step by step, beside those of jax.vjp in 64 bits; a cast to fewer bits is none here."""
    asked = trial({"x": numbers(4, 5)}, [], dtype="float64")
    shapes = ENGINE.shapes(PLAIN[name], asked)
    asked = replace(asked, cotangents=tuple(None if s is None else Value(numbers(*s, seed=1), "float64") for s in shapes))
    found = ENGINE.truth(PLAIN[name], asked)
    for mine, theirs in zip(found.values(), wide(CASTS.get(name, PLAIN[name]), asked), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-11, atol=1e-12)


def test_what_it_is_called_with():
    """Integers, masks, what is absent, and options by name; a gradient where one is wanted."""
    def pick(table, index, mask, bias, scale):
        rows = jnp.where(mask[:, None], table[index], 0.0) * scale
        return rows if bias is None else rows + bias, index + 1

    asked = trial({"table": numbers(3, 2), "index": np.array([0, 2, 2]), "mask": np.array([True, True, False]),
                   "bias": None}, [numbers(3, 2), None], options={"scale": 2.0})
    assert asked.wanted == ("table",)
    reply, true = ENGINE.answer(pick, asked), ENGINE.truth(pick, asked)
    assert list(true) == ["output 0", "output 1", "table"]
    assert ENGINE.shapes(pick, asked) == [(3, 2), None]
    np.testing.assert_allclose(reply.gradients["table"], true["table"], rtol=1e-6)
    np.testing.assert_array_equal(reply.outputs[1], [1, 3, 3])


def test_an_array_that_is_branched_on_is_told_in_one_line():
    asked = trial({"x": numbers(3)}, [numbers(3)])
    with pytest.raises(TypeError, match=r"jnp\.where or lax\.cond"):
        ENGINE.truth(lambda x: x if x[0] > 0 else -x, asked)


# --- asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jit", ["yes", "no"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_the_answer_is_in_the_dtype_that_is_tried(dtype, jit):
    asked = trial({"x": numbers(4, 3)}, [numbers(4, 3)], dtype=dtype, repeats=2, features={"jit": jit}, twice=True)
    seen = []

    def watched(x):
        seen.append((str(x.dtype), isinstance(x, jax.core.Tracer)))
        return x * x
    reply = ENGINE.answer(watched, asked)
    assert reply.dtypes == {"output 0": dtype, "x": dtype}
    assert {each for each, _ in seen} == {dtype}
    assert (reply.differing, reply.touched) == ({}, ())
    assert (reply.second is not None) == (jit == "no")
    if jit == "no":
        np.testing.assert_array_equal(reply.second["x"], reply.gradients["x"])


def test_nothing_global_is_changed():
    asked = trial({"x": numbers(4, 3)}, [numbers(4, 3)], dtype="float64")
    before = jax.config.jax_enable_x64, np.geterr()
    ENGINE.answer(jnp.exp, asked)
    ENGINE.truth(jnp.exp, asked)
    ENGINE.perturbed(jnp.exp, asked, Claim("float64", "float64", "float64"), 2, 0)
    next(ENGINE.mutants(jnp.exp, asked))
    assert (jax.config.jax_enable_x64, np.geterr()) == before
    assert jnp.zeros(1).dtype == jnp.float32


def test_bits_that_differ_are_seen():
    counted = iter(range(100))

    def varies(x):
        return x + jax.pure_callback(lambda: np.float32(next(counted)), jax.ShapeDtypeStruct((), jnp.float32))
    asked = trial({"x": numbers(3)}, [None], wanted=(), repeats=3, features={"jit": "no"})
    assert ENGINE.answer(varies, asked).differing["output 0"] >= 1.0


def test_a_program_that_cannot_be_compiled_is_called_as_it_stands():
    asked = trial({"x": np.array([1.0, 2.0])}, [np.ones(2)], features={"jit": "yes"})
    reply = ENGINE.answer(lambda x: 3.0 * x if x[0] > 0 else x, asked)
    np.testing.assert_array_equal(reply.gradients["x"], [3.0, 3.0])


def test_an_output_too_many_or_of_another_shape_is_an_answer_all_the_same():
    asked = trial({"x": numbers(3, 2)}, [numbers(3, 2)])
    assert len(ENGINE.answer(lambda x: (x, x + 1), asked).outputs) == 2
    assert ENGINE.answer(lambda x: x.sum(0), asked).outputs[0].shape == (2,)


# --- perturbed runs ---------------------------------------------------------------------------------------------------

FLOAT32 = Claim("float32", "float32", "float32")


def allowed(function, asked, claim):
    true = ENGINE.truth(function, asked)
    return true, tolerance(true, spread(true, ENGINE.perturbed(function, asked, claim, 8, 0)), claim)


@pytest.mark.parametrize(("name", "function", "inputs", "claim"), [
    ("a sum of equal numbers", lambda x: x.sum(-1), {"x": np.full((2, 4096), 0.1)}, FLOAT32),
    ("a sum in bfloat16", lambda x: x.sum(-1), {"x": np.abs(numbers(2, 100))}, Claim("bfloat16", "bfloat16", "bfloat16")),
    ("a product", lambda x: x @ x.T, {"x": numbers(4, 300)}, FLOAT32),
    ("repeated indices", lambda x: jnp.zeros((2, 3), x.dtype).at[jnp.zeros(500, int)].add(x), {"x": numbers(500, 3)}, FLOAT32),
    ("tiny numbers", lambda x: x * 1e-20 * x, {"x": 1e-12 * numbers(8)}, FLOAT32),
])
def test_a_naive_sum_in_the_claimed_arithmetic_is_within(name, function, inputs, claim):
    """Added up one after the other, each partial sum rounded: nothing adds up worse."""
    asked = trial(inputs, [None], wanted=(), dtype=claim.storage)
    true, most = allowed(function, asked, claim)
    x, rounded = asked.inputs["x"].numbers, claim.sums.rounded
    addends = {"a product": lambda: (x[:, None] * x).transpose(2, 0, 1), "repeated indices": lambda: np.stack([x, 0 * x], 1),
               "tiny numbers": lambda: [rounded(rounded(x * 1e-20) * x)]}.get(name, lambda: x.T)()
    total = np.zeros_like(true["output 0"])
    for each in addends:
        total = rounded(total + rounded(each))
    assert np.all(np.abs(claim.stored.rounded(total) - true["output 0"]) <= most["output 0"])


def test_one_precision_lower_is_outside():
    asked = trial({"x": numbers(20, 30)}, [numbers(20, 30)])
    true, most = allowed(jax.nn.softmax, asked, FLOAT32)
    low = replace(asked, inputs={"x": value(asked.inputs["x"].numbers, "bfloat16")})
    assert np.any(np.abs(ENGINE.truth(jax.nn.softmax, low)["x"] - true["x"]) > most["x"])


def test_both_sides_of_a_tie_are_within():
    asked = trial({"x": np.array([[1.0, 1.0, 0.5], [0.0, 0.0, 0.0]])}, [np.array([1.0, 1.0])])
    true, most = allowed(lambda x: x.max(-1), asked, FLOAT32)
    first = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert np.all(np.abs(first - true["x"]) <= most["x"])
    assert most["x"][0, 2] < 1e-6 < 1.0 < most["x"][0, 0]


def test_a_relu_at_zero_may_be_either():
    asked = trial({"x": np.zeros(4)}, [np.ones(4)])
    true, most = allowed(jax.nn.relu, asked, FLOAT32)
    assert np.all(np.abs(1.0 - true["x"]) <= most["x"])


def test_equal_numbers_are_rounded_alike():
    drawn = noise.hashed(np.array([[0.3, 0.3, -0.3], [0.6, 0.1, 0.3]]), 1, 2)
    assert drawn[0, 0] == drawn[0, 1] == drawn[0, 2] == drawn[1, 0] == drawn[1, 2] != drawn[1, 1]
    many = noise.hashed(numbers(10_000), 3)
    assert abs(many.mean()) < 0.03
    assert abs(many.std() - 3**-0.5) < 0.02
    assert np.any(noise.hashed(numbers(10), 4) != noise.hashed(numbers(10), 5))


def test_an_output_may_be_kept_as_it_was_stored():
    """p (g - sum g p) with p of bfloat16, beside a plain form that has exp(x) and its sum."""
    claim = Claim("bfloat16", "float32", "float32")
    asked = trial({"x": 3.0 * numbers(6, 9)}, [numbers(6, 9, seed=1)], dtype="bfloat16")
    true, most = allowed(rows_of("jax_rows").softmax, asked, claim)
    p, g = claim.stored.rounded(true["output 0"]), asked.cotangents[0].numbers
    kept = claim.stored.rounded(p * (g - (g * p).sum(-1, keepdims=True)))
    assert np.all(np.abs(kept - true["x"]) <= most["x"])
    wrong = np.abs(1.1 * true["x"] - true["x"]) > most["x"]
    assert wrong.mean() > 0.5


def test_a_sigmoid_that_is_nearly_1_may_have_the_textbooks_derivative():
    asked = trial({"x": np.array([3.0, 20.0, 30.0, 45.0])}, [np.ones(4)])
    true, most = allowed(rows_of("jax_rows").sigmoid, asked, FLOAT32)
    y = np.float32(true["output 0"])
    assert np.all(np.abs(np.float64(y * (1 - y)) - true["x"]) <= most["x"])


def test_what_overflows_has_no_answer():
    asked = trial({"x": np.array([300.0, 1.0])}, [np.ones(2)], dtype="float16")
    with pytest.raises(OverflowError, match="float16"):
        ENGINE.perturbed(lambda x: x * x, asked, Claim("float16", "float16", "float32"), 2, 0)
    ENGINE.perturbed(lambda x: jnp.where(x > 2, x, -1e30), asked, Claim("float16", "float16", "float32"), 2, 0)


def test_a_constant_owes_a_rounding_and_an_exact_one_does_not():
    asked = trial({"x": np.ones(3)}, [np.ones(3)])
    assert spread(ENGINE.truth(lambda x: 0.5 * x, asked),
                  ENGINE.perturbed(lambda x: 0.5 * (x * 1.0), asked, FLOAT32, 4, 0))["x"].max() < 2e-7
    traced = plain.question(lambda x: x + 0.1, asked).traced
    assert any(float(np.max(each)) == 0.1 for each in traced.constants.values() if np.size(each))


def test_a_step_by_numpy_and_by_jax_itself():
    """Every step of a trace has the numbers that JAX itself has for it."""
    with calling.placed():
        traced = tracing.trace(PLAIN["elementary"], jnp.asarray(numbers(3, 2)))
    slots = computing.compute(traced, [numbers(3, 2)])
    for step in traced.steps:
        operands = [slots[slot] for slot in step.inputs]
        for mine, theirs in zip(computing.evaluated(step, operands), computing.by_jax(step, operands), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-13, atol=1e-15)


# --- right programs ---------------------------------------------------------------------------------------------------


def judged(made, count, dtype, jit=None):
    judge = Judge(made, ENGINE, lambda each: ENGINE.answer(made.engine, each))
    for each in Drawn(made, lambda each: ENGINE.shapes(made.plain, each)).trials(count):
        features = each.features if jit is None else {**each.features, "jit": jit}
        found = judge.judge(replace(each, features=features, repeats=1))
        if found is not None:
            yield found


@pytest.mark.parametrize(("name", "dtype"), [(name, dtype) for name, row in RIGHT.items() for dtype in row.dtypes])
def test_functions_of_jax_and_optax_are_right(name, dtype):
    if RIGHT[name] in rows_of("jax_rows").OF_OPTAX:
        pytest.importorskip("optax")
    for each in judged(RIGHT[name].program(dtype), 4, dtype):
        assert each.failures == []


def wide_inside(forward, backward):
    """A rule in float32 inside, whose arrays are stored in the dtype that it is asked in."""
    rule = jax.custom_vjp(lambda *given: forward(*(each.astype(jnp.float32) for each in given)).astype(given[0].dtype))

    def keeping(*given):
        result = rule(*given)
        return result, (result, *given)

    def back(kept, dy):
        made = backward(*(each.astype(jnp.float32) for each in (*kept, dy)))
        return tuple(each.astype(dy.dtype) for each in made)
    rule.defvjp(keeping, back)
    return rule


def normed_back(_, x, weight, bias, dy):
    return rows_of("jax_wrong").norm_backward(rows_of("jax_wrong").norm_forward(x, weight, bias)[1], dy)


def softmax_back(p, _, dy):
    """Of the output as it was stored."""
    return (p * (dy - (p * dy).sum(-1, keepdims=True)),)


FUSED = {
    "layer norm": (lambda *given: rows_of("jax_wrong").norm_forward(*given)[0], normed_back,
                   rows_of("jax_wrong").norm_plain_affine, rows_of("jax_wrong").NORM),
    "softmax": (jax.nn.softmax, softmax_back, rows_of("jax_rows").softmax, {"x": ("N", "D")}),
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", FUSED)
def test_rules_with_float32_inside_are_right(name, dtype):
    forward, backward, beside, inputs = FUSED[name]
    made = program(wide_inside(forward, backward), plain=beside, inputs=inputs, dtypes=[dtype], arithmetic="float32",
                   framework="jax", sizes={"N": (1, 40), "D": [1, 2, 7, 33, 129]})
    for each in judged(made, 3, dtype, jit="yes"):
        assert each.failures == []


def test_a_variance_in_one_pass_is_seen():
    """jax.nn.standardize has E[x^2] - E[x]^2: a plain form as people write it keeps more digits."""
    row, _ = LOSING["standardize, mean 30"]
    asked = trial({"x": 1000.0 + numbers(4, 40)}, [numbers(4, 40, seed=1)])
    true, most = allowed(row.plain, asked, FLOAT32)
    assert np.any(np.abs(ENGINE.answer(row.function, asked).outputs[0] - true["output 0"]) > most["output 0"])
    two = ENGINE.answer(row.plain, asked)
    assert np.all(np.abs(two.outputs[0] - true["output 0"]) <= most["output 0"])
    assert np.all(np.abs(two.gradients["x"] - true["x"]) <= most["x"])


# --- wrong ones -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_caught_and_located(name):
    made = WRONG[name].program()
    found = list(judged(made, 6, WRONG[name].dtype, jit="yes"))
    assert any(each.wrong for each in found)
    places = located([Evidence(each.trial, each.truth, each.reply.arrays, each.tolerance,
                               {name[5:]: int(size) for name, size in each.trial.features.items()
                                if name.startswith("size ")}) for each in found],
                     lambda each: ENGINE.mutants(made.plain, each))
    assert bool(places) == WRONG[name].is_named
    assert {place.line.number for place in places} <= WRONG[name].lines()
    assert all("{" not in place.words and "  " not in place.words for place in places)


def test_a_right_rule_is_located_nowhere():
    row = WRONG["the mean's path"]
    right = replace(row, backward=rows_of("jax_wrong").norm_backward).program()
    found = list(judged(right, 3, "float32", jit="yes"))
    assert [each.failures for each in found] == [[]] * len(found)
    assert located([Evidence(each.trial, each.truth, each.reply.arrays, each.tolerance) for each in found],
                   lambda each: ENGINE.mutants(right.plain, each)) == []


def test_the_line_is_the_callers_where_jax_has_traced_a_function_before():
    """jnp.var is traced once: what it was called by first must not be told of every later call."""
    def first(x):
        return jnp.var(x, -1)

    def second(x):
        y = 2.0 * x
        return jnp.var(y, -1)
    asked = trial({"x": numbers(3, 4)}, [numbers(3)])
    for function in (first, second):
        start = function.__code__.co_firstlineno
        lines = {each.line.number for each in ENGINE.mutants(function, asked)}
        assert lines <= {start + 1, start + 2}, function


def test_a_gradient_that_was_changed_is_what_jax_gives_for_the_changed_function():
    """A path through one line cut: by the engine, and by stop_gradient in the source."""
    def whole(x):
        mean = x.mean(-1, keepdims=True)
        return jnp.tanh(x - mean)

    def cut(x):
        return jnp.tanh(x - lax.stop_gradient(x.mean(-1, keepdims=True)))
    asked = trial({"x": numbers(3, 4)}, [numbers(3, 4, seed=1)])
    missing = ENGINE.truth(cut, asked)["x"]
    line = whole.__code__.co_firstlineno + 1
    first = [each for each in ENGINE.mutants(whole, asked) if each.kind == "factor" and each.line.number == line]
    assert any(np.allclose(each.gradients["x"], missing, rtol=1e-12) for each in first)
    assert all(each.linear for each in first)


# --- doors ------------------------------------------------------------------------------------------------------------


def test_an_equinox_module_is_taken_as_it_is():
    equinox = pytest.importorskip("equinox")

    def perceptron(x, **parameters):
        x = jax.nn.relu(parameters["layers_0_weight"] @ x + parameters["layers_0_bias"])
        return parameters["layers_1_weight"] @ x + parameters["layers_1_bias"]
    made = program(equinox.nn.MLP(4, 3, 8, 1, key=jax.random.key(0)), plain=perceptron, inputs={"x": (4,)})
    assert [each.name for each in made.asked.inputs][:3] == ["x", "layers.0.weight", "layers.0.bias"]
    assert [each.failures for each in judged(made, 1, "float32")] == [[]]


def normed(x, kernel, bias, scale, shift):
    h = jax.nn.relu(x @ kernel + bias)
    centred = h - h.mean(-1, keepdims=True)
    return centred * lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-6) * scale + shift


def test_a_module_of_flax_is_taken_as_it_is():
    nnx = pytest.importorskip("flax.nnx")

    class Block(nnx.Module):
        def __init__(self, rngs):
            self.a, self.b = nnx.Linear(4, 6, rngs=rngs), nnx.LayerNorm(6, rngs=rngs, use_fast_variance=False)

        def __call__(self, x):
            return self.b(nnx.relu(self.a(x)))
    made = program(Block(nnx.Rngs(0)), inputs={"x": ("N", 4)}, sizes={"N": [3]},
                   plain=lambda x, a_kernel, a_bias, b_scale, b_bias: normed(x, a_kernel, a_bias, b_scale, b_bias))
    assert {each.name for each in made.asked.inputs} == {"x", "a.kernel", "a.bias", "b.scale", "b.bias"}
    assert [each.failures for each in judged(made, 1, "float32")] == [[]]


def test_a_linen_module_is_taken_bound_to_its_variables():
    linen = pytest.importorskip("flax.linen")
    dense = linen.Dense(6)
    bound = dense.bind(dense.init(jax.random.key(0), jnp.ones((2, 4))))
    made = program(bound, plain=lambda x, kernel, bias: x @ kernel + bias, inputs={"x": ("N", 4)}, sizes={"N": [3]})
    assert [each.failures for each in judged(made, 1, "float32")] == [[]]
    with pytest.raises(TypeError, match="bind"):
        program(dense, plain=jnp.tanh, inputs={"x": ("N", 4)})


def test_an_object_of_custom_vjp_is_taken_as_it_is():
    made = program(doubled, plain=lambda x: x + x, inputs={"x": ("N",)})
    assert made.asked.framework == "jax"
    assert [each.failures for each in judged(made, 1, "float32")] == [[]]


def test_a_module_of_torch_is_taken_with_its_parameters():
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.BatchNorm1d(7))
    engine, before = engine_of("torch"), [each.clone() for each in (*module.parameters(), *module.buffers())]

    def beside(x, _0_weight, _0_bias, _1_weight, _1_bias):
        h = x @ _0_weight.T + _0_bias
        return (h - h.mean(0)) / torch.sqrt(h.var(0, unbiased=False) + 1e-5) * _1_weight + _1_bias
    for other in (beside, torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.BatchNorm1d(7))):
        made = program(module, plain=other, inputs={"x": ("N", 5)}, sizes={"N": (3, 9)})
        for each in Drawn(made, lambda each, made=made: engine.shapes(made.plain, each)).trials(3):
            true, reply = engine.truth(made.plain, each), engine.answer(made.engine, each)
            assert set(reply.arrays) == set(true)
            assert all(np.abs(reply.arrays[key] - true[key]).max() <= 1e-3 for key in true)
    assert all(map(torch.equal, before, (*module.parameters(), *module.buffers())))


def test_a_plain_module_of_other_parameters_is_told():
    torch = pytest.importorskip("torch")
    from backproof.reference.checks import DescriptionError

    with pytest.raises(DescriptionError, match="'bias' is in one of the two alone"):
        program(torch.nn.Linear(3, 2), plain=torch.nn.Linear(3, 2, bias=False), inputs={"x": ("N", 3)})
