"""Each check that needs no plain form fails on wrong programs, in several styles, and on no right one."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from backproof.programs.checks import CHECKS, checked  # noqa: E402
from backproof.programs.checks.saying import SAYS, entries, factor  # noqa: E402
from backproof.programs.checks.table import row_of  # noqa: E402
from backproof.programs.drawing import Drawn  # noqa: E402
from backproof.programs.engine import engine_of  # noqa: E402
from backproof.programs.program import program  # noqa: E402
from backproof.programs.torch_engine.doubling import second  # noqa: E402
from backproof.reference.checks import DescriptionError  # noqa: E402

ENGINE = engine_of("torch")
MATRIX = {"x": ("N", "D")}
LINEAR = {"x": ("N", "D"), "w": ("H", "D"), "b": ("H",)}
SIZES = {"N": (1, 33), "D": (1, 33), "H": (1, 17)}
NORM = {"x": ("N", "D"), "w": ("D",), "b": ("D",)}


def of(function, inputs, dtypes=("float32",), **claims):
    sizes = {name: claims.pop(name, SIZES[name]) for name in dict.fromkeys(sum(inputs.values(), ()))}
    return program(function, inputs=inputs, framework="torch", dtypes=list(dtypes), sizes=sizes, **claims)


def failures(one, check="", trials=8, seed=0, start=0):
    """What the check finds, or all of them, on the first trials from a number on."""
    drawn = Drawn(one, lambda trial: ENGINE.shapes(one.engine, trial), seed)
    rows = [row_of(check)] if check else CHECKS
    for number in range(start, start + trials):
        trial = drawn.trial(number, one.asked.dtypes[number % len(one.asked.dtypes)])
        trial = replace(trial, twice=True)
        try:
            reply = ENGINE.answer(one.engine, trial)
        except (AssertionError, RuntimeError):  # that it refuses this trial itself is no check's
            continue
        for _, found in checked(one.asked, lambda t: ENGINE.answer(one.engine, t), trial, reply, rows=rows,
                                second=lambda t: second(one.engine, t), rng=np.random.default_rng([seed, number])):
            yield from found


def backward(forward, gradients, saves=lambda *inputs: inputs, once=True):
    """A program of a forward and a backward: gradients(ctx, cotangent, *saved)."""
    class Written(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*saves(*inputs))
            return forward(*inputs)

        @staticmethod
        def backward(ctx, cotangent):
            return gradients(ctx, cotangent, *ctx.saved_tensors)

    if once:
        Written.backward = staticmethod(torch.autograd.function.once_differentiable(Written.backward))
    return lambda *inputs: Written.apply(*inputs)


def affine(x, w, b):
    return x @ w.T + b


def affine_right(ctx, c, x, w, b):
    return c @ w, c.T @ x, c.sum(0)


def norm(x):
    return (x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)


def norm_right(c, x):
    hat, rstd = norm(x), torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
    return rstd * (c - c.mean(-1, keepdim=True) - hat * (c * hat).mean(-1, keepdim=True))


def without_mean(ctx, c, x):
    hat, rstd = norm(x), torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
    return rstd * (c - hat * (c * hat).mean(-1, keepdim=True))


# --- right programs, in which nothing fails ---------------------------------------------------------------------------

RIGHT = {
    "affine": of(backward(affine, affine_right), LINEAR, batch="N"),
    "affine, eager": of(F.linear, LINEAR, double_backward=True, batch="N"),
    "norm by hand": of(backward(norm, lambda ctx, c, x: norm_right(c, x)), MATRIX, batch="N"),
    "norm in two dtypes": of(lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b), NORM, ("float32", "bfloat16")),
    "softmax": of(lambda x: torch.softmax(x, -1), MATRIX, ("float32", "bfloat16", "float16"), double_backward=True),
    "relu of a product": of(lambda x, w, b: torch.relu(affine(x, w, b)), LINEAR),
    "absolute": of(torch.abs, MATRIX, double_backward=True),
    "maximum": of(lambda x: x.amax(-1), MATRIX, ("float32", "bfloat16")),
    "sort": of(lambda x: x.sort(-1).values.cumsum(-1), MATRIX),
    "steps": of(lambda x: x - torch.floor(x), MATRIX, ("float32", "bfloat16")),
    "where": of(lambda x: torch.where(x > 0.5, 2 * x + 1, x), MATRIX),
    "norm at 0": of(lambda x: x / x.square().sum(-1, keepdim=True).sqrt(), MATRIX),
    "two outputs": of(lambda x, w, b: (affine(x, w, b), torch.tanh(x)), LINEAR),
    "in float64": of(lambda x: torch.logsumexp(x, -1), MATRIX, ("float64",), double_backward=True),
}


@pytest.mark.parametrize(("name", "start"), [(name, start) for name in RIGHT for start in (0, 2, 10, 30)])
def test_no_check_fails_on_a_right_program(name, start):
    assert [*failures(RIGHT[name], trials=2, start=start)] == []


# --- wrong ones -------------------------------------------------------------------------------------------------------


def only_bias(ctx, c, x, w, b):
    """The bias is forgotten where it alone is asked for."""
    x_or_w = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
    return c @ w, c.T @ x, c.sum(0) if x_or_w else torch.zeros_like(b)


def for_all_or_none(ctx, c, x, w, b):
    assert all(ctx.needs_input_grad), "not all"
    return affine_right(ctx, c, x, w, b)


def without_x(ctx, c, x, w, b):
    dx = c @ w if ctx.needs_input_grad[0] else None
    return dx, c.T @ (x if dx is not None else torch.zeros_like(x)), c.sum(0)


def read_on(c):
    """The cotangent, taken as contiguous."""
    return c.as_strided(c.shape, torch.empty(c.shape, device="meta").stride(), c.storage_offset()) if in_bounds(
        c) else c


def in_bounds(c):
    return c.storage_offset() + c.numel() <= c.untyped_storage().nbytes() // c.element_size()


def unwritten(ctx, c, x):
    g = torch.empty_like(x)
    g[: max(len(x) - 1, 1)] = 2 * c[: max(len(x) - 1, 1)]
    return g


def added(ctx, c, x):
    return torch.empty_like(x).add_(2 * c)


class Overwritten(torch.autograd.Function):
    """What was saved is written over by its gradient."""

    @staticmethod
    def forward(ctx, x):
        ctx.kept = x.clone()
        return x * x

    @staticmethod
    def backward(ctx, c):
        return ctx.kept.mul_(2).mul_(c)


class Counting(torch.autograd.Function):
    """Each backward adds to what the one before has left."""

    @staticmethod
    def forward(ctx, x):
        ctx.left = torch.zeros_like(x)
        return 3 * x

    @staticmethod
    def backward(ctx, c):
        ctx.left += 3 * c
        return ctx.left.clone()


class Frozen(torch.autograd.Function):
    """A norm whose statistics are constants to its second backward."""

    @staticmethod
    def forward(ctx, x):
        hat, rstd = norm(x), torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
        ctx.save_for_backward(hat, rstd)
        return hat

    @staticmethod
    def backward(ctx, c):
        hat, rstd = ctx.saved_tensors
        return rstd * (c - c.mean(-1, keepdim=True) - hat * (c * hat).mean(-1, keepdim=True))


class Detached(torch.autograd.Function):
    """A square whose backward hides its input."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, c):
        (x,) = ctx.saved_tensors
        return 3 * c * x.detach() ** 2


def half_rows(ctx, c, x, w, b):
    full = len(x) // 16 * 16 or len(x)
    return c @ w, c[:full].T @ x[:full], c[:full].sum(0)


SQUARED = {"x": ("N", "D")}
WRONG = {
    "linear": {
        "decay added": of(backward(lambda x: 2 * x, lambda ctx, c, x: 2 * c + 0.1 * x), MATRIX),
        "clipped": of(backward(lambda x: 2 * x, lambda ctx, c, x: (2 * c).clamp(-1, 1)), MATRIX),
        "ones for the cotangent": of(backward(affine, lambda ctx, c, *saved: affine_right(
            ctx, torch.ones_like(c), *saved)), LINEAR),
        "fast path for ones": of(backward(lambda x: 2 * x, lambda ctx, c, x: 2 * c.sign()), MATRIX),
    },
    "subsets": {
        "only the bias": of(backward(affine, only_bias), LINEAR),
        "all or none": of(backward(affine, for_all_or_none), LINEAR),
        "w without x": of(backward(affine, without_x), LINEAR),
    },
    "layouts": {
        "cotangent as contiguous": of(backward(lambda x: x * x, lambda ctx, c, x: 2 * x * read_on(c)), MATRIX),
        "view": of(lambda x: (x.view(-1) * 2).view(x.shape), MATRIX),
        "input as contiguous": of(lambda x: torch.tanh(read_on(x)), MATRIX),
    },
    "poisoned": {
        "last row unwritten": of(backward(lambda x: 2 * x, unwritten), MATRIX),
        "added to what was there": of(backward(lambda x: 2 * x, added), MATRIX),
    },
    "batch": {
        "over the batch": of(lambda x: x - x.mean(0), MATRIX, batch="N"),
        "first row's cotangent": of(backward(lambda x: 2 * x, lambda ctx, c, x: 2 * c[:1].expand_as(c)), MATRIX,
                                    batch="N"),
        "mean instead of sum": of(backward(affine, lambda ctx, c, x, w, b: (c @ w / len(c), c.T @ x, c.sum(0))),
                                  LINEAR, batch="N"),
    },
    "line_integral": {
        "twice": of(backward(lambda x: x.sin(), lambda ctx, c, x: 2 * c * x.cos()), MATRIX),
        "sign": of(backward(affine, lambda ctx, c, x, w, b: (c @ w, -c.T @ x, c.sum(0))), LINEAR),
        "mean for sum": of(backward(affine, lambda ctx, c, x, w, b: (c @ w, c.T @ x, c.mean(0))), LINEAR, N=[5, 7]),
        "no path through the mean": of(backward(norm, without_mean), MATRIX),
        "no gradient": of(backward(affine, lambda ctx, c, x, w, b: (c @ w, None, c.sum(0))), LINEAR),
        "last rows": of(backward(affine, half_rows), LINEAR, N=[17, 20]),
        "the same in bfloat16": of(backward(lambda x: x.tanh(), lambda ctx, c, x: 2 * c * (1 - x.tanh() ** 2)),
                                   MATRIX, ("bfloat16",)),
        "straight through": of(backward(lambda x: 3 * x.sin(), lambda ctx, c, x: c), MATRIX, ("float16",)),
    },
    "double_backward": {
        "statistics are constants": of(Frozen.apply, MATRIX, double_backward=True),
        "detached": of(Detached.apply, MATRIX, double_backward=True),
        "refuses what it claims": of(backward(lambda x: x.sin(), lambda ctx, c, x: c * x.cos()), MATRIX,
                                     double_backward=True),
    },
    "twice": {
        "saved and written over": of(Overwritten.apply, MATRIX),
        "adds up": of(Counting.apply, MATRIX),
    },
    "finite": {
        "0 / 0": of(backward(lambda x: x.relu(), lambda ctx, c, x: c * x.relu() / x.relu()), MATRIX),
        "overflow": of(backward(lambda x: torch.sigmoid(x), lambda ctx, c, x: c * (100 * x).exp() / (
            (100 * x).exp() - 1) * 0 + c * torch.sigmoid(x) * (1 - torch.sigmoid(x))), MATRIX),
    },
}


@pytest.mark.parametrize(("check", "name"), [(check, name) for check, each in WRONG.items() for name in each])
def test_it_fails_on_a_wrong_program(check, name):
    found = next(failures(WRONG[check][name], check))
    assert found.check == check
    text = SAYS[check, found.kind](found.key, found.data)
    assert "\n" not in text
    assert len(text) < 300


def test_a_batch_is_a_symbol_of_an_input():
    with pytest.raises(DescriptionError, match=r"batch: 'M'; allowed: N, D \(symbols of inputs\), or \"\""):
        program(torch.tanh, inputs=MATRIX, framework="torch", batch="M")


# --- what is said -----------------------------------------------------------------------------------------------------


def first(one, check="line_integral", trials=8):
    return next(failures(one, check, trials))


@pytest.mark.parametrize("times", [2.0, -1.0, 0.5, 7.0])
def test_a_factor_is_fitted_on_the_input_that_is_wrong(times):
    found = first(of(backward(affine, lambda ctx, c, x, w, b: (c @ w, times * (c.T @ x), c.sum(0))), LINEAR))
    assert found.key == "w"
    assert found.data["factor"] == pytest.approx(times, rel=0.02)


def test_a_gradient_that_is_none_is_told_as_a_factor_of_0():
    found = first(WRONG["line_integral"]["no gradient"])
    assert found.key == "w"
    assert found.data["factor"] == 0


def test_a_factor_that_is_a_size_is_told_so():
    found = first(WRONG["line_integral"]["mean for sum"])
    assert (found.key, found.data["sizes"]) == ("b", ["1/N"])
    assert "(1/N) times that of the program's own loss" in SAYS["line_integral", "numbers"]("b", found.data)


def test_the_entries_that_are_wrong_are_found():
    def last_three(ctx, c, x):
        g = 2 * c * x
        g[-3:] = 0
        return g

    one = program(backward(lambda x: x * x, last_three), inputs=MATRIX, sizes={"N": 12, "D": 2}, framework="torch")
    found = next(each for each in failures(one, "line_integral") if "box" in each.data)
    assert found.data["box"][0][0] >= 6


def test_a_second_backward_that_is_silently_wrong_and_not_claimed_has_a_kind_of_its_own():
    assert first(of(Frozen.apply, MATRIX), "double_backward").kind == "unclaimed"


@pytest.mark.parametrize("claimed", [True, False])
def test_a_refusal_is_wrong_only_where_a_second_backward_is_claimed(claimed):
    one = of(backward(lambda x: x.sin(), lambda ctx, c, x: c * x.cos()), MATRIX, double_backward=claimed)
    assert [each.kind for each in failures(one, "double_backward", 1)] == ["raised"] * claimed


def test_words_of_factors_and_entries():
    assert [factor({"factor": each}) for each in (2.02, 0.5, -1.01, 3.5)] == [
        "twice", "half of", "-1 times", "3.5 times"]
    assert entries([(0, 3), (16, 33)]) == "[0:3, 16:33]"


def test_every_row_has_words():
    assert {check for check, _ in SAYS} == {row.name for row in CHECKS}
