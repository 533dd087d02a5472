"""The losses in JAX: the reductions are sums and means of the unreduced array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

from ...reference.network import COTANGENT, WEIGHTED, LossSpec
from .. import row

Array = Any


def _one_hot(p: Array, t: Array) -> Array:
    """Targets as values (batch, ..., classes) of p's dtype."""
    return jax.nn.one_hot(t, p.shape[-1], dtype=p.dtype) if t.ndim < p.ndim else t


def _smooth(t: Array, smoothing: float) -> Array:
    return t + smoothing * (1 / t.shape[-1] - t)


def _huber(d: Array) -> Array:
    """In units of delta: |d| - 1/2 less half the square of what is missing to 1."""
    inside = jnp.clip(d, -1, 1)
    return inside * (d - inside / 2)


# A row is the unreduced array, L(p, t) with p: (batch, ..., units); reductions sum or average it.
LOSSES: dict[str, Callable[..., Array]] = {
    "squared_error": lambda p, t: jnp.square(p - t),
    "absolute_error": lambda p, t: jnp.abs(p - t),
    "cross_entropy": lambda p, t, smoothing: -jnp.sum(
        _smooth(_one_hot(p, t), smoothing) * jnp.log(p), axis=-1),
    "softmax_cross_entropy": lambda z, t, smoothing: -jnp.sum(
        _smooth(_one_hot(z, t), smoothing) * jax.nn.log_softmax(z, axis=-1), axis=-1),
    "binary_cross_entropy": lambda p, t: -(t * jnp.log(p) + (1 - t) * jnp.log1p(-p)),
    "sigmoid_cross_entropy":
        lambda z, t: -(t * jax.nn.log_sigmoid(z) + (1 - t) * jax.nn.log_sigmoid(-z)),
    "inner_product": jnp.multiply,
    "huber": lambda p, t, delta: delta**2 * _huber((p - t) / delta),
    "hinge": lambda p, t: jnp.maximum(0, 1 - t * p),
    "squared_hinge": lambda p, t: jnp.square(jnp.maximum(0, 1 - t * p)),
    "kl_divergence": lambda p, t: jnp.sum(xlogy(t, t) - t * jnp.log(p), axis=-1),
    "kl_divergence_of_logs": lambda p, t: xlogy(t, t) - t * p,
}
OPTIONS = {"cross_entropy": ("smoothing",), "softmax_cross_entropy": ("smoothing",),
           "huber": ("delta",)}

REDUCTIONS: dict[str, Callable[[Array], Array]] = {
    "sum": jnp.sum,
    "mean": jnp.mean,
    "mean_over_batch": lambda unreduced: jnp.sum(unreduced) / unreduced.shape[0],
    WEIGHTED: jnp.sum,
}


def loss_of(spec: LossSpec, p: Array, t: Array, parameters: Mapping[str, Array]) -> Array:
    """The reduced, scaled loss of outputs p (batch, ..., units), and the penalty of the parameters.

    t is values of that shape, or class indices (batch, ...).
    """
    p = jnp.clip(p, spec.clip, 1.0 - spec.clip) if spec.clip else p
    t = t if t.ndim < p.ndim else t.astype(p.dtype)
    reduced = row("jax", "reduction", spec.reduction, REDUCTIONS)
    options = {name: getattr(spec, name) for name in OPTIONS.get(spec.kind, ())}
    unreduced = row("jax", "loss", spec.kind, LOSSES)(p, t, **options)
    if spec.reduction == WEIGHTED:
        unreduced = unreduced * parameters[COTANGENT]
    loss = spec.scale * reduced(unreduced)
    return loss + _penalty(spec, parameters, p.shape[0]) if spec.l2 else loss


def _penalty(spec: LossSpec, parameters: Mapping[str, Array], examples: int) -> Array | float:
    """Half of l2 times the inner products with themselves, or that over the examples."""
    factor = spec.l2 / (2 * (examples if spec.l2_reduction == "mean_over_batch" else 1))
    return factor * sum(jnp.vdot(w, w) for name, w in parameters.items() if spec.penalises(name))
