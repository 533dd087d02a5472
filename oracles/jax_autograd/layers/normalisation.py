"""Normalisation in JAX, by its mean and variance over axes: no array is put into rows."""

from typing import Any

import jax.numpy as jnp

from ..chain import Here, Layer

Array = Any


def root(variance: Array, here: Here) -> Array:
    """sqrt(variance + epsilon), or sqrt(variance) + epsilon."""
    epsilon = here.spec.options["epsilon"]
    if here.spec.options["epsilon_on"] == "variance":
        return jnp.sqrt(variance + epsilon)
    there = variance > 0
    return jnp.where(there, jnp.sqrt(jnp.where(there, variance, 1.0)), 0.0) + epsilon


def standardised(here: Here, x: Array, axes: tuple[int, ...]) -> Array:
    variance = jnp.var(x, axis=axes, keepdims=True)
    return (x - jnp.mean(x, axis=axes, keepdims=True)) / root(variance, here)


def of_features(here: Here, name: str, x: Array, axis: int) -> Array:
    """A vector with an entry for each feature, along that axis of x."""
    value = here.values[name] if name in here.values else here.parameter(name)
    return jnp.expand_dims(value, tuple(a for a in range(x.ndim) if a != axis))


def affine(here: Here, x: Array, axis: int) -> Array:
    return (x * of_features(here, "scale", x, axis)
            + of_features(here, "bias", x, axis))


def channel_axis(x: Array) -> int:
    """Images have their channels behind the batch, all others their features at the end."""
    return 1 if x.ndim == 4 else x.ndim - 1


def batch_norm(here: Here, x: Array) -> Array:
    axis = channel_axis(x)
    if here.spec.options["training"]:
        return affine(here, standardised(
            here, x, tuple(a for a in range(x.ndim) if a != axis)), axis)
    mean = of_features(here, f"{here.name}.mean", x, axis)
    variance = of_features(here, f"{here.name}.variance", x, axis)
    return affine(here, (x - mean) / root(variance, here), axis)


def instance_norm(here: Here, x: Array) -> Array:
    axis = channel_axis(x)
    return affine(here, standardised(
        here, x, tuple(a for a in range(1, x.ndim) if a != axis)), axis)


def group_norm(here: Here, x: Array) -> Array:
    axis, groups = channel_axis(x), here.spec.options["groups"]
    split = x.reshape(*x.shape[:axis], groups, -1, *x.shape[axis + 1:])
    others = tuple(a for a in range(1, split.ndim) if a != axis)
    return affine(here, standardised(here, split, others).reshape(x.shape), axis)


def trailing(here: Here) -> tuple[int, ...]:
    return tuple(range(-here.spec.options["axes"], 0))


def layer_norm(here: Here, x: Array) -> Array:
    y = standardised(here, x, trailing(here))
    return y * here.parameter("scale") + here.parameter("bias")


def rms_norm(here: Here, x: Array) -> Array:
    square = jnp.mean(jnp.square(x), axis=trailing(here), keepdims=True)
    return x / root(square, here) * here.parameter("scale")


def weight_norm(here: Here, x: Array) -> Array:
    direction = here.parameter("direction")
    weight = here.parameter("scale") * direction / jnp.linalg.norm(direction, axis=0)
    y = jnp.dot(x.astype(weight.dtype), weight)
    return y + here.parameter("bias") if here.spec.options["bias"] else y


WHERE = ("epsilon", "epsilon_on")
LAYERS = {
    "batch_norm": Layer(batch_norm, (*WHERE, "training")),
    "group_norm": Layer(group_norm, (*WHERE, "groups")),
    "instance_norm": Layer(instance_norm, WHERE),
    "layer_norm": Layer(layer_norm, (*WHERE, "axes")),
    "rms_norm": Layer(rms_norm, (*WHERE, "axes")),
    "weight_norm": Layer(weight_norm, ("units", "bias")),
}
