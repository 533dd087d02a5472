"""The complex step: dL/dθ = Im L(θ + ih) / h, with no subtraction and so no cancellation.

Calls the reference's *forward* on complex numbers, never its backward. Squire & Trapp, SIAM Review
40, 1998. `along` takes any directions, `answer` every entry by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..reference import Answer, Case, backprop
from .flat import Estimate, flatten, stacked, unflatten

STEP = 1e-30
NUMBERS = 1 << 18  # at most so many in one stacked forward


def answer(case: Case) -> Answer:
    """The gradient of every parameter and of real inputs in float64, by stacked forwards."""
    wide = case.astype("float64")
    theta = flatten(wide)
    size = max(1, NUMBERS // theta.size)
    parts = [_along(wide, _entries(theta.size, start, start + size))
             for start in range(0, theta.size, size)]
    loss = backprop.loss(wide, backprop.forward(wide))
    return Answer(loss, unflatten(wide, np.concatenate(parts)))


def estimate(case: Case, noise: float | None = None) -> tuple[Answer, dict[str, Any]]:
    """The gradient entry by entry, and by name how far it may be off.

    `noise`, that of the loss, does not matter here: nothing is subtracted.
    """
    found = answer(case)
    dust = max(_dust(g) for g in found.gradients.values())
    return found, dict.fromkeys(found.gradients, dust)


def along(case: Case, directions: Any, noise: float | None = None) -> Estimate:
    """The derivatives (K,) of the loss along directions (K, P) over the case's flat numbers."""
    derivatives = _along(case.astype("float64"), directions)
    return Estimate(derivatives, np.full(len(directions), _dust(derivatives)))


def _along(wide: Case, directions: Any) -> Any:
    many = stacked(wide, flatten(wide) + 1j * STEP * directions)
    derivatives = backprop.loss(many, backprop.forward(many)).raw.imag / STEP
    return derivatives * wide.network.loss.gradient_scale


def _dust(derivatives: Any) -> float:
    """How far derivatives may be off beside rounding: the step times them must be a number, and
    sums leave dust of the largest.
    """
    largest = float(np.abs(derivatives).max(initial=0.0))
    return float(np.finfo(float).tiny) / STEP + 2.0**-53 * largest


def _entries(count: int, start: int, stop: int) -> Any:
    """The unit vectors start to stop of so many."""
    return np.eye(min(stop, count) - start, count, start)
