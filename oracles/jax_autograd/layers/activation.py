"""The activations in JAX, with its conventions on kinks: relu'(0) = 0, leaky_relu'(0) = 1."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ... import row
from ..chain import Here, Layer

Array = Any

ACTIVATIONS: dict[str, Callable[..., Array]] = {
    "identity": lambda x: x,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "leaky_relu": lambda x, slope: jax.nn.leaky_relu(x, slope),
    "softplus": jax.nn.softplus,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "silu": jax.nn.silu,
    "softmax": lambda x: jax.nn.softmax(x, axis=-1),
    "log_softmax": lambda x: jax.nn.log_softmax(x, axis=-1),
    "elu": lambda x, alpha: jax.nn.elu(x, alpha),
    "selu": jax.nn.selu,
    "mish": jax.nn.mish,
    "softsign": jax.nn.soft_sign,
    "hard_tanh": jax.nn.hard_tanh,
    "hard_sigmoid": lambda x, slope: jax.nn.hard_sigmoid(x) if slope == 1 / 6 else (
        jnp.clip(slope * x + 0.5, 0.0, 1.0)),
    "relu6": jax.nn.relu6,
    "abs": jnp.abs,
}


def activation(here: Here, x: Array) -> Array:
    options = dict(here.spec.options)
    return row("jax", "activation", options.pop("function"), ACTIVATIONS)(x, **options)


LAYERS = {"activation": Layer(activation, ("function", "slope", "alpha"))}
