"""Trials beside a trial: their numbers moved by units in the last place, or given anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..formats import FORMATS
from ..layouts import LAYOUTS
from ..trial import Trial, Value

Array = Any


def moved(trial: Trial, rng: np.random.Generator, units: float, *, cotangents: bool) -> Trial:
    """Every real number up or down by at most so many units in its last place, or left.

    units: one, or so many that nothing stays as it was by chance. cotangents: whether those are
    moved too. No number changes its sign; one that is 0 stays there when units is 1.
    """
    inputs = {name: _moved(value, rng, units) for name, value in trial.inputs.items()}
    given = tuple(_moved(value, rng, units) for value in trial.cotangents)
    return replace(trial, inputs=inputs, cotangents=given if cotangents else trial.cotangents)


def _moved(value: Value | None, rng: np.random.Generator, units: float) -> Value | None:
    if value is None or not value.is_real:
        return value
    unit = 2.0 ** (1 - FORMATS[value.dtype].bits)
    step = _step if units <= 1 else _far
    return given(value, value.numbers + step(value.numbers, rng, units * unit))


def _step(numbers: Array, rng: np.random.Generator, unit: float) -> Array:
    """One unit in the last place up, down, or nothing."""
    place = 2.0 ** (np.frexp(numbers)[1] - 1.0) * (numbers != 0)
    return np.rint(rng.uniform(-1.5, 1.5, numbers.shape)) * unit * place


def _far(numbers: Array, rng: np.random.Generator, share: float) -> Array:
    """Up to a share of each number, a quarter at most; zeros leave 0, to where the others are."""
    size = np.abs(numbers)
    if not size.size:
        return numbers
    moves = rng.uniform(-1.0, 1.0, numbers.shape)
    moves = np.where((numbers == 0) & (numbers >= 0).all(), np.abs(moves), moves)
    return moves * min(share, 0.25) * np.where(numbers == 0, size.mean(), size)


def given(value: Value, numbers: Array) -> Value:
    """The value with other numbers: the nearest that its dtype and its layout can hold."""
    kind = FORMATS[value.dtype]
    return replace(value, numbers=LAYOUTS[value.layout].numbers(kind.rounded(numbers)))


def with_inputs(trial: Trial, numbers: Mapping[str, Array]) -> Trial:
    """The trial with the numbers of some of its inputs exchanged."""
    exchanged: dict[str, Value | None] = {}
    for name, value in trial.inputs.items():
        fresh = value is not None and name in numbers
        exchanged[name] = given(value, numbers[name]) if fresh and value is not None else value
    return replace(trial, inputs=exchanged)
