"""The scale layer in JAX."""

from typing import Any

import jax.numpy as jnp

from ..chain import Here, Layer


def scale(here: Here, x: Any) -> Any:
    return jnp.multiply(x, here.parameter("scale"))


LAYERS = {"scale": Layer(scale, ())}
