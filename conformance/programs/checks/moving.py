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

    cotangents: whether those are moved too. A number that is 0 stays 0, and none changes its sign.
    """
    inputs = {name: _moved(value, rng, units) for name, value in trial.inputs.items()}
    given = tuple(_moved(value, rng, units) for value in trial.cotangents)
    return replace(trial, inputs=inputs, cotangents=given if cotangents else trial.cotangents)


def _moved(value: Value | None, rng: np.random.Generator, units: float) -> Value | None:
    if value is None or not value.is_real:
        return value
    numbers = value.numbers
    kind = FORMATS[value.dtype]
    most = np.minimum(units * 2.0 ** (1 - kind.bits), 0.25)
    step = np.rint(rng.uniform(-1.5, 1.5, numbers.shape)) if units == 1 else rng.uniform(
        -1.0, 1.0, numbers.shape)
    size = np.abs(numbers) if units > 1 else 2.0 ** (np.frexp(numbers)[1] - 1.0) * (numbers != 0)
    return given(value, numbers + step * most * size)


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
