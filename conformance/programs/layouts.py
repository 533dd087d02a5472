"""How a tensor may lie in memory: each row says for which shapes, and what its numbers must be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = Any
Shape = tuple[int, ...]


class Layout(NamedTuple):
    """applies: to which shapes; numbers: the nearest that can lie so."""

    applies: Callable[[Shape], bool]
    numbers: Callable[[Array], Array] = lambda values: values


def _first_for_all(values: Array) -> Array:
    """Every row is the first: stride 0 along the first axis."""
    return np.broadcast_to(values[:1], values.shape).copy()


def _one_for_all(values: Array) -> Array:
    """Every entry is the first: stride 0 everywhere, as the gradient of a sum is."""
    return np.broadcast_to(values.reshape(-1)[:1].reshape((1,) * values.ndim), values.shape).copy()


def _filled(shape: Shape) -> bool:
    return bool(shape) and math.prod(shape) > 0


LAYOUTS: dict[str, Layout] = {
    "contiguous": Layout(lambda shape: True),
    "transposed": Layout(lambda shape: len(shape) >= 2),
    "every other": Layout(lambda shape: len(shape) >= 1),
    "offset": Layout(lambda shape: len(shape) >= 1),
    "padded rows": Layout(lambda shape: len(shape) >= 2),
    "channels last": Layout(lambda shape: len(shape) == 4),
    "expanded": Layout(_filled, _one_for_all),
    "expanded rows": Layout(lambda shape: len(shape) >= 2 and _filled(shape), _first_for_all),
}
