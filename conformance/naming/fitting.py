"""The one number of a mistake, found from what the subject does: a rate, a decay, a threshold.

Where a known mistake has a number in it, the programs that make it differ in that number. It is
looked for by least squares: the subject's numbers less the mistake's, in units of what two right
programs may lie apart, are made as small as they can be. Most mistakes are linear in their number,
and then one secant step is exact. A number with few digits that does as well is taken in place of
the best one. The mistake is then held to that number, and judged like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..faults.behaviour import ROUNDING
from ..faults.core import Fault, Number, with_value
from ..faults.together import together
from ..judging.session import clock
from ..properties.perturbed import UNIT
from ..properties.tolerance import SLACK
from ..reference import TABLES, Answer, DescriptionError
from ..reference.backprop import unwarned
from .witnessed import Witnessed

Residuals = Callable[[float], Any]
GRID = 9
STARTS = 3
STEPS = 30
ROUNDS_MORE = 1e4
UNLIKE = 1e20
LEFT = 1e-2
BESIDE = 1e-3


@unwarned
def fitted(fault: Fault, seen: Sequence[Witnessed]) -> Fault:
    """The mistake with the number that the subject has in it, going by these cases.

    The mistake itself where it has no number, or where none makes it the subject's.
    """
    answered = [case for case in seen if isinstance(case.subject, Answer)]
    if fault.number is None or fault.value is not None or not answered:
        return fault
    if not reaches(fault, fault.number, answered[-1]):
        return fault
    if fault.number.whole:
        value = counted(fault, fault.number, answered)
    else:
        value = solved(lambda at: _residuals(with_value(fault, at), answered), fault.number)
    return fault if value is None else with_value(fault, value)


def reaches(fault: Fault, number: Number, seen: Witnessed) -> bool:
    """Whether the mistake changes every gradient that is wrong here, with one number or another.

    Where it does not, no number makes it the subject's, and none need be looked for.
    """
    values = (number.usual, number.least, number.most)
    changed = set[str]().union(*(seen.changed(with_value(fault, value)) for value in values))
    return seen.off <= changed


@unwarned
def refined(fault: Fault, near: Sequence[Witnessed], failing: Sequence[Witnessed]) -> Fault:
    """The mistake with its number known better, by other networks on which it has a larger effect.

    Only by networks where the mistake accounts for nearly all: something else may be wrong in the
    others.
    """
    if fault.number is None or fault.value is None or fault.number.whole:
        return fault
    more = [case for case in failing if isinstance(case.subject, Answer) and nearly(fault, case)]
    if not more:
        return fault

    def residuals(value: float) -> Any:
        return _residuals(with_value(fault, value), [*near, *more])

    here, beside = ((value, residuals(value))
                    for value in (fault.value, fault.value * (1.0 + BESIDE)))
    if here[1] is None or beside[1] is None:
        return fault
    best = descended(residuals, here, beside, PLAIN)
    return with_value(fault, plain(residuals, *best))


def nearly(fault: Fault, case: Witnessed) -> bool:
    """Whether what is left beside the mistake is small against what it changes."""
    theirs, base = case.of(fault), case.base
    if not isinstance(theirs, Answer) or not isinstance(base, Answer):
        return False
    left, whole = in_one(apart(case, theirs)), in_one(apart(case, base))
    return bool(left is not None and whole is not None and left <= LEFT * whole)


def in_one(parts: list[Any] | None) -> float | None:
    """The largest of the residuals."""
    return None if parts is None else max(float(np.abs(part).max(initial=0.0)) for part in parts)


# --- how far the subject and the mistake are apart ------------------------------------------------


def _residuals(fault: Fault, seen: Sequence[Witnessed]) -> Any:
    """Subject less mistake, as one vector, in units of what may be; None where shapes differ.

    The mistake stands beside those that are known already.
    """
    parts = []
    engine = (together((*seen[0].known, fault)) or fault).engine(TABLES)
    clock().check()
    for case in seen:
        try:
            theirs = engine(case.case)
        except (ArithmeticError, ValueError, DescriptionError):
            return None
        found = apart(case, theirs)
        if found is None:
            return None
        parts += found
    return np.concatenate(parts)


def apart(case: Witnessed, theirs: Answer) -> list[Any] | None:
    """An array for the loss, where it counts, and for each gradient; None where shapes differ."""
    mine, theirs, s = case.counts.of(case.answer), case.counts.of(theirs), case.spread
    pairs = [(g, theirs.gradients.get(name, g), s.gradients[name].max(initial=0.0))
             for name, g in mine.gradients.items()]
    pairs.append((mine.loss, theirs.loss, s.loss))
    if any(np.shape(a) != np.shape(b) for a, b, _ in pairs):
        return None
    return [in_units(a, b, SLACK * each, case.case.dtype) for a, b, each in pairs]


def in_units(mine: Any, theirs: Any, tolerance: float, dtype: str) -> Any:
    """The differences of two arrays over what is allowed; 0 where neither of them is finite."""
    a, b = (np.ravel(np.asarray(each, dtype=float)) for each in (mine, theirs))
    finite = np.isfinite(a) & np.isfinite(b)
    allowed = tolerance + ROUNDING * UNIT[dtype] * np.abs(a[finite]).max(initial=0.0)
    with np.errstate(all="ignore"):
        off = np.nan_to_num((a - b) / allowed)
    return np.where(finite, off, np.where(np.isfinite(a) == np.isfinite(b), 0.0, UNLIKE))


# --- the number -----------------------------------------------------------------------------------


def solved(residuals: Residuals, number: Number) -> float | None:
    """The value that makes the residuals smallest.

    None where they do not depend on it, or where it is not one that anybody would write.
    """
    tried = [(value, found) for value in tries(number)
             if (found := residuals(value)) is not None]
    if len(tried) < 2 or not any(np.any(found != tried[0][1]) for _, found in tried[1:]):
        return None
    best = min(tried, key=size)
    plainly = partial(descended, scale=PLAIN if number.signed else POSITIVE)
    for descent in (plainly, partial(descended, scale=LOGARITHM)):
        for start, beside in starts(tried):
            best = min(best, descent(residuals, start, beside), key=size)
            if agrees(best):
                return plain(residuals, *best) if number.may_be(best[0]) else None
    return None


Point = tuple[float, Any]


def counted(fault: Fault, number: Number, seen: Sequence[Witnessed]) -> float | None:
    """The whole number that fits best, the first of those that leave nothing.

    Round ones, which people write, are tried first, on the first case; it must do on all.
    """
    every = map(float, range(round(number.least), round(number.most) + 1))
    best: Point | None = None
    for value in sorted(every, key=lambda value: (len(f"{value:g}".rstrip("0")), value)):
        found = _residuals(with_value(fault, value), seen[:1])
        if found is not None and (best is None or size((value, found)) < size(best)):
            best = value, found
            if np.abs(found).max(initial=0.0) <= 1.0:
                break
    if best is None or not agrees(best):
        return None
    whole = _residuals(with_value(fault, best[0]), seen)
    return best[0] if whole is not None and agrees((best[0], whole)) else None


def tries(number: Number) -> list[float]:
    """Values all over the range, and the usual one."""
    grid = np.geomspace(number.least, number.most, GRID)
    apart = abs(np.log(grid / number.usual)) > 0.1
    return sorted([number.usual, *map(float, grid[apart])])


def starts(tried: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """The best points tried, each with the one before it."""
    each = sorted(range(len(tried)), key=lambda i: size(tried[i]))
    return ((tried[i], tried[i - 1 if i else 1]) for i in each[:STARTS])


def size(point: Point) -> float:
    return float(point[1] @ point[1])


def agrees(point: Point) -> bool:
    """Whether nothing is further off than may be, or hardly so: a wrong formula may round more."""
    return bool(np.abs(point[1]).max(initial=0.0) <= ROUNDS_MORE)


class Scale(NamedTuple):
    """What a mistake may be linear in: its number, or the logarithm of that."""

    of: Callable[[float], float]
    back: Callable[[float], float]


PLAIN = Scale(lambda value: value, lambda value: value)
POSITIVE = Scale(lambda value: value, lambda value: value if value > 0 else np.nan)
LOGARITHM = Scale(lambda value: float(np.log(value)), lambda value: float(np.exp(value)))


def descended(residuals: Residuals, start: Point, beside: Point, scale: Scale) -> Point:
    """The best point that secant steps reach: each takes the residuals for linear in the number."""
    best, last, here = start, beside, start
    for _ in range(STEPS):
        value = scale.back(scale.of(here[0]) - step(here, last, scale))
        found = residuals(value) if np.isfinite(value) and value != here[0] else None
        if found is None or (scale is LOGARITHM and not value):
            break
        last, here = here, (value, found)
        if size(here) >= size(best) and abs(value - last[0]) <= 1e-9 * abs(value):
            break
        best = min(best, here, key=size)
    return best


def step(here: Point, last: Point, scale: Scale) -> float:
    """How far to go: the least squares of the residuals along the secant; 0 for nowhere."""
    slope = (here[1] - last[1]) / (scale.of(here[0]) - scale.of(last[0]))
    length = float(slope @ slope)
    return float(slope @ here[1]) / length if length and np.isfinite(length) else 0.0


def plain(residuals: Residuals, value: float, found: Any) -> float:
    """The number with fewest digits that does as well: all is within what may be."""
    allowed = max(1.0, 2.0 * float(np.abs(found).max()))
    for other in few_digits(value):
        near = abs(other - value) <= 0.05 * abs(value)
        there = residuals(other) if near else None
        if there is not None and np.abs(there).max() <= allowed:
            return other
    return value


FRACTIONS = [n / d for d in (3, 6, 7, 9) for n in range(1, d)]
UNITS = [float(np.finfo(dtype).eps) for dtype in ("float64", "float32")]


def few_digits(value: float) -> Iterator[float]:
    """Numbers that somebody may have written down, near this one, the shortest first."""
    yield float(f"{value:.1g}")
    yield from (*FRACTIONS, *UNITS)
    yield from (float(f"{value:.{digits}g}") for digits in (2, 3, 4))
