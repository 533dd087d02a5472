"""Central differences with their own error estimate, and a certified step at kinks.

Calls the reference's *forward*, never its backward. D(h) = (L(θ+h) - L(θ-h)) / 2h for every parameter at once and for
a ladder of steps, each a quarter of the last; Richardson's extrapolation R = (16 D(h/4) - D(h)) / 15; the rung where
neighbouring R agree best wins, and their disagreement is the estimate. A rung counts only where every unit stays on
its side of its kinks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..reference import TABLES, Answer, Case, backprop
from .flat import flatten, stacked, unflatten

STEPS = 0.5 ** np.arange(5, 22, 2)
CHUNK = 1 << 19


class Estimate(NamedTuple):
    """Derivatives and, entry by entry, how far they may be off; infinite where no step was certified."""

    value: Any
    error: Any


def answer(case: Case) -> Answer:
    """The gradient of every parameter and of real inputs, in float64."""
    return estimate(case)[0]


def estimate(case: Case, noise: float | None = None) -> tuple[Answer, dict[str, Any]]:
    """The gradient, and its error estimate by name; `noise`: how far the loss may be off, 8 units of it by default."""
    wide = case.astype("float64")
    theta = flatten(wide)
    size = max(1, CHUNK // (2 * STEPS.size * theta.size))
    parts = [_ladder(wide, theta, range(a, min(a + size, theta.size)), noise) for a in range(0, theta.size, size)]
    value, error = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    here = backprop.loss(wide, backprop.forward(wide))
    return Answer(here, unflatten(wide, value)), unflatten(wide, error)


def _ladder(case: Case, theta: Any, coordinates: range, noise: float | None) -> Estimate:
    steps = STEPS[:, None] * np.maximum(1.0, np.abs(theta[coordinates]))
    shift = np.zeros((2, *steps.shape, theta.size))
    shift[..., np.arange(len(coordinates)), coordinates] = np.stack([steps, -steps])
    many = stacked(case, (theta + shift).reshape(-1, theta.size))
    trace = backprop.forward(many)
    losses = backprop.loss(many, trace).raw.reshape(shift.shape[:-1])
    certain = _same_side(case, trace).reshape(shift.shape[:-1]).all(axis=0)
    noise = 2.0**-50 * np.abs(losses).max(axis=(0, 1)) if noise is None else noise
    return extrapolate(losses[0], losses[1], steps, noise, certain)


def _from_finer(r: Any, noise: Any) -> Any:
    """How far each rung is from any finer one, beyond that one's noise: coarse steps may agree on an average slope."""
    far = [np.max([np.abs(r[k] - r[j]) - 4.0 * noise[k] for k in range(j, len(r))], axis=0) for j in range(len(r))]
    return np.maximum(np.stack(far), 0.0)


def certified(case: Case, rows: Any) -> Any:
    """For K vectors (K, P) near the case: whether every unit is on the side of its kinks that it has at the case."""
    many = stacked(case, rows)
    return _same_side(case, backprop.forward(many))


def _same_side(case: Case, trace: backprop.Trace) -> Any:
    here = backprop.forward(case)
    same = np.ones(trace.outputs.raw.shape[0], bool)
    pairs = [(there.points, there.argument.raw, at.argument)
             for there, at in zip(trace.kinks, here.kinks, strict=True)]
    kinks = TABLES.losses[case.network.loss.kind].kinks
    if kinks:
        pairs.append((kinks, trace.outputs.raw - case.targets, here.outputs - case.targets))
    for kinks, x, y in pairs:
        for kink in kinks:
            same &= ((x > kink) == (y > kink)).all(axis=tuple(range(1, x.ndim)))
    return same


def extrapolate(plus: Any, minus: Any, steps: Any, noise: Any, certain: Any | None = None) -> Estimate:
    """The derivative from losses at θ ± h; all of shape (rungs, ...), each rung a quarter of the one before.

    `noise` is how far each loss may be off; `certain` masks the rungs that crossed no kink.
    """
    with np.errstate(all="ignore"):
        d = (plus - minus) / (2.0 * steps)
        r = (16.0 * d[1:] - d[:-1]) / 15.0
        apart = np.abs(np.diff(r, axis=0))
        error = np.maximum(apart, np.concatenate([apart[1:], apart[-1:]])) + noise / steps[2:]
        error = np.maximum(error, _from_finer(r[1:], noise / steps[2:]))
    if certain is not None:
        error = np.where(certain[:-2] & certain[1:-1] & certain[2:], error, np.inf)
    error = np.where(np.isnan(error), np.inf, error)
    best = np.argmin(error, axis=0)[None]
    return Estimate(np.take_along_axis(r[1:], best, 0)[0], np.take_along_axis(error, best, 0)[0])


