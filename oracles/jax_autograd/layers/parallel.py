"""Branches side by side in JAX."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax.numpy as jnp

from ... import row
from ..chain import Here, Layer, forward

Array = Any

COMBINE: dict[str, Callable[[list[Array]], Array]] = {
    "add": lambda ys: reduce(jnp.add, ys),
    "concatenate": lambda ys: jnp.concatenate(ys, axis=-1),
    "multiply": lambda ys: reduce(jnp.multiply, ys),
}


def parallel(here: Here, x: Array) -> Array:
    ys = [forward(here.rows, branch, f"{here.name}.{b}.", here.values, x)
          for b, branch in enumerate(here.spec.branches)]
    return row("jax", "combine", here.spec.options["combine"], COMBINE)(ys)


LAYERS = {"parallel": Layer(parallel, ("branches", "combine"))}
