"""The embedding in JAX: rows taken; the padding row is stopped on its way back."""

from typing import Any

import jax
import jax.numpy as jnp

from ..chain import Here, Layer


def embedding(here: Here, x: Any) -> Any:
    weight, padding = here.parameter("weight"), here.spec.options["padding_index"]
    if padding is not None:
        weight = weight.at[padding].set(jax.lax.stop_gradient(weight[padding]))
    return jnp.take(weight, x, axis=0)


LAYERS = {"embedding": Layer(embedding, ("units", "padding_index"))}
