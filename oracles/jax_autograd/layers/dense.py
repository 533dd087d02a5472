"""The dense layer in JAX."""

from typing import Any

import jax.numpy as jnp

from ..chain import Here, Layer


def dense(here: Here, x: Any) -> Any:
    weight = here.parameter("weight")
    y = jnp.dot(x.astype(weight.dtype), weight)
    return y + here.parameter("bias") if here.spec.options["bias"] else y


LAYERS = {"dense": Layer(dense, ("units", "bias"))}
