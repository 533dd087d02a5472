"""Pooling and sub-sampling. x: (batch, C, *sizes), y: (batch, C, *places), each channel by itself.

A window of K entries visits the places, as in a convolution, with q places of padding on each side.

    max     y[p] = the largest x[i] that the window sees at p;  dx[i] = Σ_p dy[p] [i is that entry]
    mean    y[p] = Σ_i x[i] / n[p],  i in the window at p;      dx[i] = Σ_p dy[p] / n[p]

Padding is never the largest: it counts as -∞, not as 0. n[p] is the number of entries that the
window sees, and with `count_padding` the padding is counted too. With `ceil` a last window may
reach past the end, as long as it starts inside; what it sees there is not counted at all. All of
it is PyTorch's. Where two entries of a window are largest, max has no derivative; here the first
one gets all of dy.

`global_pool` is one window on the whole: (batch, C, *sizes) gives (batch, C).

`subsample2d` is that of LeNet-5, y = coefficient * m + bias, m the mean over windows side by side;
per channel c, d coefficient = Σ m dy and d bias = Σ dy over examples and places. The paper has the
sum in the place of the mean, and so coefficients that are K times smaller. LeCun, Bottou, Bengio,
Haffner, Gradient-Based Learning Applied to Document Recognition (1998), section II.B.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np

from ..checks import size
from ..kinds import Kink, Option, Rule, Scope, Shape, Shapes, Tables, flag
from ..network import LayerSpec
from ..numbers import add_windows, magnitude, windows
from .convolution import AXES, image, natural, refused, several

FUNCTIONS = ("max", "mean")


# --- shapes --------------------------------------------------------------------------------------


def places_of(o: Any, sizes: Sequence[int]) -> Shape:
    """How many places the window has along each axis."""
    return tuple(_places(*each, o["ceil"]) for each in zip(
        sizes, o["window"], o["stride"], o["padding"], strict=True))


def _places(n: int, k: int, s: int, q: int, ceil: bool) -> int:
    """Rounded down or up; but a window that would start behind the end is none."""
    count = (n + 2 * q - k + (s - 1 if ceil else 0)) // s + 1
    return count - 1 if ceil and (count - 1) * s >= n + q else count


def shapes(axes: int, spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    channels, sizes = image(spec, shape, where, axes)
    o = spec.options
    if any(2 * q > k for q, k in zip(o["padding"], o["window"], strict=True)):
        raise refused(spec, where, f"padding {o['padding']} is more than half of the window "
                                   f"{o['window']}")
    places = places_of(o, sizes)
    if min(places) < 1:
        raise refused(spec, where, f"a window of {o['window']} does not fit into {list(sizes)} "
                                   f"with padding {o['padding']}")
    return Shapes((channels, *places))


def shapes_global(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    if len(shape) < 2:
        raise refused(spec, where, "wants an input of shape (channels, length) or (channels, "
                                   f"height, width), received {shape}")
    return Shapes(shape[:1])


def shapes_subsample(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    channels, sizes = image(spec, shape, where, 2)
    places = tuple(n // k for n, k in zip(sizes, spec.options["window"], strict=True))
    if min(places) < 1:
        raise refused(spec, where, f"a window of {spec.options['window']} does not fit into "
                                   f"{list(sizes)}")
    return Shapes((channels, *places), {"coefficient": (channels,), "bias": (channels,)})


# --- what the windows see ------------------------------------------------------------------------


def around(o: Any, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Before and after each axis: the padding, and what a last window needs with `ceil`."""
    return [(q, max(q, (p - 1) * s + k - n - q)) for n, k, s, q, p in zip(
        sizes, o["window"], o["stride"], o["padding"], places_of(o, sizes), strict=True)]


def seen(x: Any, o: Any) -> Any:
    """(batch, C, *places, K): the entries that the window sees, zeros for what is no entry."""
    edges = around(o, x.shape[2:])
    whole = np.pad(x, [(0, 0), (0, 0), *edges]) if np.any(edges) else x
    found = windows(whole, o["window"], o["stride"], [1] * len(o["window"]))
    return found.reshape(*found.shape[:-len(o["window"])], -1)


def unseen(dY: Any, o: Any, sizes: Sequence[int]) -> Any:
    """The adjoint of `seen`: every entry gets the sum over the windows that saw it."""
    edges = around(o, sizes)
    whole = [a + n + b for n, (a, b) in zip(sizes, edges, strict=True)]
    dX = add_windows(dY.reshape(*dY.shape[:-1], *o["window"]), whole, o["stride"],
                     [1] * len(sizes))
    inner = [slice(a, a + n) for n, (a, _) in zip(sizes, edges, strict=True)]
    return dX[(slice(None), slice(None), *inner)]


def entries(x: Any, o: Any) -> Any:
    """(1, 1, *places, K): which of what `seen` gives are entries of x."""
    return seen(np.ones((1, 1, *x.shape[2:]), bool), o)


def counts(o: Any, sizes: Sequence[int]) -> Any:
    """n: (*places,), small integers, which leave float32 as it is."""
    each = []
    for n, k, s, q, p in zip(sizes, o["window"], o["stride"], o["padding"], places_of(o, sizes),
                             strict=True):
        start = np.arange(p) * s - q
        stop = np.minimum(start + k, n + q)
        low, high = (-q, n + q) if o["count_padding"] else (0, n)
        each.append(np.clip(stop, low, high) - np.clip(start, low, high))
    return reduce(np.multiply.outer, each).astype(np.int16)


# --- forward and backward ------------------------------------------------------------------------


def largest(Y: Any) -> tuple[Any, Any]:
    """The largest of the last axis, and where it is: the first of equals."""
    return Y.max(axis=-1), Y.argmax(axis=-1)


def sent_to(at: Any, dy: Any, K: int) -> Any:
    """(..., K): dy where the largest entry was, zero elsewhere."""
    dy = np.expand_dims(dy, -1)
    return np.where(np.arange(K) == at[..., None], dy, np.zeros_like(dy))


def gap(Y: Any, at: Any) -> Any:
    """How far the largest entry is above the second largest."""
    low = np.min(Y, axis=-1, keepdims=True)
    rest = np.where(np.arange(Y.shape[-1]) == at[..., None], below(low), Y)
    return Y.max(axis=-1) - rest.max(axis=-1)


def below(x: Any) -> Any:
    """A number that is certainly less, for each number."""
    return x - magnitude(x) - 1.0


def forward(p: Scope, x: Any) -> tuple[Any, Any]:
    Y, o = seen(x, p.options), p.options
    if o["function"] == "mean":
        return Y.sum(axis=-1) / counts(o, x.shape[2:]), (x.shape, None, None)
    if np.any(around(o, x.shape[2:])):
        low = below(x.reshape(x.shape[0], -1).min(axis=-1))
        Y = np.where(entries(x, o), Y, low.reshape(-1, *(1,) * (Y.ndim - 1)))
    y, at = largest(Y)
    return y, (x.shape, Y, at)


def backward(p: Scope, saved: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    (shape, Y, at), o = saved, p.options
    K = math.prod(o["window"])
    if Y is None:
        each = np.expand_dims(dy / counts(o, shape[2:]), -1)
        return unseen(np.broadcast_to(each, (*dy.shape, K)), o, shape[2:]), {}
    return unseen(sent_to(at, dy, K), o, shape[2:]), {}


def kinks(p: Scope, saved: Any) -> Iterator[Kink]:
    _, Y, at = saved
    if Y is not None and Y.shape[-1] > 1:
        yield Kink(p.name, (0.0,), gap(Y, at))


def forward_global(p: Scope, x: Any) -> tuple[Any, Any]:
    Y = x.reshape(*x.shape[:2], -1)
    if p.options["function"] == "mean":
        return Y.sum(axis=-1) / Y.shape[-1], (x.shape, None, None)
    y, at = largest(Y)
    return y, (x.shape, Y, at)


def backward_global(p: Scope, saved: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    shape, Y, at = saved
    K = math.prod(shape[2:])
    if Y is not None:
        return sent_to(at, dy, K).reshape(shape), {}
    return np.broadcast_to(np.expand_dims(dy / K, -1), (*dy.shape, K)).reshape(shape), {}


def forward_subsample(p: Scope, x: Any) -> tuple[Any, Any]:
    window = p.options["window"]
    m = windows(x, window, window, (1, 1)).sum(axis=(-2, -1)) / math.prod(window)
    return m * channelwise(p["coefficient"]) + channelwise(p["bias"]), (x.shape, m)


def backward_subsample(p: Scope, saved: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    (shape, m), window = saved, p.options["window"]
    dm = np.expand_dims(dy * channelwise(p["coefficient"]) / math.prod(window), (-2, -1))
    dx = add_windows(np.broadcast_to(dm, (*dy.shape, *window)), shape[2:], window, (1, 1))
    return dx, {"coefficient": (m * dy).sum(axis=(0, 2, 3)), "bias": dy.sum(axis=(0, 2, 3))}


def channelwise(v: Any) -> Any:
    """(C,) beside (batch, C, height, width)."""
    return v.reshape(-1, 1, 1)


# --- the rows ------------------------------------------------------------------------------------

FUNCTION = Option(lambda value: value in FUNCTIONS, f"one of {', '.join(FUNCTIONS)}")


def options(axes: int) -> dict[str, Option]:
    return {"function": FUNCTION, "window": several(axes, "positive", size),
            "stride": several(axes, "positive", size, 1),
            "padding": several(axes, "non-negative", natural, 0),
            "count_padding": flag(True), "ceil": flag(False)}


LAYERS = {
    **{f"pool{axes}d": Rule(forward, backward, partial(shapes, axes), options(axes), kinks=kinks,
                            mixes_steps=True, axes=axes + 1, channels_first=True) for axes in AXES},
    "global_pool": Rule(forward_global, backward_global, shapes_global, {"function": FUNCTION},
                        kinks=kinks, mixes_steps=True, axes=2, channels_first=True),
    "subsample2d": Rule(forward_subsample, backward_subsample, shapes_subsample,
                        {"window": several(2, "positive", size)}, mixes_steps=True, axes=3,
                        channels_first=True),
}
