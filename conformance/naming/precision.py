"""A narrower precision inside: no formula is wrong, but the errors are what it would make.

Its rounding is not repeatable, so a fault's own digits need not be the subject's and no numbers can
be compared. Every ordinary network is asked instead: a formula is right where its layer is not
there, and rounding never is. The errors must nowhere be larger than that precision makes them. And
either every number given is one that the narrower format has; or the errors are nowhere far smaller
either, no entry is 0 where the truth is not, and the errors scatter as rounding does: after a move
of a few units of that precision they are others, while the error of a formula moves as little as
the numbers did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..properties.perturbed import UNIT
from ..properties.strategies import mended
from ..properties.tolerance import SLACK
from ..reference import Answer, Case
from .ratios import factor
from .witnessed import Witnessed

INSIDE = {"float32-inside": "float32", "float16-inside": "float16"}
UNITS = {"float32": 2.0**-24, "float16": 2.0**-11}
ORDINARY = 3


def inside(ask: Callable[[Case], Witnessed], failing: Sequence[Witnessed],
           ordinary: Sequence[Witnessed]) -> str:
    """The fault of the precision that the subject computes in, "" where it is none of those.

    `failing`: networks where the subject is wrong, the first one reduced. `ordinary`: networks of
    the same dtype, drawn for no reason, right or wrong.
    """
    dtype = failing[0].case.dtype
    for name, narrow in INSIDE.items():
        if UNITS[narrow] > UNIT[dtype] and all(within(each, narrow) for each in failing):
            return name if _rounds(ask, narrow, ordinary) else ""
    return ""


def _rounds(ask: Callable[[Case], Witnessed], narrow: str,
            ordinary: Sequence[Witnessed]) -> bool:
    """Whether on every ordinary network the errors are those of rounding to a narrower format."""
    seen = [each for each in ordinary if each.answered and not _exact(each, narrow)]
    if len(seen) < ORDINARY or not all(within(each, narrow) for each in seen):
        return False
    if all(_representable(each, narrow) for each in seen):
        return True
    well = [each for each in seen if _well_conditioned(each, narrow)]
    return (narrow == "float32" and len(well) >= ORDINARY
            and all(_as_rounding(each, UNITS[narrow]) for each in well)
            and _scatters(ask, well, UNITS[narrow]))


def _as_rounding(seen: Witnessed, unit: float) -> bool:
    """Not far below what that precision makes, mostly off, nothing lost, and no plain factor."""
    return (_as_far(seen, unit) and _mostly_off(seen)
            and not _lost(seen) and not _one_factor(seen))


def _well_conditioned(seen: Witnessed, narrow: str) -> bool:
    """Whether that precision would keep two digits of every gradient, none of which is tiny."""
    sizes = {name: float(np.abs(g).max(initial=0.0)) for name, g in seen.truth.items()}
    scale = SLACK * UNITS[narrow] / UNIT[seen.case.dtype]
    return min(sizes.values()) > 1e-10 * max(sizes.values()) > 0 and all(
        scale * float(seen.spread.gradients[name].max(initial=0.0)) < 0.01 * size
        for name, size in sizes.items())


def _exact(seen: Witnessed, narrow: str) -> bool:
    """Whether the true gradients are numbers of the narrower format: nothing is lost there."""
    return all(bool((np.asarray(g).astype(narrow).astype(float) == g).all())
               for g in seen.truth.values())


def _representable(seen: Witnessed, narrow: str) -> bool:
    """Whether every number that the subject gives is one of the narrower format.

    A number of a wider one is so by chance once in many millions, or in a thousand.
    """
    with np.errstate(over="ignore"):
        return all(bool((np.asarray(g).astype(narrow).astype(float) == np.asarray(g)).all())
                   for g in seen.answer.gradients.values())


def _lost(seen: Witnessed) -> bool:
    """Whether an entry is exactly 0 that in truth is not, and not for being small."""
    for name, g in seen.answer.gradients.items():
        true = np.abs(seen.truth[name])
        if bool(((np.asarray(g) == 0) & (true > 1e-3 * true.max(initial=0.0))).any()):
            return True
    return False


def _scatters(ask: Callable[[Case], Witnessed], seen: Sequence[Witnessed], unit: float) -> bool:
    """Whether the errors are others once every number has moved by a few units of that precision.

    Rounding is then drawn anew, so the errors before and after point in unrelated directions; the
    error of a wrong formula moves as little as the numbers did, and its direction stays.
    """
    rng = np.random.default_rng(5)
    cosines = []
    for each in seen[:4]:
        before = _signed(each)
        for _ in range(4):
            after = _signed(ask(_moved(each.case, 4 * unit, rng)))
            lengths = float(np.linalg.norm(before) * np.linalg.norm(after))
            if lengths:
                cosines.append(float(before @ after) / lengths)
    return bool(cosines) and bool(np.mean(cosines) < 0.7)


def _signed(seen: Witnessed) -> Any:
    """Subject minus truth in units of the spread, all gradients as one vector."""
    if not isinstance(seen.subject, Answer):
        return np.zeros(1)
    return np.concatenate([
        np.ravel((np.asarray(g, dtype=float) - seen.truth[name]) / seen.spread.gradients[name])
        for name, g in sorted(seen.subject.gradients.items())])


def _moved(case: Case, share: float, rng: np.random.Generator) -> Case:
    """The case with every real number moved by a random share of itself, at most this one."""
    def move(array: Any) -> Any:
        return (array * (1 + share * rng.uniform(-1, 1, array.shape))).astype(array.dtype)

    inputs = move(case.inputs) if case.network.real else case.inputs
    parameters = {name: move(value) for name, value in case.parameters.items()}
    return mended(case.but(parameters=parameters, inputs=inputs), rng)


def within(seen: Witnessed, narrow: str) -> bool:
    """Whether no error is larger than a narrower format makes it."""
    if not isinstance(seen.subject, Answer):
        return False
    scale = SLACK * UNITS[narrow] / UNIT[seen.case.dtype]
    tiny = 64 * float(np.finfo(narrow).smallest_subnormal)
    return all(bool(np.all(error <= scale * seen.spread.gradients[k] + tiny))
               for k, error in seen.errors.items())


def _as_far(seen: Witnessed, unit: float) -> bool:
    """Whether the worst error is not far below that precision's rounding."""
    worst = max(float(np.max(error / seen.spread.gradients[k], initial=0.0))
                for k, error in seen.errors.items())
    return worst * UNIT[seen.case.dtype] > unit / 64


def _mostly_off(seen: Witnessed) -> bool:
    off = [bool(np.any(error > SLACK * seen.spread.gradients[k]))
           for k, error in seen.errors.items() if np.any(seen.truth[k])]
    return 2 * sum(off) > len(off)


def _one_factor(seen: Witnessed) -> bool:
    """Whether every gradient is the same number times the truth: a formula, no rounding."""
    names = list(seen.answer.gradients)
    arrays = seen.answer.gradients, seen.truth, seen.spread.gradients
    got, true, s = (np.concatenate([np.ravel(np.asarray(by[name], dtype=float)) for name in names])
                    for by in arrays)
    k = factor(got, true)
    return k is not None and len(true) > 1 and bool(np.all(np.abs(got - k * true) <= 4 * SLACK * s))


# --- differences ----------------------------------------------------------------------------------

BY_DIFFERENCES, STEP = "gradient-by-differences", 1e-6


def noise(seen: Witnessed) -> bool:
    """Whether every error is what differences with that step leave of the loss's rounding.

    That rounding is not repeatable, so only its size is compared.
    """
    if not isinstance(seen.subject, Answer):
        return False
    truth = seen.spread.truth
    allowed = 64 * UNIT[seen.case.dtype] * abs(float(truth.loss)) / STEP
    return all(bool(np.all(error <= allowed + 1e-3 * np.abs(truth.gradients[k]).max(initial=0.0)))
               for k, error in seen.errors.items())
