"""Perturbed runs of a plain form: how far a right program of a claim may be from the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..claim import Claim
from ..trial import Array, Arrays, Trial, Value, output
from .asking import called, cotangents_of, pulled
from .choices import Choices
from .perturbed_run import PerturbedRun
from .roundings import by_position, salt
from .tensors import numbers_of
from .widening import Wide, wide

Function = Callable[..., Any]
# How far inputs are moved apart so that equal ones are not: a few units of float64.
APART = 2.0**-51
APART_AT_ZERO = 1e-40


def found(plain: Function, trial: Trial, mode: Wide) -> Arrays:
    """Outputs and gradients of the plain form by key, every operation done by the mode.

    A gradient that autograd has none of is zero.
    """
    with wide(mode), torch.enable_grad():
        call = called(plain, trial, dtype=torch.float64)
        gradients = pulled(call, trial, cotangents_of(trial, dtype=torch.float64))
    outputs = {output(i): numbers_of(each) for i, each in enumerate(call.outputs)
               if each is not None}
    return outputs | {name: _none(trial.inputs[name]) if each is None else numbers_of(each)
                      for name, each in gradients.items()}


def _none(value: Value | None) -> Array:
    assert value is not None
    return np.zeros(np.shape(value.numbers))


def perturbed(plain: Function, trial: Trial, claim: Claim, count: int, seed: int) -> list[Arrays]:
    """So many runs in float64, every operation off by one rounding of the claim, by key.

    In the second half choices that rounding can turn are turned. Raises OverflownError where the
    claimed arithmetic is too small for a number of the plain form.
    """
    choices = Choices()
    return [_run(plain, trial, claim, seed * count + i, _direction(i, count), choices, i == 0)
            for i in range(count)]


def _direction(run: int, count: int) -> int:
    """0 in the first half; then 1, -1, 2, -2, 3 and so on."""
    later = run - (count + 1) // 2
    return 0 if later < 0 else (later // 2 + 1) * (-1 if later % 2 else 1)


def _run(plain: Function, trial: Trial, claim: Claim, seed: int, direction: int, choices: Choices,
         watches: bool) -> Arrays:
    choices.start(direction)
    mode = PerturbedRun(claim, seed, choices, watches)
    return found(plain, moved(trial, direction) if direction else trial, mode)


def moved(trial: Trial, direction: int) -> Trial:
    """The trial with equal numbers of its inputs a few units of float64 apart."""
    return replace(trial, inputs=_moved(trial.inputs, direction))


def _moved(inputs: Mapping[str, Value | None], direction: int) -> dict[str, Value | None]:
    return {name: replace(value, numbers=_apart(value.numbers, direction))
            if value is not None and value.is_real else value for name, value in inputs.items()}


def _apart(numbers: Array, direction: int) -> Array:
    """Up or down: by the place in the array in the first pair of runs, at random in the others."""
    count, side = np.size(numbers), 1 if direction > 0 else -1
    draws = np.linspace(-1.0, 1.0, count) if abs(direction) == 1 else (
        by_position(count, salt(abs(direction), 1)).numpy())
    far = APART * np.abs(numbers) + APART_AT_ZERO
    return numbers + far * side * np.reshape(draws, np.shape(numbers))
