"""A wrong update in numbers: some steps by the wrong rule and by the right one, side by side.

The loss is half the sum of squares, so that every gradient is the parameter itself, and what is
different in the steps comes from the rule alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ..faults.updating import WRONG_UPDATES, WrongUpdate
from ..properties.updating import Change
from ..reference.training import UPDATES, Rule, update
from .entries import short

STEPS = 3
RATE = 0.1
USUAL = {"momentum": 0.9, "nesterov": 0.9, "decay": 0.1, "decoupled_decay": 0.1}
# Of a clip: a limit that is exceeded, and one that is not.
LIMITS = (1.0, 10.0)
# What the parameters start with: large ones, and such that an epsilon is not lost beside them.
SCALES = (1.0, 1e-5)
START = {"0.weight": np.array([[1.0], [-2.0]]), "0.bias": np.array([3.0])}
TOLD_APART = 1e-3

Path = list[Mapping[str, Any]]


class Example(NamedTuple):
    """An array by its name, and its values after each step by the wrong rule and by the right."""

    rule: Rule
    parameter: str
    start: Any
    wrong: list[Any]
    right: list[Any]


def example(wrong: WrongUpdate) -> Example | None:
    """The first example, of the few that are tried, in which the mistake is plain to see."""
    for limit, scale in product(LIMITS, SCALES):
        rule = rule_for(wrong, limit)
        start = {name: scale * p for name, p in START.items()}
        right = path(Change(rule), start)
        left = path(wrong.change(rule), start)
        for name in start:
            if any(apart(a[name], b[name]) for a, b in zip(left, right, strict=True)):
                return Example(rule, name, start[name], [a[name] for a in left],
                               [b[name] for b in right])
    return None


def rule_for(wrong: WrongUpdate, limit: float) -> Rule:
    """The smallest rule that has all rows which the mistake needs, with usual numbers."""
    given = {name: {"limit": limit} if name.startswith("clip") else USUAL.get(name, {})
             for name in wrong.rows if name != "rate"}
    return {**given, "rate": RATE}


def path(change: Change, start: Mapping[str, Any]) -> Path:
    """The parameters after each of some steps."""
    values, memory, found = start, None, []
    for _ in range(STEPS):
        values, memory = update(change.rule, values, values, memory, change.rows)
        found.append(values)
    return found


def apart(a: Any, b: Any) -> bool:
    """Whether two arrays differ by more than one notices."""
    return not np.allclose(a, b, rtol=TOLD_APART, atol=0.0)


def taught(name: str) -> Iterator[str]:
    """The text for a wrong update."""
    wrong = WRONG_UPDATES[name]
    of = f"needs {', '.join(wrong.rows)}" if wrong.rows else "of any rule"
    yield f"{name} (a mistake in the update; {of})"
    yield f"  symptom: {wrong.symptom}"
    yield f"  wrong:   {wrong.wrong}"
    yield f"  right:   {wrong.right}"
    yield from _numbers(example(wrong))
    yield f"  seen in: {wrong.seen}"


def _numbers(seen: Example | None) -> Iterator[str]:
    if seen is None:
        return
    rule = ", ".join(f"{name} {_said(name, value)}".rstrip() for name, value in seen.rule.items())
    yield f"  example: the rule {rule}; every gradient is the parameter itself"
    yield f"           start:         {seen.parameter} = {short(seen.start)}"
    for i, (wrong, right) in enumerate(zip(seen.wrong, seen.right, strict=True), 1):
        yield f"           step {i}, wrong: {seen.parameter} = {short(wrong)}"
        yield f"                   right: {seen.parameter} = {short(right)}"


def _said(name: str, given: Any) -> str:
    numbers = UPDATES[name].numbers(name, given)
    if len(numbers) == 1:
        return f"{next(iter(numbers.values())):g}"
    return f"({', '.join(f'{key} {value}' for key, value in numbers.items())})"
