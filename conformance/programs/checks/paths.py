"""What lines say of a trial: whether the gradient is its loss's own, of which inputs it is not, by
which factor it is off, and at which entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..formats import FORMATS
from ..judged import Failure
from ..trial import Arrays, Trial, Value
from .asked import Asked, Refused
from .ground import WIDE_BITS, Centre, Ground, grounded
from .lines import (
    Direction,
    Seen,
    across,
    along,
    measured,
    only,
    sharpest,
    slopes_alike,
    sparser,
    stays,
)

KINDS: tuple[Direction, ...] = (along, across)
LINES = 4          # through one input, to see whether one factor explains them
ALIKE = 0.03       # of what is wrong: how far factors of lines may be from each other


def paths(asked: Asked, trial: Trial, names: tuple[str, ...],
          check: str = "line_integral", each: bool = True) -> Iterator[Failure]:
    """A failure for every input whose gradient is not that of the loss; one, with the key "", where
    that is so of all of them together and of none alone, or where `each` is not asked for.
    """
    if not names or all(value is None or not np.any(value.numbers) for value in trial.cotangents):
        return
    ground = grounded(asked, trial, names)
    wrong = first_wrong(ground)
    if wrong is None:
        return
    alone = [failure for name in names
             if each and (failure := _of_input(ground, name, check)) is not None]
    yield from alone or [Failure(check, trial, "", "numbers", told(wrong))]


def first_wrong(ground: Ground, name: str = "") -> Seen | None:
    """The first line that shows a mistake and stays; only through one input, if so named."""
    centre = ground.centre(name)
    if not centre.is_finite:
        return None
    for kind in KINDS:
        direction = kind(centre)
        direction = only(direction, name) if name else direction
        seen = sharpest(centre, direction)
        if seen is not None and seen.fails and _is_mistake(centre, direction, seen):
            return seen
    return None


def _is_mistake(centre: Centre, direction: Arrays, seen: Seen) -> bool:
    if not slopes_alike(centre, direction, seen):
        return False
    few = sparser(centre, direction, seen)
    return stays(*few) and not _jumps(*few)


def _jumps(centre: Centre, direction: Arrays, seen: Seen) -> bool:
    """Whether, in a narrow format, the loss jumps along a line: that is then not its gradient's.

    float32 tells, where the program takes it: the same line shows something there too, and a
    shorter one does not.
    """
    asked = centre.ground.asked
    if asked.claim.stored.bits >= WIDE_BITS:
        return False
    trial = in_dtype(centre.ground.trial, "float32")
    wide = Ground(replace(asked, trial=trial), trial, centre.ground.names)
    alike = replace(wide, grid=asked.trial.dtype)
    try:
        on_grid = alike.about(centre.middle.numbers, direction)
        same = measured(on_grid, direction, seen.length) if on_grid.is_finite else None
        return (same is not None and same.fails
                and abs(same.residual) > 0.1 * abs(seen.residual)
                and not stays(wide.about(centre.middle.numbers, direction), direction, same))
    except Refused:
        return False


def in_dtype(trial: Trial, dtype: str) -> Trial:
    """The trial in another dtype, its numbers rounded to it."""
    def turned(value: Value | None) -> Value | None:
        if value is None or value.dtype != trial.dtype:
            return value
        return Value(FORMATS[dtype].rounded(value.numbers), dtype, value.layout)

    return replace(trial, dtype=dtype, cotangents=tuple(map(turned, trial.cotangents)),
                   inputs={name: turned(value) for name, value in trial.inputs.items()})


def _of_input(ground: Ground, name: str, check: str) -> Failure | None:
    seen = first_wrong(ground, name)
    if seen is None:
        return None
    factor = _factor(ground, name)
    box = _box(ground, name) if factor is None else None
    place = {"factor": factor, "sizes": equals(ground.trial, factor)} if factor is not None else (
        {"box": box} if box is not None else {})
    return Failure(check, ground.trial, name, "numbers", {**told(seen), **place})


def equals(trial: Trial, factor: float) -> list[str]:
    """The sizes of the trial that a factor is, or one over: "N", "1/N"."""
    sizes = {facet.removeprefix("size "): int(size) for facet, size in trial.features.items()
             if facet.startswith("size ")}
    return [name for size, n in sizes.items() if n > 2 for name, value in (
        (size, n), (f"1/{size}", 1.0 / n)) if abs(factor - value) < ALIKE * value]


def told(seen: Seen) -> dict[str, Any]:
    """A line as data."""
    return {"integral": seen.integral, "change": seen.change, "allowed": seen.allowed}


def _factor(ground: Ground, name: str) -> float | None:
    """The one factor that the gradient of an input is off by along several lines; None if none.

    What factors leave over is small beside what is wrong, not beside the gradient.
    """
    centre = ground.centre(name)
    kinds = [KINDS[i % len(KINDS)] for i in range(LINES)]
    lines = [sharpest(centre, only(kind(centre), name)) for kind in kinds]
    told_by = [line for line in lines if line is not None and line.allowed < 0.2 * abs(line.change)]
    if len(told_by) < 2:
        return None
    change = np.array([line.change for line in told_by])
    integral = np.array([line.integral for line in told_by])
    factor = float(change @ integral / (change @ change))
    limits = np.array([line.allowed for line in told_by]) + ALIKE * np.abs((1 - factor) * change)
    return factor if (np.abs(integral - factor * change) <= limits).all() else None


def _box(ground: Ground, name: str) -> list[tuple[int, int]] | None:
    """The entries that are wrong, first and behind the last along each axis; None where it is all
    of them, or no box of them.
    """
    shape = ground.scale[name].shape
    centre = ground.centre(name)
    box = [(0, size) for size in shape]
    for axis in range(len(shape)):
        while box[axis][1] - box[axis][0] > 1:
            low, high = box[axis]
            middle = (low + high) // 2
            halves = [[*box[:axis], part, *box[axis + 1:]]
                      for part in ((low, middle), (middle, high))]
            wrong = [half for half in halves if _wrong_within(centre, name, half)]
            if len(wrong) != 1:
                break
            box = wrong[0]
    return None if box == [(0, size) for size in shape] else box


def _wrong_within(centre: Centre, name: str, box: list[tuple[int, int]]) -> bool:
    slices = tuple(slice(*each) for each in box)
    lines = (sharpest(centre, only(kind(centre), name, slices)) for kind in KINDS)
    return any(line is not None and line.fails for line in lines)
