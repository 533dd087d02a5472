"""Convolutions: where the windows go on the way back, and what the bias is summed over."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...reference import Rule
from ...reference.layers.convolution import covered, cropped, folded, matrix
from ..core import Fault, Faults
from ..ways import with_entries

CONV = ("conv1d", "conv2d")
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d")
Gradients = dict[str, Any]
Wrong = Callable[[Any, Any, Any, Any, Gradients], tuple[Any, Gradients]]


def convolution(symptom: str, wrong: str, right: str, seen: str, change: Wrong,
                kinds: tuple[str, ...] = CONV) -> Fault:
    """A row: change(p, what the forward saved, dy, right dx, right gradients) -> the wrong two."""
    def rule(right: Rule) -> Rule:
        def backward(p: Any, saved: Any, dy: Any) -> tuple[Any, Gradients]:
            return change(p, saved, dy, *right.backward(p, saved, dy))

        return right._replace(backward=backward)

    return Fault("convolution", symptom, wrong, right, seen, with_entries(
        "layers", dict.fromkeys(kinds, rule)))


# --- what is handed down --------------------------------------------------------------------------


def seen_by(p: Any, dy: Any, weight: Any) -> Any:
    """dX: what every place hands to the entries that its window sees."""
    return np.moveaxis(dy, 1, -1) @ matrix(weight, p.options["groups"]).T


def not_flipped(p: Any, saved: Any, dy: Any, dx: Any, g: Gradients) -> tuple[Any, Gradients]:
    turned = np.flip(p["weight"], tuple(range(2, dy.ndim)))
    return folded(seen_by(p, dy, turned), p.options, dx.shape[1], dx.shape[2:]), g


def with_options(**other: int) -> Wrong:
    """The windows of the way back as if these options were the same number along every axis."""
    def wrong(p: Any, saved: Any, dy: Any, dx: Any, g: Gradients) -> tuple[Any, Gradients]:
        axes, padding = len(p.options["window"]), p.options["padding"]
        o = {**p.options, **{name: [value] * axes for name, value in other.items()},
             "padding": [0] * axes}
        reached = folded(seen_by(p, dy, p["weight"]), o, dx.shape[1], covered(o, dy.shape[2:]))
        behind = [(0, n + 2 * q - m) for n, m, q in zip(
            dx.shape[2:], reached.shape[2:], padding, strict=True)]
        return cropped(np.pad(reached, [(0, 0), (0, 0), *behind]), padding), g

    return wrong


def around(p: Any, saved: Any, dy: Any, dx: Any) -> Any:
    """dx with the gradient of the padding around it."""
    padding = p.options["padding"]
    whole = [n + 2 * q for n, q in zip(dx.shape[2:], padding, strict=True)]
    o = {**p.options, "padding": [0] * len(padding)}
    return folded(seen_by(p, dy, p["weight"]), o, dx.shape[1], whole)


def not_cropped(p: Any, saved: Any, dy: Any, dx: Any, g: Gradients) -> tuple[Any, Gradients]:
    return around(p, saved, dy, dx), g


def cropped_behind(p: Any, saved: Any, dy: Any, dx: Any, g: Gradients) -> tuple[Any, Gradients]:
    first = tuple(slice(0, n) for n in dx.shape[2:])
    return around(p, saved, dy, dx)[(slice(None), slice(None), *first)], g


def overwritten(p: Any, saved: Any, dy: Any, dx: Any, g: Gradients) -> tuple[Any, Gradients]:
    """Where windows overlap, the last one is left."""
    o = p.options
    sizes = [n + 2 * q for n, q in zip(dx.shape[2:], o["padding"], strict=True)]
    each = last_written(seen_by(p, dy, p["weight"]), o, dx.shape[1], sizes)
    inner = (slice(q, q + n) for n, q in zip(dx.shape[2:], o["padding"], strict=True))
    return each[(slice(None), slice(None), *inner)], g


def last_written(rows: Any, o: Any, channels: int, sizes: list[int]) -> Any:
    """(batch, *places, channels * K) written into (batch, channels, *sizes), place after place."""
    places, K = rows.shape[1:-1], math.prod(o["window"])
    each = rows.reshape(rows.shape[0], math.prod(places), channels, K)
    each = np.moveaxis(each, 2, 1).reshape(rows.shape[0], channels, -1)
    steps = [np.arange(n)[:, None] * s + np.arange(k) * d for n, s, d, k in zip(
        places, o["stride"], o.get("dilation", [1] * len(places)), o["window"], strict=True)]
    shape = [(1,) * i + (len(at),) + (1,) * (len(steps) - 1) + (at.shape[1],)
             + (1,) * (len(steps) - 1 - i) for i, at in enumerate(steps)]
    grid = np.broadcast_arrays(*(at.reshape(s) for at, s in zip(steps, shape, strict=True)))
    inside = np.logical_and.reduce([at < n for at, n in zip(grid, sizes, strict=True)]).ravel()
    index = np.ravel_multi_index(grid, sizes, mode="clip").ravel()
    last = np.full(math.prod(sizes), -1)
    last[index[inside]] = np.flatnonzero(inside)
    written = np.take(each, np.maximum(last, 0), axis=2)
    return np.where(last >= 0, written, np.zeros_like(written)).reshape(
        rows.shape[0], channels, *sizes)


# --- the weight -----------------------------------------------------------------------------------


def with_weight(change: Callable[[Any, Any, Any, Any], Any]) -> Wrong:
    """The gradient of the weight alone: change(p, X, dy, right dW) -> dW."""
    def wrong(p: Any, saved: Any, dy: Any, dx: Any, g: Gradients) -> tuple[Any, Gradients]:
        return dx, {**g, "weight": change(p, saved[0], dy, g["weight"])}

    return wrong


def other_order(p: Any, X: Any, dy: Any, dW: Any) -> Any:
    """The rows of dY by place and example, those of X by example and place; without groups."""
    if p.options["groups"] > 1:
        return dW
    dY = np.moveaxis(np.moveaxis(dy, 1, -1), 0, -2)
    product = X.reshape(-1, X.shape[-1]).T @ dY.reshape(-1, dy.shape[1])
    return product.T.reshape(dW.shape)


def of_first_group(p: Any, X: Any, dy: Any, dW: Any) -> Any:
    first = dW[:dW.shape[0] // p.options["groups"]]
    return np.concatenate([first] * p.options["groups"])


def turned(p: Any, X: Any, dy: Any, dW: Any) -> Any:
    return np.flip(dW, tuple(range(2, dW.ndim)))


# --- the bias -------------------------------------------------------------------------------------


def with_bias(form: str, change: Callable[[Any, Any, Any], Any]) -> Wrong:
    """The gradient of a bias of this form alone: change(p, dy, right db) -> db."""
    def wrong(p: Any, saved: Any, dy: Any, dx: Any, g: Gradients) -> tuple[Any, Gradients]:
        if p.options["bias"] != form:
            return dx, g
        return dx, {**g, "bias": change(p, dy, g["bias"])}

    return wrong


def of_group(p: Any) -> int:
    """The channels that a filter sees."""
    return int(p["weight"].shape[1])


# --- the table ------------------------------------------------------------------------------------

DX = "for p in places: dx[:, :, s*p : s*p + k] += W.T @ dy[:, :, p]"
DW, DB = "dW = X.T @ dY", "db = dy.sum(axis=(0, 2, 3))"
CROPPED = "dx = dx_padded[:, :, q:-q, q:-q]"
FROM_SCRATCH = "repositories that write a convolution from scratch"
BOTH = (*CONV, *TRANSPOSED)

FAULTS: Faults = {
    "convolution-kernel-not-flipped": convolution(
        "everything below a convolution is wrong, unless the kernels are symmetric: the error is "
        "sent down with the kernel as it is, and not turned round",
        "dx = correlate(pad(dy), W)", "dx = correlate(pad(dy), W[:, :, ::-1, ::-1])",
        f"lincoln's convolution, and {FROM_SCRATCH}; right for symmetric kernels", not_flipped),
    "convolution-stride-ignored-backward": convolution(
        "everything below a convolution with a stride is wrong: the windows of the way back move "
        "by one",
        DX.replace("s*p", "p"), DX,
        "burn#1891 and MLX#3800 are of this kind: right for a stride of 1",
        with_options(stride=1)),
    "convolution-dilation-ignored-backward": convolution(
        "everything below a convolution with a dilation is wrong: on the way back the windows have "
        "no gaps",
        "dx[:, :, p : p + k] += ...", "dx[:, :, p : p + d*k : d] += ...",
        "planted, because the option is added later, and to the forward pass first",
        with_options(dilation=1)),
    "convolution-windows-overwritten": convolution(
        "everything below a convolution is wrong where its windows overlap: each window overwrites "
        "what the one before has left",
        DX.replace("+=", "="), DX, FROM_SCRATCH, overwritten),
    "convolution-padding-not-cropped": convolution(
        "the error below a convolution still has the padding around it, so that its shape is "
        "wrong wherever there is padding",
        "return dx_padded", CROPPED, FROM_SCRATCH, not_cropped),
    "convolution-padding-cropped-on-one-side": convolution(
        "everything below a convolution with padding is wrong: the error is shifted, because the "
        "padding is cut off behind only",
        "dx = dx_padded[:, :, :height, :width]", CROPPED, FROM_SCRATCH, cropped_behind),
    "convolution-rows-in-other-order": convolution(
        "the weight gradient of a convolution is wrong in batches of more than one example: one "
        "matrix has a row for each example and place, the other for each place and example",
        "dY = dy.transpose(2, 3, 0, 1).reshape(-1, filters)",
        "dY = dy.transpose(0, 2, 3, 1).reshape(-1, filters)",
        "lincoln's convolution; im2col written for (place, example)", with_weight(other_order)),
    "convolution-groups-ignored": convolution(
        "the weight gradients of all groups of a convolution are those of the first one",
        "dW = np.tile(dW_of_group[0], (groups, 1, 1, 1))", "dW = np.concatenate(dW_of_group)",
        "pytorch#51430, burn#1891", with_weight(of_first_group)),
    "convolution-weight-gradient-flipped": convolution(
        "the weight gradient of a convolution is turned round: it is that of a convolution in the "
        "sense of mathematics, and the forward pass is a correlation",
        "dW = convolve(x, dy)", "dW = correlate(x, dy)",
        "scipy.signal's two functions, taken for each other", with_weight(turned)),
    "convolution-bias-not-summed-over-places": convolution(
        "the bias gradient of a convolution has a number for every place, where a filter has one "
        "bias",
        "db = dy.sum(axis=0)", DB, f"the line of a dense layer, copied; {FROM_SCRATCH}",
        with_bias("channel", lambda p, dy, db: dy.sum(axis=0)), BOTH),
    "convolution-bias-counted-per-channel": convolution(
        "the bias gradient of a convolution is too large by the number of the channels that a "
        "filter sees: it is added in the loop over them",
        "for c in channels: dW[f, c] += ...; db[f] += dy[:, f].sum()",
        "for c in channels: dW[f, c] += ...\ndb[f] += dy[:, f].sum()", FROM_SCRATCH,
        with_bias("channel", lambda p, dy, db: db * of_group(p))),
    "convolution-bias-averaged-over-places": convolution(
        "the bias gradient of a convolution is too small by the number of its places: it is "
        "averaged over them",
        "db = dy.mean(axis=(2, 3)).sum(axis=0)", DB, FROM_SCRATCH,
        with_bias("channel", lambda p, dy, db: db / math.prod(dy.shape[2:])), BOTH),
    "convolution-bias-of-one-place": convolution(
        "the bias gradient of a convolution is that of one place: each place overwrites the one "
        "before",
        "for p in places: db = dy[:, :, p].sum(axis=0)",
        "for p in places: db += dy[:, :, p].sum(axis=0)", FROM_SCRATCH,
        with_bias("channel", lambda p, dy, db: dy.reshape(*dy.shape[:2], -1)[:, :, -1].sum(axis=0)),
        BOTH),
    "convolution-untied-bias-summed-over-places": convolution(
        "the gradient of a bias that each place has for itself is one number for a whole channel",
        DB, "db = dy.sum(axis=0)", "the line of a tied bias, copied",
        with_bias("untied", lambda p, dy, db: dy.sum(axis=(0, *range(2, dy.ndim)))), BOTH),
    "convolution-untied-bias-not-summed-over-batch": convolution(
        "the gradient of a bias that each place has for itself has a row for every example",
        "db = dy", "db = dy.sum(axis=0)",
        "TinyTorch and books whose convolution layer has a bias of the output's shape, where the "
        "batch was added later",
        with_bias("untied", lambda p, dy, db: dy), BOTH),
}
