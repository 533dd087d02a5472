"""On which trials a mistake shows: the one thing drawn that all of them have, and no right one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .trial import Trial

ENOUGH = 3   # failing trials, and right ones, before a condition is believed
NAMED = ("dtype", "jit", "layout", "cotangent layout", "cotangent", "values", "absent", "wanted")
USUAL = {"contiguous", "usual", "random", ""}


class Sides(NamedTuple):
    """Trials where it fails, and where it was looked at and does not."""

    failing: Sequence[Trial]
    right: Sequence[Trial]


def condition(failing: Sequence[Trial], right: Sequence[Trial]) -> Mapping[str, Any]:
    """The condition as `record.shown` tells it; empty where there is none, or too few to tell."""
    if len(failing) < ENOUGH or len(right) < ENOUGH:
        return {}
    sides = Sides(failing, right)
    return max(_conditions(sides), key=lambda each: _explains(each), default={})


def _explains(when: Mapping[str, Any]) -> tuple[float, int]:
    """The share of failing among those where it holds, and how many fail."""
    failed, held = when["inside"]
    return failed / held, failed


def _conditions(sides: Sides) -> Iterator[Mapping[str, Any]]:
    for facet in NAMED:
        for relation in ("has", "lacks"):
            yield from _named(sides, facet, relation)
    for size in sorted({key for trial in sides.failing for key in trial.features
                        if key.startswith("size ")}):
        yield from _sized(sides, size)
    for option in sorted({key for trial in sides.failing for key in trial.features
                          if key.startswith("option ")}):
        yield from _option(sides, option)


def _named(sides: Sides, facet: str, relation: str) -> Iterator[Mapping[str, Any]]:
    """All failing trials have one value there, or all lack the usual one."""
    values = {trial.features.get(facet, "") for trial in sides.failing}
    usual = next((v for v in (t.features.get(facet, "") for t in sides.right) if v in USUAL), None)
    if relation == "has" and len(values) == 1:
        value = values.pop()
        if value not in USUAL:
            yield from _made(sides, facet, "has", value,
                             lambda t: t.features.get(facet, "") == value)
    elif relation == "lacks" and usual is not None and usual not in values and usual:
        yield from _made(sides, facet, "lacks", usual,
                         lambda t: t.features.get(facet, "") != usual)


def _option(sides: Sides, option: str) -> Iterator[Mapping[str, Any]]:
    values = {trial.features.get(option, "") for trial in sides.failing}
    if len(values) == 1:
        value = values.pop()
        told = f"{option.removeprefix('option ')} = {value}"
        yield from _made(sides, "option", "has", told, lambda t: t.features.get(option) == value)


def _sized(sides: Sides, size: str) -> Iterator[Mapping[str, Any]]:
    """All failing trials have a size at least as large as their smallest, or at most the largest.
    """
    numbers = [int(t.features[size]) for t in sides.failing if size in t.features]
    if len(numbers) != len(sides.failing):
        return
    for relation, bound in ((">=", min(numbers)), ("<=", max(numbers))):
        beyond = [int(t.features[size]) for t in sides.right if size in t.features]
        outside = [n for n in beyond if (n < bound if relation == ">=" else n > bound)]
        nearest = (max if relation == ">=" else min)(outside, default=None)
        if nearest is not None:
            yield from _made(sides, size, relation, bound,
                             lambda t, r=relation, b=bound: _holds(t, size, r, b), nearest)


def _holds(trial: Trial, size: str, relation: str, bound: int) -> bool:
    number = int(trial.features.get(size, "0"))
    return number >= bound if relation == ">=" else number <= bound


def _made(sides: Sides, trait: str, relation: str, value: Any, holds: Any, nearest: Any = None
          ) -> Iterator[Mapping[str, Any]]:
    """The condition, where it holds on all failing trials, and on half as many right ones at most;
    where it fails on few outside.
    """
    inside = [t for t in sides.right if holds(t)]
    outside = len(sides.right) - len(inside)
    if not all(map(holds, sides.failing)) or outside < ENOUGH:
        return
    if len(inside) > len(sides.failing) // 2:
        return
    yield {"trait": trait, "relation": relation, "value": value, "nearest": nearest,
           "inside": [len(sides.failing), len(sides.failing) + len(inside)],
           "outside": [0, outside], "asked": [0, 0, 0, 0]}
