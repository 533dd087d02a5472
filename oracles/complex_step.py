"""The complex step: dL/dθ = Im L(θ + ih) / h, with no subtraction and so no cancellation.

Calls the reference's *forward* on complex numbers, never its backward. Squire & Trapp, SIAM Review 40, 1998.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..reference import Answer, Case, backprop
from .flat import flatten, stacked, unflatten

STEP = 1e-30
CHUNK = 1 << 18


def answer(case: Case) -> Answer:
    """The gradient of every parameter and of real inputs in float64, by one stacked forward."""
    wide = case.astype("float64")
    theta = flatten(wide)
    size = max(1, CHUNK // theta.size)
    parts = [_derivatives(wide, theta, range(a, min(a + size, theta.size))) for a in range(0, theta.size, size)]
    return Answer(backprop.loss(wide, backprop.forward(wide)), unflatten(wide, np.concatenate(parts)))


def noise(answer: Answer) -> float:
    """How far its derivatives may be off beside rounding: the step times them must be a number, and sums leave dust."""
    largest = max(float(np.abs(g).max(initial=0.0)) for g in answer.gradients.values())
    return float(np.finfo(float).tiny) / STEP + 2.0**-53 * largest


def _derivatives(case: Case, theta: Any, coordinates: range) -> Any:
    rows = np.tile(theta.astype(complex), (len(coordinates), 1))
    rows[np.arange(len(coordinates)), coordinates] += 1j * STEP
    many = stacked(case, rows)
    return backprop.loss(many, backprop.forward(many)).raw.imag / STEP
