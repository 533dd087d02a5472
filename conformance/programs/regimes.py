"""Which numbers inputs and cotangents are filled with: rows that real mistakes showed at.

A row takes a generator and a shape, and gives float64 numbers (or integers below a bound, or a
mask); they are rounded to the dtype that is tried afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .formats import FORMATS

Array = Any
Rng = np.random.Generator
Shape = tuple[int, ...]
Row = Callable[[Rng, Shape], Array]


def _usual(rng: Rng, shape: Shape) -> Array:
    return rng.standard_normal(shape)


def _rows_alike(rng: Rng, shape: Shape) -> Array:
    return np.broadcast_to(rng.standard_normal(shape[1:]), shape) if shape else _usual(rng, shape)


def _alike_in_rows(rng: Rng, shape: Shape) -> Array:
    """Every row is one number, and a little: variances near 0, maxima that are nearly tied."""
    base = rng.standard_normal((*shape[:-1], 1)) if shape else 0.0
    return base + 2.0**-6 * rng.standard_normal(shape)


def _one_large(rng: Rng, shape: Shape) -> Array:
    """A row's largest stands out: a softmax that is nearly sure."""
    values = rng.standard_normal(shape)
    if values.size and shape:
        at = rng.integers(0, shape[-1], (*shape[:-1], 1))
        np.put_along_axis(values, at, rng.uniform(4.0, 9.0, at.shape), -1)
    return values


def _with_zeros(rng: Rng, shape: Shape) -> Array:
    return rng.standard_normal(shape) * (rng.random(shape) < 0.7)


# Real inputs. "large mean": notes on variances computed in one pass, and padding lanes in a mean.
VALUES: dict[str, Row] = {
    "usual": _usual,
    "large mean": lambda rng, shape: 30.0 + rng.standard_normal(shape),
    "large": lambda rng, shape: 8.0 * rng.standard_normal(shape),
    "small": lambda rng, shape: 2.0**-7 * rng.standard_normal(shape),
    "magnitudes": lambda rng, shape: rng.standard_normal(shape) * 2.0 ** rng.uniform(-6, 4, shape),
    "one large": _one_large,
    "with zeros": _with_zeros,
    "rows alike": _rows_alike,
    "nearly alike": _alike_in_rows,
    "positive": lambda rng, shape: np.exp(rng.standard_normal(shape)),
    "gain": lambda rng, shape: 1.0 + 0.3 * rng.standard_normal(shape),
    "unit": lambda rng, shape: rng.uniform(0.01, 0.99, shape),
    "probability": lambda rng, shape: rng.uniform(0.02, 0.98, shape),
    "decay": lambda rng, shape: -np.exp(rng.uniform(-3.0, 0.0, shape)),
    "integers": lambda rng, shape: rng.integers(-4, 5, shape).astype(np.float64),
}
# Of these any real input may be, unless its own row says otherwise; the rest are asked for by name.
DRAWN = ("usual", "large mean", "large", "small", "magnitudes", "one large", "with zeros",
         "rows alike", "nearly alike")

INDICES: dict[str, Callable[[Rng, Shape, int], Array]] = {
    "usual": lambda rng, shape, most: rng.integers(0, most, shape),
    "zipf": lambda rng, shape, most: np.minimum(rng.zipf(1.5, shape) - 1, most - 1),
    "all equal": lambda rng, shape, most: np.full(shape, rng.integers(0, most)),
    "first and last": lambda rng, shape, most: rng.choice([0, most - 1], shape),
    "sorted": lambda rng, shape, most: np.sort(rng.integers(0, most, shape), -1 if shape else None),
}


def _a_row_of_none(rng: Rng, shape: Shape) -> Array:
    mask = rng.random(shape) < 0.6
    if len(shape) > 1 and shape[0]:
        mask[rng.integers(shape[0])] = False
    return mask


MASKS: dict[str, Row] = {
    "usual": lambda rng, shape: rng.random(shape) < 0.6,
    "all": lambda rng, shape: np.ones(shape, bool),
    "few": lambda rng, shape: rng.random(shape) < 0.1,
    "a row of none": _a_row_of_none,
}


def _one_hot(rng: Rng, shape: Shape) -> Array:
    values = np.zeros(math.prod(shape))
    if values.size:
        values[rng.integers(values.size)] = rng.standard_normal() + 2.0
    return values.reshape(shape)


COTANGENTS: dict[str, Row] = {
    "random": _usual,
    "ones": lambda rng, shape: np.ones(shape),
    "zero": lambda rng, shape: np.zeros(shape),
    "one entry": _one_hot,
    "small": lambda rng, shape: 2.0**-8 * rng.standard_normal(shape),
    "large": lambda rng, shape: 2.0**6 * rng.standard_normal(shape),
    "magnitudes": lambda rng, shape: rng.standard_normal(shape) * 2.0 ** rng.uniform(-6, 4, shape),
}


def stored(values: Array, dtype: str) -> Array:
    """The nearest numbers that the dtype has, in float64."""
    return FORMATS[dtype].rounded(np.array(values, np.float64))
