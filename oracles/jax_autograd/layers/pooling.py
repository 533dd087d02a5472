"""Pooling in JAX, by XLA's reduction over windows. Equal entries: the gradient goes to the first.

A mean is a sum over what a window sees, divided by the same sum over ones.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import lax

from ..chain import Here, Layer

OPTIONS = ("function", "window", "stride", "padding", "count_padding", "ceil")
REDUCED: dict[str, Callable[..., Any]] = {"max": jnp.max, "mean": jnp.mean}


def last(n: int, k: int, s: int, q: int, ceil: bool) -> int:
    """How much is added behind an axis: the padding and, with ceil, up to the last window's end."""
    rest = (n + 2 * q - k) % s
    starts_inside = n + 2 * q - k - rest + s < n + q
    return q + (s - rest if ceil and rest and starts_inside else 0)


def pool(axes: int, here: Here, x: Any) -> Any:
    o = here.spec.options
    edges = [(q, last(n, k, s, q, o["ceil"])) for n, k, s, q in zip(
        x.shape[2:], o["window"], o["stride"], o["padding"], strict=True)]
    over = {"window_dimensions": (1, 1, *o["window"]), "window_strides": (1, 1, *o["stride"]),
            "padding": [(0, 0), (0, 0), *edges]}
    if o["function"] == "max":
        return lax.reduce_window(x, -jnp.inf, lax.max, **over)
    ones = jnp.ones((1, 1, *x.shape[2:]), x.dtype)
    if o["count_padding"]:
        ones = jnp.pad(ones, [(0, 0), (0, 0), *((q, q) for q in o["padding"])], constant_values=1)
        inner = [(0, b - q) for (_, b), q in zip(edges, o["padding"], strict=True)]
        counted = {**over, "padding": [(0, 0), (0, 0), *inner]}
    else:
        counted = over
    return (lax.reduce_window(x, 0.0, lax.add, **over)
            / lax.reduce_window(ones, 0.0, lax.add, **counted))


def global_pool(here: Here, x: Any) -> Any:
    return REDUCED[here.spec.options["function"]](x.reshape(*x.shape[:2], -1), axis=-1)


def subsample(here: Here, x: Any) -> Any:
    window = here.spec.options["window"]
    places = [n // k for n, k in zip(x.shape[2:], window, strict=True)]
    whole = x[:, :, :places[0] * window[0], :places[1] * window[1]]
    blocks = whole.reshape(*x.shape[:2], places[0], window[0], places[1], window[1])
    coefficient, bias = (here.parameter(name)[:, None, None] for name in ("coefficient", "bias"))
    return blocks.mean(axis=(3, 5)) * coefficient + bias


LAYERS = {**{f"pool{axes}d": Layer(partial(pool, axes), OPTIONS) for axes in (1, 2)},
          "global_pool": Layer(global_pool, ("function",)),
          "subsample2d": Layer(subsample, ("window",))}
