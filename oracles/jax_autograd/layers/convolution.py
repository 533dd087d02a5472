"""Convolutions in JAX: one function of XLA's, to which zeros between the entries of x are known.

A transposed convolution is a convolution with the filters turned round, of an x with stride - 1
zeros between its entries.
"""

from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import lax

from ..chain import Here, Layer

OPTIONS = ("filters", "window", "stride", "padding", "dilation", "groups", "bias")


def plus_bias(here: Here, y: Any) -> Any:
    form = here.spec.options["bias"]
    if form == "none":
        return y
    b = here.parameter("bias")
    return y + (b if form == "untied" else jnp.expand_dims(b, tuple(range(1, y.ndim - 1))))


def conv(axes: int, here: Here, x: Any) -> Any:
    o = here.spec.options
    y = lax.conv_general_dilated(
        x, here.parameter("weight"), o["stride"], [(q, q) for q in o["padding"]],
        rhs_dilation=o["dilation"], feature_group_count=o["groups"])
    return plus_bias(here, y)


def transposed(axes: int, here: Here, x: Any) -> Any:
    o, weight = here.spec.options, here.parameter("weight")
    channels, of_group, *window = weight.shape
    turned = jnp.flip(weight, tuple(range(2, weight.ndim)))
    parts = turned.reshape(o["groups"], channels // o["groups"], of_group, *window)
    filters = jnp.swapaxes(parts, 1, 2).reshape(o["filters"], channels // o["groups"], *window)
    edges = [d * (k - 1) - q for d, k, q in zip(o["dilation"], window, o["padding"], strict=True)]
    y = lax.conv_general_dilated(
        x, filters, [1] * axes, [(e, e) for e in edges], lhs_dilation=o["stride"],
        rhs_dilation=o["dilation"], feature_group_count=o["groups"])
    return plus_bias(here, y)


LAYERS = {**{f"conv{axes}d": Layer(partial(conv, axes), OPTIONS) for axes in (1, 2)},
          **{f"conv_transpose{axes}d": Layer(partial(transposed, axes), OPTIONS)
             for axes in (1, 2)}}
