"""Wrong backwards, written as people write them, are located to the line of the plain form; right ones nowhere."""

import importlib.util
import inspect
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from backproof.programs.evidence import Evidence
from backproof.programs.locating import located
from backproof.programs.mutants import KINDS
from backproof.programs.torch_engine import asking, perturbing
from backproof.programs.torch_engine.mutating import mutants
from backproof.programs.trial import Trial, Value
from torch.nn import functional as F

_spec = importlib.util.spec_from_file_location("plain_helpers", Path(__file__).with_name("plain_helpers.py"))
helpers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(helpers)

EPS = 1e-5


# --- evidence: some trials, with a tolerance made by hand ------------------------------------------------------------


def numbers(rng, shape, dtype="float32"):
    """Normal numbers that the dtype has; a mask or indices where the shape says so: ("bool", 3), (5, "below", 3)."""
    if shape[:1] == ("bool",):
        return Value(rng.random(shape[1:]) < 0.6, "bool")
    if "below" in shape:
        return Value(rng.integers(0, shape[-1], shape[:-2]), "int64")
    kept = torch.from_numpy(rng.standard_normal(shape)).to(getattr(torch, dtype)).double().numpy()
    return Value(kept, dtype)


def trial(plain, shapes, options, seed, dtype="float32"):
    rng = np.random.default_rng(seed)
    inputs = {name: numbers(rng, shape, dtype) for name, shape in shapes.items()}
    wanted = tuple(name for name, value in inputs.items() if value.is_real)
    asked = Trial(inputs, options, (), wanted, dtype)
    cotangents = tuple(None if shape is None else numbers(rng, shape, dtype)
                       for shape in asking.shapes(plain, asked))
    return Trial(inputs, options, cotangents, wanted, dtype, seed)


def seen(plain, program, asked, relative=1e-4):
    truth = perturbing.truth(plain, asked)
    reply = asking.answered(program, asked)
    allowed = {key: relative * (np.abs(g) + np.abs(g).max(initial=1e-6)) for key, g in truth.items()}
    return Evidence(asked, truth, reply.arrays, allowed)


def found(plain, program, draws, relative=1e-4, dtype="float32"):
    """What is located on a trial for each of the draws: shapes by input, and options in the place of "options"."""
    evidence = []
    for seed, draw in enumerate(draws):
        shapes = {name: shape for name, shape in draw.items() if name != "options"}
        evidence.append(seen(plain, program, trial(plain, shapes, draw.get("options", {}), seed, dtype), relative))
    return located(evidence, partial(mutants, plain))


def function(plain, backward):
    """A program that computes the plain form and has this backward, of its inputs and the cotangents."""
    class Fused(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return plain(*inputs)

        @staticmethod
        def backward(ctx, *cotangents):
            return backward(*ctx.saved_tensors, *cotangents)
    return Fused.apply


def line_of(plain, part):
    text, first = inspect.getsourcelines(plain)
    (at,) = (first + i for i, line in enumerate(text) if part in line)
    return at


# --- plain forms, and wrong backwards of them, in the manner of different people -------------------------------------


def layer_norm(x, weight, bias):
    mean = x.mean(-1, keepdim=True)
    centred = x - mean
    var = (centred ** 2).mean(-1, keepdim=True)
    xhat = centred / torch.sqrt(var + EPS)
    return xhat * weight + bias


def apex(x, weight, bias, dy, without=(), rows=slice(None), bias_of=lambda dy: dy.sum(0), rstd_of=lambda r: r):
    """Layer norm's backward from xhat and rstd."""
    centred = x - x.mean(-1, keepdim=True)
    rstd = torch.rsqrt((centred * centred).mean(-1, keepdim=True) + EPS)
    xhat, wdy = centred * rstd, dy * weight
    c1 = 0 if "mean" in without else wdy.mean(-1, keepdim=True)
    c1 = c1 * x.shape[-1] if "division" in without else c1
    c2 = 0 if "var" in without else (xhat * wdy).mean(-1, keepdim=True)
    return (wdy - c1 - xhat * c2) * rstd_of(rstd), (dy * xhat)[rows].sum(0), bias_of(dy)


LN = [{"x": (n, d), "weight": (d,), "bias": (d,)} for n, d in ((5, 7), (2, 3), (19, 5), (33, 4))]


def functional_layer_norm(x, weight, bias):
    return F.layer_norm(x, x.shape[-1:], weight, bias, EPS)


def layer_norm_of_helper(x, weight, bias):
    return helpers.standardised(x, EPS) * weight + bias


class Norm(torch.nn.Module):
    def forward(self, x, weight, bias):
        mean = torch.mean(x, -1, keepdim=True)
        variance = torch.var(x, -1, unbiased=False, keepdim=True)
        y = (x - mean).div(torch.sqrt(variance + EPS))
        return torch.addcmul(bias, y, weight)


def rms_norm(x, weight):
    scale = x.pow(2).mean(-1, keepdim=True).add(EPS).rsqrt()
    return x * scale * weight


def rms_backward(x, weight, dy, count=lambda d: d, inner=1.0):
    d, r = x.shape[-1], torch.rsqrt(x.square().mean(-1, keepdim=True) + EPS)
    m = dy * weight
    dx = r * m - inner * (1 / count(d)) * r ** 3 * (m * x).sum(-1, keepdim=True) * x
    return dx, (dy * x * r).sum(0)


RMS = [{"x": (n, d), "weight": (d,)} for n, d in ((4, 6), (3, 2), (17, 5))]


def softmax(x):
    e = (x - x.amax(-1, keepdim=True)).exp()
    return e / e.sum(-1, keepdim=True)


def functional_softmax(x):
    return F.softmax(x, dim=-1)


X = [{"x": shape} for shape in ((3, 4), (2, 7), (9, 5))]


def cross_entropy(logits, target):
    return F.cross_entropy(logits, target, reduction="none")


def mean_cross_entropy(logits, target):
    lse = logits.logsumexp(-1)
    picked = logits.gather(-1, target[:, None])[:, 0]
    return (lse - picked).mean()


def nll_backward(logits, target, scale):
    p = torch.softmax(logits, -1)
    p[torch.arange(len(target)), target] -= 1
    return p * scale, None


CE = [{"logits": (n, c), "target": (n, "below", c)} for n, c in ((4, 3), (2, 5), (7, 4))]


def gated(x, gate, weight):
    a = torch.tanh(x)
    g = torch.sigmoid(gate)
    h = a * g
    return h @ weight.t()


def gated_backward(x, gate, weight, dy, tanh_at=None, sigmoid=lambda s: s * (1 - s), left=None, dw=None):
    a, s = torch.tanh(x), torch.sigmoid(gate)
    dh = dy @ weight
    da = 1 - (a if tanh_at is None else tanh_at(x, a)) ** 2
    dweight = dy.t() @ (a * s if left is None else left(a, s))
    return dh * s * da, dh * a * sigmoid(s), dweight if dw is None else dw(dweight)


GATED = [{"x": (n, d), "gate": (n, d), "weight": (d, d)} for n, d in ((3, 4), (2, 2), (6, 5))]


def linear(x, weight, bias):
    return F.linear(x, weight, bias)


LINEAR = [{"x": (n, d), "weight": (d, d), "bias": (d,)} for n, d in ((3, 4), (2, 2), (6, 5))]


def attention(q, k, v):
    group = q.shape[1] // k.shape[1]
    keys = k.repeat_interleave(group, 1)
    values = v.repeat_interleave(group, 1)
    scores = q @ keys.mT * q.shape[-1] ** -0.5
    capped = 2 * torch.tanh(scores / 2)
    p = torch.softmax(capped, -1)
    return p @ values


def flash(q, k, v, do, scale=True, cap=True, delta=True, heads=lambda each: each.sum(2)):
    group = q.shape[1] // k.shape[1]
    kk, vv = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    c = q.shape[-1] ** -0.5
    t = torch.tanh(q @ kk.mT * c / 2)
    p = torch.softmax(2 * t, -1)
    dp = do @ vv.mT
    ds = p * (dp - (p * dp).sum(-1, keepdim=True) * delta)
    ds = ds * (1 - t * t) if cap else ds
    ds = ds * c if scale else ds
    dk, dv = (heads(each.unflatten(1, (-1, group))) for each in (ds.mT @ q, p.mT @ do))
    return ds @ kk, dk, dv


ATTENTION = [{"q": (b, g * h, t, d), "k": (b, h, t, d), "v": (b, h, t, e)}
             for b, g, h, t, d, e in ((1, 2, 1, 3, 2, 2), (1, 3, 2, 4, 3, 2), (2, 2, 2, 3, 5, 3))]


def masked(x, mask):
    kept = torch.where(mask, x, 0.0)
    return kept * kept


MASKED = [{"x": (n, d), "mask": ("bool", n, d)} for n, d in ((3, 4), (5, 7), (2, 3))]


def dropout(x, mask, p):
    kept = x * mask
    return kept / (1 - p)


class Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, mask, p):
        ctx.save_for_backward(mask)
        ctx.p = p
        return x * mask / (1 - p)

    @staticmethod
    def backward(ctx, dy):
        return dy * ctx.saved_tensors[0] * ctx.p, None, None


def dropped(x, mask, p):
    return Dropout.apply(x, mask, p)


DROPOUT = [each | {"options": {"p": p}} for each, p in zip(MASKED, (0.1, 0.3, 0.2), strict=True)]


def relu_squared(x):
    r = F.relu(x)
    return r ** 2 + r


def clamped(x):
    c = x.clamp(-0.5, 0.5)
    return c * x.abs()


def top(x):
    return x.amax(-1)


TIES = [{"x": shape} for shape in ((5, 6), (3, 9), (7, 4))]


def rounded_top(x):
    coarse = x + (x.round() - x).detach()
    return coarse.amax(-1)


def embedding(weight, ids):
    rows = weight[ids]
    return rows * 2


def overwritten(weight, ids, dy):
    grad = torch.zeros_like(weight)
    for i, row in enumerate(ids.tolist()):
        grad[row] = 2 * dy[i]
    return grad, None


EMBEDDING = [{"weight": (v, d), "ids": (n, "below", v)} for v, d, n in ((3, 2, 6), (2, 3, 5), (4, 2, 9))]


def add_norm(x, residual):
    h = x + residual
    return h * torch.rsqrt(h.square().mean(-1, keepdim=True) + EPS), h


def residual_backward(x, residual, dy, dh):
    h = x + residual
    r = torch.rsqrt(h.square().mean(-1, keepdim=True) + EPS)
    g = dy + dh
    dx = r * (g - h * r * (g * h * r).mean(-1, keepdim=True))
    return dx, dx


RESIDUAL = [{"x": shape, "residual": shape} for shape in ((3, 4), (2, 7), (5, 3))]


def recurrent(x, u):
    h = torch.zeros_like(x[0])
    for t in range(len(x)):
        h = torch.tanh(x[t] + h @ u)
    return h


def through_time(x, u, dh, steps=None, recurrent_part=True):
    states = [torch.zeros_like(x[0])]
    for t in range(len(x)):
        states.append(torch.tanh(x[t] + states[-1] @ u))
    dx, du = torch.zeros_like(x), torch.zeros_like(u)
    for t in reversed(range(len(x))):
        dz = dh * (1 - states[t + 1] ** 2)
        dx[t] = dz
        if steps is None or t in steps(len(x)):
            du += states[t].t() @ dz
        dh = dz @ u.t() if recurrent_part else torch.zeros_like(dh)
    return dx, du


TIME = [{"x": (t, n, d), "u": (d, d)} for t, n, d in ((3, 2, 3), (4, 1, 2), (5, 3, 2))]


def comprehended(x, weight):
    return torch.stack([(row * weight).sum() for row in x])


def in_place(x, scale, shift):
    y = x * scale
    y += shift
    y.mul_(x)
    return y


IN_PLACE = [{"x": (n, d), "scale": (d,), "shift": (d,)} for n, d in ((3, 4), (2, 5), (6, 3))]


def contracted(a, b, c):
    ab = torch.einsum("ij,jk->ik", a, b)
    return torch.einsum("ik,ik->i", ab, c)


EINSUM = [{"a": (i, j), "b": (j, k), "c": (i, k)} for i, j, k in ((2, 3, 4), (4, 2, 2), (3, 3, 3))]


def variance(x):
    var = x.var(-1)
    return var.sqrt()


def convolved(x, weight):
    return F.conv1d(x, weight, padding=1)


CONV = [{"x": (n, c, length), "weight": (o, c, 3)} for n, c, o, length in ((2, 2, 3, 5), (1, 3, 2, 7), (3, 1, 1, 4))]


def two_scales(x, a, b):
    y = x * a
    return y * b


TWO = [{"x": (n, d), "a": (d,), "b": (d,)} for n, d in ((3, 4), (2, 5), (6, 3))]


def with_bias_of(change):
    return partial(apex, bias_of=change)


# name: plain form, wrong backward, draws, a part of each line at which a mistake must be located
WRONG = {
    "mean's path missing": (layer_norm, partial(apex, without=("mean",)), LN, ["mean = "]),
    "variance's path missing": (layer_norm, partial(apex, without=("var",)), LN, ["var = "]),
    "both missing": (layer_norm, partial(apex, without=("mean", "var")), LN, ["mean = ", "var = "]),
    "mean's sum not divided": (layer_norm, partial(apex, without=("division",)), LN, ["mean = "]),
    "bias averaged": (layer_norm, with_bias_of(lambda dy: dy.mean(0)), LN, ["return"]),
    "bias from the first row": (layer_norm, with_bias_of(lambda dy: dy[0]), LN, ["return"]),
    "bias with ones": (layer_norm, with_bias_of(lambda dy: torch.ones_like(dy).sum(0)), LN, ["return"]),
    "bias None": (layer_norm, with_bias_of(lambda dy: None), LN, ["return"]),
    "weight without the last block": (layer_norm, lambda x, w, b, dy: apex(
        x, w, b, dy, rows=slice(0, len(x) - len(x) % 4)), LN, ["return"]),
    "rstd left out": (layer_norm, partial(apex, rstd_of=lambda r: 1.0), LN, ["xhat = "]),
    "one line of torch's own": (functional_layer_norm, partial(apex, without=("var",)), LN, ["F.layer_norm"]),
    "a module": (Norm().forward, partial(apex, without=("mean",)), LN, ["mean = "]),
    "a helper elsewhere": (layer_norm_of_helper, partial(apex, without=("var",)), LN, [helpers.standardised, "var = "]),
    "n - 1 for n": (rms_norm, partial(rms_backward, count=lambda d: d - 1), RMS, ["scale = "]),
    "twice": (rms_norm, partial(rms_backward, inner=2.0), RMS, ["scale = "]),
    "softmax without its sum": (softmax, lambda x, dy: torch.softmax(x, -1) * dy, X, ["return e / e.sum"]),
    "softmax's diagonal": (functional_softmax, lambda x, dy: (y := torch.softmax(x, -1)) * (1 - y) * dy, X,
                           ["F.softmax"]),
    "upstream ignored": (cross_entropy, lambda x, t, dy: nll_backward(x, t, 1.0), CE, ["F.cross_entropy"]),
    "first upstream for all": (cross_entropy, lambda x, t, dy: nll_backward(x, t, dy[0]), CE, ["F.cross_entropy"]),
    "batch not divided by": (mean_cross_entropy, lambda x, t, dy: nll_backward(x, t, dy), CE, [".mean()"]),
    "tanh' at the input": (gated, partial(gated_backward, tanh_at=lambda x, a: x), GATED, ["torch.tanh"]),
    "tanh' at tanh": (gated, partial(gated_backward, tanh_at=lambda x, a: torch.tanh(a)), GATED, ["torch.tanh"]),
    "sigmoid' without 1 - s": (gated, partial(gated_backward, sigmoid=lambda s: s), GATED, ["torch.sigmoid"]),
    "value before the gate": (gated, partial(gated_backward, left=lambda a, s: a), GATED, ["return h @"]),
    "weight transposed": (gated, partial(gated_backward, dw=lambda w: w.t()), GATED, ["return h @"]),
    "linear untransposed": (linear, lambda x, w, b, dy: (dy @ w.t(), dy.t() @ x, dy.sum(0)), LINEAR, ["F.linear"]),
    "scale left out": (attention, partial(flash, scale=False), ATTENTION, ["scores = "]),
    "cap left out": (attention, partial(flash, cap=False), ATTENTION, ["capped = "]),
    "softmax's delta left out": (attention, partial(flash, delta=False), ATTENTION, ["torch.softmax"]),
    "last head of a group": (attention, partial(flash, heads=lambda each: each[:, :, -1]), ATTENTION,
                             ["keys = ", "values = "]),
    "mask left out": (masked, lambda x, m, dy: (2 * x * dy * torch.ones_like(x), None), MASKED, ["kept = "]),
    "relu' left out": (relu_squared, lambda x, dy: (2 * F.relu(x) + 1) * dy, X, ["F.relu"]),
    "2 of a square": (relu_squared, lambda x, dy: (F.relu(x) + (x > 0)) * dy, X, ["r ** 2"]),
    "clamp' left out": (clamped, lambda x, dy: dy * (x.abs() + x.clamp(-0.5, 0.5) * x.sign()), X, ["x.clamp"]),
    "maximum to all": (top, lambda x, dy: dy[:, None].expand_as(x), TIES, ["x.amax"]),
    "later overwrites": (embedding, overwritten, EMBEDDING, ["weight[ids]"]),
    "residual inside": (add_norm, residual_backward, RESIDUAL, ["return h * torch.rsqrt"]),
    "no recurrent path": (recurrent, partial(through_time, recurrent_part=False), TIME, ["h = torch.tanh"]),
    "last step alone": (recurrent, partial(through_time, steps=lambda n: (n - 1,)), TIME, ["h = torch.tanh"]),
    "a comprehension": (comprehended, lambda x, w, dy: (dy[:, None] * w, dy[:, None] * w * 0 + x), [
        {"x": (n, 4), "weight": (4,)} for n in (2, 3, 5)], None),
    "in place": (in_place, lambda x, s, t, dy: (dy * (2 * x * s + t), (dy * x * x).sum(0), dy.sum(0)), IN_PLACE,
                 ["y.mul_(x)"]),
    "einsum's sign": (contracted, lambda a, b, c, dy: (
        -(dy[:, None] * c) @ b.t(), a.t() @ (dy[:, None] * c), dy[:, None] * (a @ b)), EINSUM, ['"ij,jk->ik"']),
    "variance over n": (variance, lambda x, dy: (dy / x.std(-1))[:, None] * (x - x.mean(-1, keepdim=True)) / x.shape[-1],
                        X, ["x.var(-1)"]),
    "kernel not flipped": (convolved, lambda x, w, dy: (
        F.conv1d(dy, w.transpose(0, 1), padding=1), torch.nn.grad.conv1d_weight(x, w.shape, dy, padding=1)), CONV,
        ["F.conv1d"]),
    "swapped": (two_scales, lambda x, a, b, dy: (
        dy * a * b, (dy * x * a).sum(0), (dy * x * b).sum(0)), TWO, ["y = x * a", "return y * b"]),
    "two mistakes": (two_scales, lambda x, a, b, dy: (dy * a * b, (dy * x * b).mean(0), (dy * x)[0] * a), TWO,
                     ["y = x * a", "return y * b"]),
}


@pytest.mark.parametrize("name", [name for name, row in WRONG.items() if row[3]])
def test_a_wrong_backward_is_located_at_its_line(name):
    plain, backward, draws, parts = WRONG[name]
    source = plain
    if callable(parts[0]):
        source, *parts = parts
    told = found(plain, function(plain, backward), draws)
    assert {each.line.number for each in told} == {line_of(source, part) for part in parts}, [t.words for t in told]
    assert all(f"(line {each.line.number})" in each.words for each in told)
    assert all(each.kind in KINDS for each in told)


def test_the_words_say_which_path_is_missing():
    (told,) = found(layer_norm, function(layer_norm, partial(apex, without=("mean",))), LN)
    at = line_of(layer_norm, "mean = ")
    assert told.words == f"the path through `mean = x.mean(-1, keepdim=True)` (line {at}) is missing"
    assert told.keys == ("x",)
    assert (told.factor, told.equals) == (0.0, "0")


def test_a_factor_is_told_by_what_it_equals():
    (told,) = found(dropout, dropped, DROPOUT)
    assert told.equals == "p (1 - p)"
    assert told.line.number in {line_of(dropout, part) for part in ("kept = ", "return kept")}


def test_a_mistake_in_every_turn_and_one_in_the_last_are_told_apart():
    every, last = (found(recurrent, function(recurrent, partial(through_time, **how)), TIME)[0]
                   for how in ({"recurrent_part": False}, {"steps": lambda n: (n - 1,)}))
    assert "every time" in every.edge
    assert every.edge != last.edge


RIGHT = {
    "layer norm": (layer_norm, apex, LN),
    "one line": (functional_layer_norm, apex, LN),
    "helper": (layer_norm_of_helper, apex, LN),
    "RMS norm": (rms_norm, rms_backward, RMS),
    "attention": (attention, flash, ATTENTION),
    "gated": (gated, gated_backward, GATED),
    "recurrent": (recurrent, through_time, TIME),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_backward_is_located_nowhere(name):
    plain, backward, draws = RIGHT[name]
    assert found(plain, function(plain, backward), draws) == []


def noisy(x, weight, bias, dy):
    dx, dw, db = apex(x, weight, bias, dy)
    return dx + 0.1 * torch.sin(37 * x), dw, db


UNEXPLAINED = {
    "something added": noisy,
    "another formula": lambda x, w, b, dy: (apex(x, w, b, dy)[0] * x.cos(), *apex(x, w, b, dy)[1:]),
    "a path's part": lambda x, w, b, dy: (apex(x, w, b, dy)[0] ** 3, *apex(x, w, b, dy)[1:]),
    "a wrong bias": lambda x, w, b, dy: (*apex(x, w, b, dy)[:2], dy.sum(0) + 0.01 * dy.abs().sum(0)),
}


@pytest.mark.parametrize("name", UNEXPLAINED)
def test_what_no_mutant_gives_has_no_name(name):
    assert found(layer_norm, function(layer_norm, UNEXPLAINED[name]), LN) == []


def test_a_name_must_hold_on_every_trial():
    """The mean's path is missing on one draw and the variance's on the others: neither name is true of all."""
    def backward(x, weight, bias, dy):
        return apex(x, weight, bias, dy, without=("mean",) if len(x) == 5 else ("var",))
    assert found(layer_norm, function(layer_norm, backward), LN) == []


def test_a_mistake_on_some_trials_alone_is_told_as_such():
    def backward(x, weight, bias, dy):
        return apex(x, weight, bias, dy, without=("mean",) if len(x) > 4 else ())
    (told,) = found(layer_norm, function(layer_norm, backward), LN)
    assert told.line.number == line_of(layer_norm, "mean = ")
    assert "on some trials only (not on 1 others)" in told.words


def test_rounding_alone_is_no_mistake():
    """Right formulas in bfloat16, judged by a tolerance that is too tight: errors, and no name for them."""
    program = function(layer_norm, apex)
    assert found(layer_norm, program, LN, relative=3e-3, dtype="bfloat16") == []
