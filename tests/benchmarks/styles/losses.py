"""The losses: forms of the unreduced array and of its gradient, ways to reduce it, ways to take a head at once.

p: (batch, ..., units); t: values of that shape, or class indices (batch, ...), which `hot` makes one-hot.
"""

import functools
import math

import numpy as np
from scipy import special

from .functions import SIGMOID, SOFTMAX


def hot(p, t):
    return np.eye(p.shape[-1], dtype=p.dtype)[t] if t.ndim < p.ndim else t


def _at(p, t):
    """The entries of the true classes, and where they are."""
    where = (*np.indices(t.shape), t)
    return p[where], where


def _of_index(by_index, by_values):
    """One form for class indices, another for values."""
    return lambda p, t: by_index(p, t) if t.ndim < p.ndim else by_values(p, t)


# --- squared and absolute error, inner product ------------------------------------------------------------------------

SQUARED = {
    "(p - t) ** 2": lambda p, t: (p - t) ** 2, "(t - p) ** 2": lambda p, t: (t - p) ** 2,
    "square": lambda p, t: np.square(p - t), "d d": lambda p, t: (p - t) * (p - t),
    "power": lambda p, t: np.power(t - p, 2), "|d| ** 2": lambda p, t: np.abs(p - t) ** 2.0,
    "subtract": lambda p, t: np.multiply(np.subtract(p, t), np.subtract(p, t)),
}
SQUARED_SLOPE = {
    "2 (p - t)": lambda p, t: 2 * (p - t), "-2 (t - p)": lambda p, t: -2 * (t - p), "2 p - 2 t": lambda p, t: 2 * p - 2 * t,
    "d + d": lambda p, t: (p - t) + (p - t), "(p - t) / 0.5": lambda p, t: (p - t) / 0.5,
    "-(t - p) 2": lambda p, t: -(t - p) * 2.0,
}
ABSOLUTE = {
    "|p - t|": lambda p, t: np.abs(p - t), "fabs": lambda p, t: np.fabs(t - p), "max": lambda p, t: np.maximum(p - t, t - p),
    "where": lambda p, t: np.where(p > t, p - t, t - p), "d sign(d)": lambda p, t: (p - t) * np.sign(p - t),
    "max - min": lambda p, t: np.maximum(p, t) - np.minimum(p, t), "absolute": lambda p, t: np.absolute(np.subtract(p, t)),
}
ABSOLUTE_SLOPE = {
    "sign": lambda p, t: np.sign(p - t), "-sign(t - p)": lambda p, t: -np.sign(t - p),
    "where": lambda p, t: np.where(p > t, 1.0, -1.0), "copysign": lambda p, t: np.copysign(1.0, p - t),
    "(p > t) - (p < t)": lambda p, t: (p > t) * 1.0 - (p < t) * 1.0, "2 (p > t) - 1": lambda p, t: 2.0 * (p > t) - 1,
}
INNER = {
    "p t": lambda p, t: p * t, "t p": lambda p, t: t * p, "multiply": np.multiply, "-(-p) t": lambda p, t: -((-p) * t),
    "einsum": lambda p, t: np.einsum("...,...->...", p, t), "p / 1 t": lambda p, t: p / 1 * t,
    "+p +t": lambda p, t: (+p) * (+t),
}
INNER_SLOPE = {
    "t": lambda p, t: t, "copy": lambda p, t: t.copy(), "1 t": lambda p, t: 1 * t, "t + 0 p": lambda p, t: t + np.zeros_like(p),
    "ones t": lambda p, t: np.ones_like(p) * t, "negative": lambda p, t: np.negative(-t),
}


# --- cross-entropies --------------------------------------------------------------------------------------------------


def _scattered(p, t):
    g = np.zeros_like(p)
    true, where = _at(p, t)
    g[where] = -1 / true
    return g


CROSS = {
    "-Σ t log p": lambda p, t: -np.sum(hot(p, t) * np.log(p), axis=-1),
    "-(t log p).sum": lambda p, t: -(np.log(p) * hot(p, t)).sum(-1),
    "einsum": lambda p, t: -np.einsum("...i,...i->...", hot(p, t), np.log(p)),
    "log of 1 / p": lambda p, t: np.sum(hot(p, t) * np.log(1 / p), axis=-1),
    "log2": lambda p, t: -np.sum(hot(p, t) * np.log2(p), axis=-1) * math.log(2),
    "xlogy": lambda p, t: -special.xlogy(hot(p, t), p).sum(-1),
    "index": _of_index(lambda p, t: -np.log(_at(p, t)[0]), lambda p, t: -(t * np.log(p)).sum(-1)),
}
CROSS_SLOPE = {
    "-t / p": lambda p, t: -hot(p, t) / p, "-(t / p)": lambda p, t: -(hot(p, t) / p),
    "-t (1 / p)": lambda p, t: -hot(p, t) * (1 / p), "reciprocal": lambda p, t: -hot(p, t) * np.reciprocal(p),
    "p ** -1": lambda p, t: -hot(p, t) * p ** -1.0, "index": _of_index(_scattered, lambda p, t: -t / p),
}


def _lse(z):
    m = z.max(axis=-1, keepdims=True)
    return (m + np.log(np.exp(z - m).sum(axis=-1, keepdims=True)))[..., 0]


def _log_softmax(z):
    s = z - z.max(axis=-1, keepdims=True)
    return s - np.log(np.exp(s).sum(axis=-1, keepdims=True))


SOFTMAX_CROSS = {
    "-Σ t log_softmax": lambda z, t: -(hot(z, t) * _log_softmax(z)).sum(-1),
    "Σt lse - Σ t z": lambda z, t: _lse(z) * hot(z, t).sum(-1) - (hot(z, t) * z).sum(-1),
    "Σ t (lse - z)": lambda z, t: (hot(z, t) * (_lse(z)[..., None] - z)).sum(-1),
    "scipy log_softmax": lambda z, t: -(hot(z, t) * special.log_softmax(z, axis=-1)).sum(-1),
    "scipy logsumexp": lambda z, t: (hot(z, t) * (special.logsumexp(z, axis=-1, keepdims=True) - z)).sum(-1),
    "logaddexp": lambda z, t: (hot(z, t) * (np.logaddexp.reduce(z, axis=-1, keepdims=True) - z)).sum(-1),
    "index": _of_index(lambda z, t: _lse(z) - _at(z, t)[0], lambda z, t: -(t * _log_softmax(z)).sum(-1)),
}


def _softmax_slope(softmax):
    def slope(z, t):
        t = hot(z, t)
        return softmax(z) * t.sum(axis=-1, keepdims=True) - t

    return slope


def _less_one(z, t):
    g = SOFTMAX["shifted"](z).copy()
    g[_at(g, t)[1]] -= 1
    return g


SOFTMAX_CROSS_SLOPE = {
    **{f"p Σt - t, {name}": _softmax_slope(f) for name, f in SOFTMAX.items()},
    "p - 1 at the index": _of_index(_less_one, _softmax_slope(SOFTMAX["shifted"])),
    "-(t - p Σt)": lambda z, t: -(hot(z, t) - SOFTMAX["scipy"](z) * hot(z, t).sum(-1, keepdims=True)),
}

BINARY = {
    "-(t log p + (1 - t) log(1 - p))": lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)),
    "-t log p - (1 - t) log(1 - p)": lambda p, t: -t * np.log(p) - (1 - t) * np.log(1 - p),
    "log1p": lambda p, t: -(t * np.log(p) + (1 - t) * np.log1p(-p)),
    "xlogy": lambda p, t: -special.xlogy(t, p) - special.xlog1py(1 - t, -p),
    "log2": lambda p, t: -(t * np.log2(p) + (1 - t) * np.log2(1 - p)) * math.log(2),
    "where": lambda p, t: np.where(t == 1, -np.log(p), -t * np.log(p) - (1 - t) * np.log(1 - p)),
    "log of 1 / p": lambda p, t: t * np.log(1 / p) + (1 - t) * np.log(1 / (1 - p)),
}
BINARY_SLOPE = {
    "(1 - t) / (1 - p) - t / p": lambda p, t: (1 - t) / (1 - p) - t / p,
    "-(t / p - (1 - t) / (1 - p))": lambda p, t: -(t / p - (1 - t) / (1 - p)),
    "(p - t) / (p (1 - p))": lambda p, t: (p - t) / (p * (1 - p)),
    "(p - t) / (p - p²)": lambda p, t: (p - t) / (p - p * p),
    "(p - t) / p / (1 - p)": lambda p, t: (p - t) / p / (1 - p),
    "-t / p + (1 - t) / (1 - p)": lambda p, t: -np.divide(t, p) + np.divide(1 - t, 1 - p),
}
SIGMOID_CROSS = {
    "max(z, 0) - z t + log1p(exp(-|z|))": lambda z, t: np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))),
    "max(z, 0) - z t + log(1 + exp(-|z|))": lambda z, t: np.maximum(z, 0) - z * t + np.log(1 + np.exp(-np.abs(z))),
    "logaddexp(0, z) - t z": lambda z, t: np.logaddexp(0, z) - t * z,
    "t softplus(-z) + (1 - t) softplus(z)": lambda z, t: t * np.logaddexp(0, -z) + (1 - t) * np.logaddexp(0, z),
    "(1 - t) z + softplus(-z)": lambda z, t: (1 - t) * z + np.logaddexp(0, -z),
    "z - z t + softplus(-z)": lambda z, t: z - z * t + np.logaddexp(0, -z),
    "log_expit": lambda z, t: -(t * special.log_expit(z) + (1 - t) * special.log_expit(-z)),
}
SIGMOID_CROSS_SLOPE = {
    **{f"s - t, {name}": functools.partial(lambda f, z, t: f(z) - t, f) for name, f in SIGMOID.items()},
    "-(t - s)": lambda z, t: -(t - special.expit(z)),
    "t (s - 1) + (1 - t) s": lambda z, t: t * (special.expit(z) - 1) + (1 - t) * special.expit(z),
    "(1 - t) s(z) - t s(-z)": lambda z, t: (1 - t) * special.expit(z) - t * special.expit(-z),
}

FORMS = {
    "squared_error": (SQUARED, SQUARED_SLOPE), "absolute_error": (ABSOLUTE, ABSOLUTE_SLOPE),
    "inner_product": (INNER, INNER_SLOPE), "cross_entropy": (CROSS, CROSS_SLOPE),
    "softmax_cross_entropy": (SOFTMAX_CROSS, SOFTMAX_CROSS_SLOPE), "binary_cross_entropy": (BINARY, BINARY_SLOPE),
    "sigmoid_cross_entropy": (SIGMOID_CROSS, SIGMOID_CROSS_SLOPE),
}

# (output activation, loss): dL/dz of p = f(z) at once
FUSED = {
    ("softmax", "cross_entropy"): {
        "chain": None,
        "p Σt - t": lambda p, t: p * hot(p, t).sum(axis=-1, keepdims=True) - hot(p, t),
        "-(t - p Σt)": lambda p, t: -(hot(p, t) - p * hot(p, t).sum(axis=-1, keepdims=True)),
    },
    ("sigmoid", "binary_cross_entropy"): {"chain": None, "p - t": lambda p, t: p - t, "-(t - p)": lambda p, t: -(t - p)},
}

# where the factor of the reduction goes: it times dL, and what is left for the gradients at the end
FACTORS = {
    "into dL": lambda d, scale, count: (d * (scale / count), 1.0),
    "scale, then count": lambda d, scale, count: (d * scale / count, 1.0),
    "count, then scale": lambda d, scale, count: (d / count * scale, 1.0),
    "times 1 / count": lambda d, scale, count: (d * (1 / count) * scale, 1.0),
    "at the end": lambda d, scale, count: (d, scale / count),
    "count at the end": lambda d, scale, count: (d * scale, 1 / count),
}
