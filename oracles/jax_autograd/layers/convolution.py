"""Convolutions in JAX: the input, moved by each entry of the window, times the filters.

Not by `jax.lax.conv_general_dilated`: compiling the gradient of one with a window of one entry
along an axis, a dilation there and a large batch ends the process (jax 0.10, XLA's "Window
dimensions do not match RHS shape").

A transposed convolution is a convolution with the filters turned round, of an x with stride - 1
zeros between its entries.
"""

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import jax.numpy as jnp
from jax import lax

from ..chain import Here, Layer

OPTIONS = ("filters", "window", "stride", "padding", "dilation", "groups", "bias")


def correlated(x: Any, filters: Any, stride: Sequence[int], dilation: Sequence[int],
               groups: int) -> Any:
    """x: (batch, channels, *sizes), filters: (F, channels / groups, *window); no padding."""
    window = filters.shape[2:]
    moved = [x[(..., *(slice(d * k, n - d * (K - 1 - k), s) for n, d, k, K, s in zip(
        x.shape[2:], dilation, at, window, stride, strict=True)))]
        for at in product(*map(range, window))]
    seen = jnp.stack(moved, axis=2).reshape(
        x.shape[0], groups, -1, len(moved), *moved[0].shape[2:])
    parts = filters.reshape(groups, filters.shape[0] // groups, -1, len(moved))
    y = jnp.einsum("ngck...,gfck->ngf...", seen, parts)
    return y.reshape(x.shape[0], filters.shape[0], *moved[0].shape[2:])


def plus_bias(here: Here, y: Any) -> Any:
    form = here.spec.options["bias"]
    if form == "none":
        return y
    b = here.parameter("bias")
    return y + (b if form == "untied" else jnp.expand_dims(b, tuple(range(1, y.ndim - 1))))


def conv(axes: int, here: Here, x: Any) -> Any:
    o = here.spec.options
    x = jnp.pad(x, [(0, 0), (0, 0), *((q, q) for q in o["padding"])])
    return plus_bias(here, correlated(
        x, here.parameter("weight"), o["stride"], o["dilation"], o["groups"]))


def transposed(axes: int, here: Here, x: Any) -> Any:
    o, weight = here.spec.options, here.parameter("weight")
    channels, of_group, *window = weight.shape
    turned = jnp.flip(weight, tuple(range(2, weight.ndim)))
    parts = turned.reshape(o["groups"], channels // o["groups"], of_group, *window)
    filters = jnp.swapaxes(parts, 1, 2).reshape(o["filters"], channels // o["groups"], *window)
    edges = [d * (k - 1) - q for d, k, q in zip(o["dilation"], window, o["padding"], strict=True)]
    spread = [(e, e, s - 1) for e, s in zip(edges, o["stride"], strict=True)]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *spread])
    return plus_bias(here, correlated(x, filters, [1] * axes, o["dilation"], o["groups"]))


LAYERS = {**{f"conv{axes}d": Layer(partial(conv, axes), OPTIONS) for axes in (1, 2)},
          **{f"conv_transpose{axes}d": Layer(partial(transposed, axes), OPTIONS)
             for axes in (1, 2)}}
