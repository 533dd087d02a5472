"""Convolutions of sequences and images, by unfolding, and their transposes.

x: (batch, C, *sizes), y: (batch, F, *places), with one axis of sizes for a sequence and two for an
image. The window visits the places; at a place p of an image it sees the entries

    x[c, s p + d k - q],   c < C,   0 <= k < K along each axis,

with stride s, dilation d and q zeros of padding on every side. Written out as rows, one for each
example and place, that is a matrix X (batch * places, C * K), and a convolution is one affine site:

    Y = X W + b,   dW = Xᵀ dY,   db = Σ dY over examples and places,   dX = dY Wᵀ,

and dx adds the entries of dX up where the window saw them ("col2im"). W holds the filters as its
columns. In g groups the filters of one group see the channels of that group only: W then consists
of g blocks on its diagonal and is zero elsewhere. The filters are not turned round, so this is what
mathematics calls a cross-correlation. An "untied" bias has a number for every place and filter,
and its gradient is summed over the examples alone.

A transposed convolution is the same two lines with the directions exchanged: its forward is a
convolution's way back from y to x, and its way back is a convolution's forward. Every entry of x,
times a filter, is added into y where a window of y is.

The weight is laid out as in PyTorch: (F, C / g, *window), transposed (C, F / g, *window).
Chellapilla, Puri, Simard, High Performance Convolutional Neural Networks for Document Processing
(2006), section 3; Dumoulin, Visin, A Guide to Convolution Arithmetic for Deep Learning (2016),
relationships 6 and 14.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ..checks import DescriptionError, size
from ..kinds import UNITS, Option, Rule, Scope, Shape, Shapes, Site, Tables
from ..network import LayerSpec
from ..numbers import add_windows, windows

BIASES = ("channel", "untied", "none")
AXES = {1: "length", 2: "height, width"}
SITE, WITHOUT_BIAS = (Site("weight", bias, "state", "state", "filters") for bias in ("bias", ""))


# --- shapes --------------------------------------------------------------------------------------


def sites(spec: LayerSpec) -> tuple[Site, ...]:
    """A bias of the channels is that of the site; any other is added behind it."""
    return (SITE if spec.options["bias"] == "channel" else WITHOUT_BIAS,)


def no_bias_inside(spec: LayerSpec) -> tuple[Site, ...]:
    """What a transposed convolution adds up is no row of its output: its bias comes behind it."""
    return (WITHOUT_BIAS,)


def refused(spec: LayerSpec, where: str, why: str) -> DescriptionError:
    return DescriptionError(f"layer {where} ({spec.kind}): {why}")


def image(spec: LayerSpec, shape: Shape, where: str, axes: int) -> tuple[int, Shape]:
    """Channels and sizes; DescriptionError for what is no sequence or image."""
    if len(shape) != axes + 1:
        wanted = f"(channels, {AXES[axes]})"
        raise refused(spec, where, f"wants an input of shape {wanted}, received {shape}")
    return shape[0], shape[1:]


def divided(spec: LayerSpec, where: str, channels: int) -> None:
    """Channels and filters go evenly into the groups, or DescriptionError."""
    for name, count in (("channels", channels), ("filters", spec.options["filters"])):
        if count % spec.options["groups"]:
            why = f"{count} {name} do not go into {spec.options['groups']} groups"
            raise refused(spec, where, why)


def with_bias(spec: LayerSpec, weight: Shape, places: Shape) -> dict[str, Shape]:
    filters = spec.options["filters"]
    bias = {"channel": (filters,), "untied": (filters, *places)}.get(spec.options["bias"])
    return {"weight": weight} if bias is None else {"weight": weight, "bias": bias}


def shapes(axes: int, spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    channels, sizes = image(spec, shape, where, axes)
    divided(spec, where, channels)
    o = spec.options
    room = [n + 2 * q - d * (k - 1) for n, q, d, k in zip(
        sizes, o["padding"], o["dilation"], o["window"], strict=True)]
    if min(room) < 1:
        raise refused(spec, where, f"a window of {o['window']} does not fit into {list(sizes)} "
                                   f"with padding {o['padding']}")
    places = tuple((r - 1) // s + 1 for r, s in zip(room, o["stride"], strict=True))
    weight = (o["filters"], channels // o["groups"], *o["window"])
    return Shapes((o["filters"], *places), with_bias(spec, weight, places))


def covered(o: Any, sizes: Sequence[int]) -> Shape:
    """The sizes of what windows at so many places cover, less the padding."""
    return tuple((n - 1) * s + d * (k - 1) + 1 - 2 * q for n, s, d, k, q in zip(
        sizes, o["stride"], o["dilation"], o["window"], o["padding"], strict=True))


def shapes_transposed(axes: int, spec: LayerSpec, shape: Shape, tables: Tables,
                      where: str) -> Shapes:
    channels, sizes = image(spec, shape, where, axes)
    divided(spec, where, channels)
    o = spec.options
    places = covered(o, sizes)
    if min(places) < 1:
        raise refused(spec, where, f"padding {o['padding']} leaves nothing of {list(sizes)}")
    weight = (channels, o["filters"] // o["groups"], *o["window"])
    return Shapes((o["filters"], *places), with_bias(spec, weight, places))


# --- unfolding -----------------------------------------------------------------------------------


def padded(x: Any, padding: Sequence[int]) -> Any:
    if not any(padding):
        return x
    return np.pad(x, [(0, 0), (0, 0), *((q, q) for q in padding)])


def cropped(x: Any, padding: Sequence[int]) -> Any:
    """The adjoint of `padded`."""
    inner = [slice(q, n - q) for q, n in zip(padding, x.shape[2:], strict=True)]
    return x[(slice(None), slice(None), *inner)]


def unfolded(x: Any, o: Any) -> Any:
    """(batch, C, *sizes) as (batch, *places, C * K): what the window sees at each place."""
    seen = windows(padded(x, o["padding"]), o["window"], o["stride"], o["dilation"])
    seen = np.moveaxis(seen, 1, -1 - len(o["window"]))
    return seen.reshape(*seen.shape[:-1 - len(o["window"])], -1)


def folded(X: Any, o: Any, channels: int, sizes: Sequence[int]) -> Any:
    """The adjoint of `unfolded`: entries are added up where the windows saw them."""
    seen = np.moveaxis(X.reshape(*X.shape[:-1], channels, *o["window"]), X.ndim - 1, 1)
    whole = [n + 2 * q for n, q in zip(sizes, o["padding"], strict=True)]
    return cropped(add_windows(seen, whole, o["stride"], o["dilation"]), o["padding"])


# --- the weight as a matrix ---------------------------------------------------------------------


def matrix(weight: Any, groups: int, rows_first: bool = False) -> Any:
    """The weight as a matrix of `groups` blocks on the diagonal and zeros elsewhere.

    Its first axis gives the columns, or the rows where `rows_first`.
    """
    blocks = weight.reshape(groups, weight.shape[0] // groups, -1)
    blocks = blocks if rows_first else blocks.swapaxes(1, 2)
    if groups == 1:
        return blocks[0]
    own, blocks = np.eye(groups, dtype=bool)[:, None, :, None], np.expand_dims(blocks, 2)
    return np.where(own, blocks, np.zeros_like(blocks)).reshape(
        groups * blocks.shape[1], groups * blocks.shape[3])


def blocks_of(dW: Any, groups: int, shape: Shape, rows_first: bool = False) -> Any:
    """The adjoint of `matrix`: what lies outside the blocks is no weight and has no gradient."""
    each = np.arange(groups)
    parts = dW.reshape(groups, dW.shape[0] // groups, groups, dW.shape[1] // groups)
    blocks = parts[each, :, each]
    return (blocks if rows_first else blocks.swapaxes(1, 2)).reshape(shape)


# --- forward and backward ------------------------------------------------------------------------


def behind(p: Scope) -> bool:
    """Whether the layer's bias is added behind its site."""
    return p.options["bias"] != "none" and not p.rule.sites(p.spec)[0].bias


def plus_bias(p: Scope, y: Any) -> Any:
    if not behind(p):
        return y
    b = p["bias"]
    return y + (b if b.ndim > 1 else b.reshape(-1, *(1,) * (y.ndim - 2)))


def bias_gradient(p: Scope, dy: Any) -> dict[str, Any]:
    """Over the examples, and over the places where all of them have one bias."""
    axes = (0,) if p.options["bias"] == "untied" else (0, *range(2, dy.ndim))
    return {"bias": dy.sum(axis=axes)} if behind(p) else {}


def forward(p: Scope, x: Any) -> tuple[Any, Any]:
    (site,), o = p.rule.sites(p.spec), p.options
    X = unfolded(x, o)
    Y = p.affine(site, X, matrix(p["weight"], o["groups"]))
    return plus_bias(p, np.moveaxis(Y, -1, 1)), (X, x.shape)


def backward(p: Scope, saved: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    X, (_, channels, *sizes) = saved
    (site,), o, w = p.rule.sites(p.spec), p.options, p["weight"]
    dX, gradients = p.affine_backward(site, X, np.moveaxis(dy, 1, -1), matrix(w, o["groups"]))
    gradients["weight"] = blocks_of(gradients["weight"], o["groups"], w.shape)
    return folded(dX, o, channels, sizes), {**gradients, **bias_gradient(p, dy)}


def forward_transposed(p: Scope, x: Any) -> tuple[Any, Any]:
    (site,), o, X = p.rule.sites(p.spec), p.options, np.moveaxis(x, 1, -1)
    Y = p.affine(site, X, matrix(p["weight"], o["groups"], rows_first=True))
    places = covered(o, x.shape[2:])
    return plus_bias(p, folded(Y, o, o["filters"], places)), X


def backward_transposed(p: Scope, X: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    (site,), o, w = p.rule.sites(p.spec), p.options, p["weight"]
    W = matrix(w, o["groups"], rows_first=True)
    dX, gradients = p.affine_backward(site, X, unfolded(dy, o), W)
    gradients["weight"] = blocks_of(gradients["weight"], o["groups"], w.shape, rows_first=True)
    return np.moveaxis(dX, -1, 1), {**gradients, **bias_gradient(p, dy)}


# --- the rows ------------------------------------------------------------------------------------


def several(axes: int, wanted: str, good: Any, default: Any = None) -> Option:
    """An option that is a list of numbers, one for each axis."""
    def check(value: Any) -> bool:
        return isinstance(value, list) and len(value) == axes and all(map(good, value))

    words = f"a list of {axes} {wanted} integer{'s' * (axes > 1)}"
    return Option(check, words) if default is None else Option(check, words, [default] * axes)


def natural(value: Any) -> bool:
    """Whether it may be a number of zeros: 0, 1, 2, ..."""
    return (value == 0 and type(value) is int) or size(value)


def options(axes: int) -> dict[str, Option]:
    return {
        "filters": UNITS, "window": several(axes, "positive", size),
        "stride": several(axes, "positive", size, 1),
        "padding": several(axes, "non-negative", natural, 0),
        "dilation": several(axes, "positive", size, 1), "groups": UNITS._replace(default=1),
        "bias": Option(lambda value: value in BIASES, f"one of {', '.join(BIASES)}", "channel"),
    }


LAYERS = {
    **{f"conv{axes}d": Rule(forward, backward, partial(shapes, axes), options(axes), sites=sites,
                            mixes_steps=True, axes=axes + 1, channels_first=True) for axes in AXES},
    **{f"conv_transpose{axes}d": Rule(
        forward_transposed, backward_transposed, partial(shapes_transposed, axes), options(axes),
        sites=no_bias_inside, mixes_steps=True, axes=axes + 1, channels_first=True)
       for axes in AXES},
}
