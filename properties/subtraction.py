"""Gradients read off a training step, (old - new) / rate, and the digits that this costs.

A step stores new = old - rate·g, rounded to the parameters' dtype. So the difference of the two is
off by up to half a unit in the last place of the new parameter, whatever the gradient's size, and
dividing by a small rate magnifies that. Nothing is wrong with such a step, so the tolerance of a
subject that claims its `rate` carries it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..reference import Answer, Case
from .perturbed import UNIT
from .tolerance import SLACK, Spread

RATES = (1e-6, 100.0)  # what anybody trains with
ENOUGH = 16  # entries, to say how errors are spread
EVEN = (1.15, 1.55)  # the mean square of errors over their squared mean: 4/3 if evenly spread
ROUNDS = 4


def lost(case: Case, truth: Answer, rate: float) -> Answer:
    """By parameter, what (old - new) / rate loses: u (|old| + |new|) / 2 over the rate.

    A program may add what each example says by itself, and then rounds once for each: their errors
    go every way, so that n of them come to some sqrt(n) of one. The gradient of the inputs is no
    difference, and the loss is none.
    """
    unit = 0.5 * UNIT[case.dtype] / rate * math.sqrt(case.batch)
    sizes = {name: np.abs(old) + np.abs(old - rate * truth.gradients[name])
             for name, old in case.astype("float64").parameters.items()}
    return Answer(0.0, {name: unit * size for name, size in sizes.items()})


def carried(case: Case, s: Spread, rate: float | None) -> Spread:
    """The spread of a subject whose gradients are differences over this rate; as it is for None."""
    return s if rate is None else s.widened(lost(case, s.truth, rate))


# --- where no rate is claimed ---------------------------------------------------------------------


class Errors(NamedTuple):
    """Of every entry of some gradients: the error, what is allowed of it, old and true gradient."""

    size: Any
    allowed: Any
    old: Any
    true: Any

    def left(self, rate: float) -> Any:
        """The most that a subtraction leaves: half a unit in the last place over the rate."""
        largest = np.maximum(np.abs(self.old), np.abs(self.old - rate * self.true))
        return 0.5 * np.spacing(largest.astype(self.old.dtype)) / rate


def rate_of(seen: Iterable[tuple[Case, Answer, Spread]]) -> float | None:
    """The rate of a training step that would leave the errors of these answers; None for none.

    What a subtraction leaves is at most half a unit in the last place of the parameter over the
    rate, and evenly spread below that: proportional to the parameters, not to their gradients. So
    the rate is read off the mean error, none may be larger than it allows, and they must be spread
    as they should. The gradient of the inputs is no difference: an error there is another mistake.
    """
    answers = list(seen)
    if not answers or not all(_inputs_right(*each) for each in answers):
        return None
    each = [_errors(*one) for one in answers]
    errors = Errors(*(np.concatenate(column) for column in zip(*each, strict=True)))
    visible = errors.size > errors.allowed
    if not visible.any() or not np.isfinite(errors.size).all():
        return None
    rate = 0.5 / float(np.median(errors.size[visible] / errors.left(1.0)[visible]))
    for _ in range(ROUNDS):
        rate = _fitted(errors, rate)
    return rate if RATES[0] < rate < RATES[1] and _explains(errors, rate) else None


def _decided(errors: Errors, rate: float) -> Any:
    """Each entry's error over the most that is left, where that is far more than is allowed.

    And far less than the gradient: a parameter that does not move leaves no rounding.
    """
    left = errors.left(rate)
    decided = (left > 4.0 * errors.allowed) & (np.abs(errors.true) > 8.0 * left)
    return errors.size[decided] / left[decided]


def _fitted(errors: Errors, rate: float) -> float:
    """The rate at which the mean of evenly spread errors is half the largest."""
    shares = _decided(errors, rate)
    return rate * 0.5 / float(shares.mean()) if shares.any() else rate


def _explains(errors: Errors, rate: float) -> bool:
    """Whether no error is larger than this rate makes it, and they are spread evenly."""
    shares = _decided(errors, rate)
    if len(shares) < ENOUGH or (errors.size > errors.allowed + 1.5 * errors.left(rate)).any():
        return False
    return EVEN[0] < float((shares**2).mean() / shares.mean() ** 2) < EVEN[1]


def _errors(case: Case, answer: Answer, s: Spread) -> Errors:
    """Those of every parameter's gradient, one after another."""
    parts = [Errors(np.abs(answer.gradients[name] - s.truth.gradients[name]),
                    SLACK * s.gradients[name], old, s.truth.gradients[name])
             for name, old in case.parameters.items() if name in answer.gradients]
    return Errors(*(np.concatenate([np.ravel(part) for part in column])
                    for column in zip(*parts, strict=True)))


def _inputs_right(case: Case, answer: Answer, s: Spread) -> bool:
    given = answer.gradients.get("inputs")
    if given is None:
        return True
    error = np.abs(given - s.truth.gradients["inputs"])
    return bool(np.all(error <= SLACK * s.gradients["inputs"]))
