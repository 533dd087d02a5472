"""Layers that move numbers, in JAX."""

from typing import Any

import jax.numpy as jnp

from ..chain import Here, Layer


def flatten(here: Here, x: Any) -> Any:
    return jnp.reshape(x, (x.shape[0], -1))


def reshape(here: Here, x: Any) -> Any:
    return jnp.reshape(x, (x.shape[0], *here.spec.options["shape"]))


def pad(here: Here, x: Any) -> Any:
    amounts = here.spec.options["amounts"]
    return jnp.pad(x, [(0, 0)] * (x.ndim - len(amounts)) + [tuple(each) for each in amounts])


def upsample(here: Here, x: Any) -> Any:
    for axis in range(2, x.ndim):
        x = jnp.repeat(x, here.spec.options["factor"], axis=axis)
    return x


LAYERS = {"flatten": Layer(flatten, ()), "reshape": Layer(reshape, ("shape",)),
          "pad": Layer(pad, ("amounts",)), "upsample": Layer(upsample, ("factor",))}
