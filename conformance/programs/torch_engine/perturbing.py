"""Perturbed runs of a plain form: how far a right program of a claim may be from the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from ..claim import Claim
from ..trial import Array, Arrays, Trial, Value, output
from .asking import called, cotangents_of, pulled
from .choices import Choices
from .perturbed_run import PerturbedRun
from .roundings import by_position, drawn, salt
from .stored_outputs import StoredOutputs
from .tensors import numbers_of
from .textbook import Rewritten, Spelt, rewriting
from .widening import Wide, wide

Function = Callable[..., Any]
# How far inputs are moved apart so that equal ones are not, in units of the arithmetic, and at
# least, in float64.
APART, LEAST_APART = 2.0**-12, 2.0**-51
APART_AT_ZERO = 1e-40
LOOKS = 4  # calls in which it is looked for what a plain form spells out
LOOKED: WeakKeyDictionary[Function, dict[Any, Spelt]] = WeakKeyDictionary()


def truth(plain: Function, trial: Trial) -> Arrays:
    """Outputs and gradients of the plain form in float64, by key ("output 0", "x")."""
    return differentiated(plain, trial, Wide())


def perturbed(plain: Function, trial: Trial, claim: Claim, count: int, seed: int) -> list[Arrays]:
    """Runs in float64, every operation off by one rounding of the claim, by key.

    So many, and as many again where the plain form spells out functions of the textbook. In
    the second half choices that rounding can turn are turned, and in every other run outputs are
    kept as they are stored. Raises OverflownError where the claimed arithmetic is too small for a
    number of the plain form.
    """
    found = Runs(plain, trial, claim, seed).several(count)
    spelt = _spelt_out(plain, trial)
    if not spelt:
        return found
    return found + Runs(rewriting(plain, spelt), trial, claim, seed + 1).several(count)


def _spelt_out(plain: Function, trial: Trial) -> dict[int, Rewritten]:
    """What the plain form spells out, looked for in the first calls with the same options."""
    absent = tuple(name for name, value in trial.inputs.items() if value is None)
    spelt = LOOKED.setdefault(plain, {}).setdefault((absent, repr(trial.options)), Spelt())
    if spelt.calls < LOOKS:
        with wide(Wide()), torch.enable_grad():
            spelt.look(lambda each: called(each, trial, dtype=torch.float64), plain)
    return spelt.found


def differentiated(plain: Function, trial: Trial, mode: Wide, stored: StoredOutputs | None = None
                   ) -> Arrays:
    """Outputs and gradients of the plain form, every operation done by the mode.

    A gradient that autograd has none of is zero.
    """
    stored = StoredOutputs(None) if stored is None else stored
    with wide(mode), torch.enable_grad():
        with stored.watching():
            call = called(plain, trial, dtype=torch.float64)
        stored.know(call.outputs)
        gradients = pulled(call, trial, cotangents_of(trial, dtype=torch.float64))
    outputs = {output(i): numbers_of(each) for i, each in enumerate(call.outputs)
               if each is not None}
    return outputs | {name: _none(trial.inputs[name]) if each is None else numbers_of(each)
                      for name, each in gradients.items()}


def _none(value: Value | None) -> Array:
    assert value is not None
    return np.zeros(np.shape(value.numbers))


@dataclass
class Runs:
    """Perturbed runs of one function that know of each other what choices they made."""

    plain: Function
    trial: Trial
    claim: Claim
    seed: int
    choices: Choices = field(default_factory=Choices)

    def several(self, count: int) -> list[Arrays]:
        """So many, after one that is without any error, from which the others tell what moves."""
        self.one(-1, 0)
        return [self.one(number, _direction(number, count)) for number in range(count)]

    def one(self, number: int, direction: int) -> Arrays:
        self.choices.start(direction)
        mode = PerturbedRun(self.claim, salt(self.seed, number), self.choices, number)
        narrow = number > 0 and self.claim.stored.unit > self.claim.operations.unit
        stored = StoredOutputs(self.claim.stored if narrow and number % 2 else None, mode.seed)
        trial = shaken(self.trial, mode, self.claim) if number >= 0 else self.trial
        trial = moved(trial, direction, self.claim) if direction else trial
        return differentiated(self.plain, trial, mode, stored)


def _direction(run: int, count: int) -> int:
    """0 in the first half; then 1, -1, 2, -2, 3 and so on."""
    later = run - (count + 1) // 2
    return 0 if later < 0 else (later // 2 + 1) * (-1 if later % 2 else 1)


# --- inputs that are moved ---


def shaken(trial: Trial, run: PerturbedRun, claim: Claim) -> Trial:
    """The trial with every real input off by up to one rounding of the arithmetic.

    A right program may simplify what autograd does step by step, as every layer norm does where it
    takes the sum of the normalised numbers for 0: what a rounded mean does to it then, no rounding
    of the plain form's own operations does. Both give nearly the right answer to a question nearby
    (mixed stability: Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 1.5).
    In every other run like numbers are moved alike, and stay so.
    """
    return replace(trial, inputs={
        name: value if value is None or not value.is_real
        else replace(value, numbers=_shaken(value.numbers, salt(run.seed, -number), run, claim))
        for number, (name, value) in enumerate(trial.inputs.items(), 1)})


def _shaken(numbers: Array, seed: int, run: PerturbedRun, claim: Claim) -> Array:
    draws = by_position(np.size(numbers), seed).reshape(np.shape(numbers)) if run.run % 2 else (
        drawn(torch.from_numpy(np.array(numbers)), seed))
    return numbers * (1.0 + claim.operations.unit * draws.numpy())


def moved(trial: Trial, direction: int, claim: Claim) -> Trial:
    """The trial with equal numbers of its inputs a little apart.

    Up or down: by the place in the array in the first pair of runs, at random in the others.
    """
    far = max(APART * claim.operations.unit, LEAST_APART)
    return replace(trial, inputs=_moved(trial.inputs, direction, far))


def _moved(inputs: Mapping[str, Value | None], direction: int, far: float
           ) -> dict[str, Value | None]:
    return {name: replace(value, numbers=_apart(value.numbers, direction, far))
            if value is not None and value.is_real else value for name, value in inputs.items()}


def _apart(numbers: Array, direction: int, far: float) -> Array:
    count, side = np.size(numbers), 1 if direction > 0 else -1
    draws = np.linspace(-1.0, 1.0, count) if abs(direction) == 1 else (
        by_position(count, salt(abs(direction), 1)).numpy())
    by = far * np.abs(numbers) + APART_AT_ZERO
    return numbers + by * side * np.reshape(draws, np.shape(numbers))
