"""The losses: a row is L(p, t), dL/dp, the shape of the unreduced array, domain and targets.

p: outputs (batch, ..., units); t: targets, values of the same shape or class indices (batch, ...).
"""

from __future__ import annotations

import numpy as np

from .activations import (
    UNIT,
    log_softmax,
    log_sum_exp,
    sigmoid,
    sigmoid_by_tanh,
    softmax,
    softplus,
    softplus_by_log,
)
from .kinds import INFINITY, Array, Loss
from .network import WEIGHTED
from .numbers import magnitude


def values(p: Array, t: Array) -> Array:
    """Targets as values: class indices become one-hot rows."""
    return np.eye(p.shape[-1], dtype=np.float32)[t] if t.ndim < p.ndim else t


def cross_entropy(p: Array, t: Array) -> Array:
    """-Σ t log p over the classes; p: probabilities."""
    return -(values(p, t) * np.log(p)).sum(axis=-1)


def softmax_cross_entropy(z: Array, t: Array) -> Array:
    """-Σ t log softmax(z) over the classes; z: logits."""
    return -(values(z, t) * log_softmax(z)).sum(axis=-1)


def softmax_cross_entropy_gradient(z: Array, t: Array) -> Array:
    """p Σt - t, with p = softmax(z): p - t where the targets sum to one."""
    t = values(z, t)
    return softmax(z) * t.sum(axis=-1, keepdims=True) - t


def _cross_entropy_by_lse(z: Array, t: Array) -> Array:
    """Σ t (lse(z) - z): a large lse takes digits of z with it."""
    return -(values(z, t) * (z - log_sum_exp(z))).sum(axis=-1)


def _gradient_by_lse(z: Array, t: Array) -> Array:
    """exp(z - lse(z)) Σt - t."""
    t = values(z, t)
    return np.exp(z - log_sum_exp(z)) * t.sum(axis=-1, keepdims=True) - t


def binary_cross_entropy(p: Array, t: Array) -> Array:
    """-t log p - (1 - t) log(1 - p); p: probabilities."""
    return -(t * np.log(p) + (1.0 - t) * np.log(1.0 - p))


def _binary_gradient_by_square(p: Array, t: Array) -> Array:
    """(p - t) / (p - p²) in two parts: a square near 1 takes the digits of 1 - p with it."""
    return (1.0 - t) * p / (p - p * p) - t * (1.0 - p) / (p - p * p)


def sigmoid_cross_entropy(z: Array, t: Array) -> Array:
    """The same of p = sigmoid(z), from the logits: softplus(z) - t z."""
    return softplus(z) - t * z


def _sigmoid_cross_entropy_by_parts(z: Array, t: Array) -> Array:
    """z - t z + log(1 + exp(-z)): a large z takes digits with it on either side of zero.

    The row does so on one side, PyTorch's (1 - t) z + softplus(-z) on the other.
    """
    return (z - t * z) + softplus_by_log(-z)


def huber(p: Array, t: Array, delta: float) -> Array:
    """d²/2 with d = p - t, and delta (|d| - delta/2) where |d| > delta. Huber (1964)."""
    d = magnitude(p - t)
    return np.where(d > delta, delta * (d - 0.5 * delta), 0.5 * (d * d))


def huber_gradient(p: Array, t: Array, delta: float) -> Array:
    """d between -delta and delta."""
    d, end = p - t, np.zeros_like(p) + delta
    return np.where(d > delta, end, np.where(d < -delta, -end, d))


def _margin(p: Array, t: Array) -> Array:
    """What is missing to a margin of 1: max(0, 1 - t p)."""
    return np.where(t * p < 1.0, 1.0 - t * p, np.zeros_like(p))


def _misses(p: Array, t: Array) -> Array:
    return np.where(t * p < 1.0, np.ones_like(p), np.zeros_like(p))


def _entropy(t: Array) -> Array:
    """Σ t log t is what the cross-entropy lacks: by entry, 0 where t is 0."""
    return np.where(t > 0, t * np.log(np.where(t > 0, t, np.ones_like(t))), np.zeros_like(t))


def kl_divergence(p: Array, t: Array) -> Array:
    """Σ t log(t / p) over the classes; p: probabilities. Kullback & Leibler (1951)."""
    return (_entropy(t) - t * np.log(p)).sum(axis=-1)


def kl_divergence_of_logs(p: Array, t: Array) -> Array:
    """t (log t - p), entry by entry; p: logarithms of probabilities."""
    return _entropy(t) - t * p


VALUES = ("real", "one_hot", "soft", "binary")
SIGNS = ("sign",)
DISTRIBUTIONS = ("one_hot", "soft")
CLASSES = ("one_hot", "soft", "index")
BINARY = ("binary", "soft")

LOSSES: dict[str, Loss] = {
    "squared_error": Loss(lambda p, t: (p - t) * (p - t), lambda p, t: 2.0 * (p - t),
                          "element", VALUES),
    "absolute_error": Loss(lambda p, t: np.where(p > t, p - t, t - p),
                           lambda p, t: np.where(p > t, 1.0, np.where(p < t, -1.0, 0.0 * p)),
                           "element", VALUES, kinks=(0.0,)),
    "cross_entropy": Loss(cross_entropy, lambda p, t: -values(p, t) / p, "example", CLASSES, UNIT),
    "softmax_cross_entropy": Loss(
        softmax_cross_entropy, softmax_cross_entropy_gradient, "example", CLASSES,
        variants=(Loss(_cross_entropy_by_lse, _gradient_by_lse, "example", CLASSES),)),
    "binary_cross_entropy": Loss(binary_cross_entropy, lambda p, t: (1.0 - t) / (1.0 - p) - t / p,
                                 "element", BINARY, UNIT,
                                 variants=(Loss(binary_cross_entropy, _binary_gradient_by_square,
                                                "element", BINARY, UNIT),)),
    "sigmoid_cross_entropy": Loss(
        sigmoid_cross_entropy, lambda z, t: sigmoid(z) - t, "element", BINARY,
        variants=(Loss(_sigmoid_cross_entropy_by_parts, lambda z, t: sigmoid_by_tanh(z) - t,
                       "element", BINARY),)),
    "inner_product": Loss(lambda p, t: p * t, lambda p, t: t, "element", ("real",)),
    "huber": Loss(huber, huber_gradient, "element", VALUES, options=("delta",)),
    # Cortes & Vapnik (1995), for targets -1 and 1; the kink is at p = t.
    "hinge": Loss(_margin, lambda p, t: -t * _misses(p, t), "element", SIGNS, kinks=(0.0,)),
    "squared_hinge": Loss(lambda p, t: _margin(p, t) * _margin(p, t),
                          lambda p, t: -2.0 * t * _margin(p, t), "element", SIGNS),
    "kl_divergence": Loss(kl_divergence, lambda p, t: -t / p, "example", DISTRIBUTIONS, UNIT),
    "kl_divergence_of_logs": Loss(kl_divergence_of_logs, lambda p, t: -t, "element", DISTRIBUTIONS,
                                  (-INFINITY, 0.0)),
}


def factor(reduction: str, per: str, shape: tuple[int, ...]) -> float:
    """What multiplies the sum of the unreduced array; shape: the outputs' (batch, ..., units)."""
    if reduction in ("sum", WEIGHTED):
        return 1.0
    if reduction == "mean_over_batch":
        count = shape[0]
    else:
        count = int(np.prod(shape if per == "element" else shape[:-1]))
    return 1.0 / count
