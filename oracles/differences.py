"""Central differences with their own error estimate, and a certified step at kinks.

Calls the reference's *forward*, never its backward. D(h) = (L(θ + h d) - L(θ - h d)) / 2h along a
direction d, for a ladder of steps, each a quarter of the last; Richardson's extrapolation is
R = (16 D(h/4) - D(h)) / 15; the rung where neighbouring R agree best wins, and their disagreement
is the estimate. A rung counts only where every unit stays on its side of its kinks.

`along` takes any directions: one for each array is what a run asks, at two stacked forwards for
all. `estimate` takes every entry by itself, which costs as many directions as there are numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..reference import Answer, Case, Trace, backprop
from .flat import Estimate, flatten, stacked, unflatten

STEPS = 0.5 ** np.arange(5, 22, 2)
NUMBERS = 1 << 19  # at most so many in one stacked forward


def answer(case: Case) -> Answer:
    """The gradient of every parameter and of real inputs, in float64."""
    return estimate(case)[0]


def estimate(case: Case, noise: float | None = None) -> tuple[Answer, dict[str, Any]]:
    """The gradient entry by entry, and its error estimate by name.

    `noise` is how far the loss may be off, 8 units of it by default.
    """
    wide = case.astype("float64")
    theta = flatten(wide)
    value, error = _ladders(wide, theta, _entries(theta), noise)
    here = backprop.loss(wide, backprop.forward(wide))
    scale = case.network.loss.gradient_scale
    return Answer(here, unflatten(wide, value * scale)), unflatten(wide, error * abs(scale))


def along(case: Case, directions: Any, noise: float | None = None) -> Estimate:
    """The derivatives (K,) of the loss along directions (K, P) over the case's flat numbers."""
    wide = case.astype("float64")
    theta = flatten(wide)
    pace = _paces(wide, theta, directions)
    each = zip(directions / pace[:, None], np.ones(len(directions)), strict=True)
    value, error = _ladders(wide, theta, each, noise)
    scale = case.network.loss.gradient_scale
    return Estimate(value * (pace * scale), error * (pace * abs(scale)))


def _entries(theta: Any) -> Iterator[tuple[Any, float]]:
    """Each unit vector, and the size of a step along it."""
    for i, size in enumerate(np.maximum(1.0, np.abs(theta))):
        direction = np.zeros(theta.size)
        direction[i] = 1.0
        yield direction, size


def _paces(case: Case, theta: Any, directions: Any) -> Any:
    """How fast the fastest argument of a function, or output, moves along each direction.

    At least 1. A step that moves a unit far sees an average slope: coarse rungs may agree on it,
    though it is no derivative.
    """
    step = 2.0**-24
    here, there = backprop.forward(case), backprop.forward(stacked(case, theta + step * directions))
    moves = [there.outputs.raw - here.outputs]
    moves += [b.raw - a for a, b in zip(here.arguments, there.arguments, strict=True)
              if hasattr(b, "raw")]
    fastest = [np.abs(move).max(axis=tuple(range(1, move.ndim))) / step for move in moves]
    return np.maximum(1.0, np.maximum.reduce(fastest))


# --- the ladder -----------------------------------------------------------------------------------


def _ladders(case: Case, theta: Any, directions: Iterator[tuple[Any, float]] | Any,
             noise: float | None) -> Estimate:
    """The derivative along every direction, so many at a time as memory allows."""
    many = max(1, NUMBERS // (2 * STEPS.size * theta.size))
    rows, parts = list(directions), []
    for start in range(0, len(rows), many):
        chosen, sizes = map(np.array, zip(*rows[start:start + many], strict=True))
        parts.append(_ladder(case, theta, chosen, STEPS[:, None] * sizes, noise))
    return Estimate(*(np.concatenate([part[i] for part in parts]) for i in (0, 1)))


def _ladder(case: Case, theta: Any, directions: Any, steps: Any, noise: float | None) -> Estimate:
    """directions: (K, P); steps: (rungs, K)."""
    shift = np.stack([steps, -steps])[..., None] * directions
    many = stacked(case, (theta + shift).reshape(-1, theta.size))
    trace = backprop.forward(many)
    losses = backprop.loss(many, trace).raw.reshape(shift.shape[:-1])
    certain = _same_side(case, trace).reshape(shift.shape[:-1]).all(axis=0)
    noise = 2.0**-50 * np.abs(losses).max(axis=(0, 1)) if noise is None else noise
    return extrapolate(losses[0], losses[1], steps, noise, certain)


def certified(case: Case, rows: Any) -> Any:
    """For K vectors (K, P) near the case: whether every unit is on the side of its kinks it has."""
    return _same_side(case, backprop.forward(stacked(case, rows)))


def _same_side(case: Case, trace: Trace) -> Any:
    here = backprop.forward(case)
    same = np.ones(trace.outputs.raw.shape[0], bool)
    pairs = [(there.points, there.argument.raw, at.argument)
             for there, at in zip(trace.kinks, here.kinks, strict=True)
             if hasattr(there.argument, "raw")]
    pairs += [(there.points, there.argument.raw, at.argument)
              for there, at in zip(backprop.loss_kinks(case, trace.outputs),
                                   backprop.loss_kinks(case, here.outputs), strict=True)]
    for points, x, y in pairs:
        for point in points:
            same &= ((x > point) == (y > point)).all(axis=tuple(range(1, x.ndim)))
    return same


def extrapolate(plus: Any, minus: Any, steps: Any, noise: Any,
                certain: Any | None = None) -> Estimate:
    """The derivative from losses at θ ± h.

    All arrays are of shape (rungs, ...), each rung a quarter of the last. `noise` is how far each
    loss may be off; `certain` masks the rungs that crossed no kink.
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


def _from_finer(r: Any, noise: Any) -> Any:
    """How far each rung is from any finer one, beyond that one's noise."""
    far = [np.max([np.abs(r[k] - r[j]) - 4.0 * noise[k] for k in range(j, len(r))], axis=0)
           for j in range(len(r))]
    return np.maximum(np.stack(far), 0.0)
