"""Dropout in JAX: scaled first, then masked."""

from typing import Any

import jax.numpy as jnp

from ..chain import Here, Layer


def dropout(here: Here, x: Any) -> Any:
    scaled = x * (1 / (1 - here.spec.options["rate"]))
    return jnp.multiply(scaled, here.parameter("mask"))


LAYERS = {"dropout": Layer(dropout, ("rate",))}
