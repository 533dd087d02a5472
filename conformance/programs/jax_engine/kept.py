"""Outputs that a backward pass takes as they were stored.

A program may keep its output for its backward pass, and by then that is rounded into storage:
p (g - sum g p) with a p of bfloat16 is what a right softmax does. So in some of the perturbed runs
the steps of the gradients alone see each output rounded. A plain form may have used something else,
exp(x - m) and its sum say: where an output hangs on one input by elementwise steps of its own
shape, with statistics of that input between, the input is moved until the output is the stored one,
the statistics stay, and the gradients see all that lies between as it is then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..formats import Format
from ..trial import Array
from .computing import advance
from .plain import Question
from .primitives import ELEMENTWISE
from .tracing import Step

HAIR = 2.0**-22
FURTHEST = 4.0  # times the rounding that is wanted: further off, the output is no function to turn


class Kept:
    """Puts the stored outputs of a question in place of its own.

    told: the slots of the outputs, which the run itself still tells as they were.
    """

    def __init__(self, asked: Question, stored: Format) -> None:
        self.stored = stored
        self.told = frozenset(asked.traced.outputs[:asked.forward])
        self.chains = [(slot, *_chain(asked, slot)) for slot in sorted(self.told)]

    def put(self, slots: list[Any]) -> None:
        """Changes the slots to what the gradients see."""
        before = slots.copy()
        for slot, start, steps in self.chains:
            y = before[slot]
            if y.dtype.kind != "f":
                continue
            kept = self.stored.rounded(y)
            if start is not None:
                self._turned(slots, before, slot, start, steps, kept - y)
            slots[slot] = kept

    def _turned(self, slots: list[Any], before: Sequence[Any], slot: int, start: int,
                steps: Sequence[Step], wanted: Array) -> None:
        """What lies between the input and the output, for the input that gives the stored one."""
        y, x = before[slot], before[start]
        hair = HAIR * np.maximum(np.abs(x), 2.0**-6)
        slope = (_at(before, start, steps, x + hair)[slot] - y) / hair
        if not (np.all(slope >= 0) or np.all(slope <= 0)):
            return
        with np.errstate(all="ignore"):
            move = np.nan_to_num(wanted / slope, nan=0.0, posinf=0.0, neginf=0.0)
        moved = _at(before, start, steps, x + move)
        near = np.abs(moved[slot] - y) <= FURTHEST * np.abs(wanted)
        for step in steps:
            for each in step.outputs:
                slots[each] = np.where(near, moved[each], before[each])


def _at(slots: Sequence[Any], start: int, steps: Sequence[Step], x: Array) -> list[Any]:
    """The slots with another input, and the steps after it computed again."""
    found = list(slots)
    found[start] = x
    advance(found, steps)
    return found


def _chain(asked: Question, slot: int) -> tuple[int | None, list[Step]]:
    """The input that an output is an elementwise function of, and the steps between; or None."""
    traced = asked.traced
    shape = _shape(asked, slot)
    for start, real in zip(traced.inputs, asked.real, strict=True):
        if real and _shape(asked, start) == shape:
            steps = _between(asked, start, shape)
            if any(slot in step.outputs for step in steps) and _only(asked, start, steps):
                return start, steps
    return None, []


def _between(asked: Question, start: int, shape: tuple[int, ...]) -> list[Step]:
    """The elementwise outward steps of that shape that hang on the slot through such steps."""
    live, found = {start}, []
    for step in asked.outward:
        same = all(tuple(var.aval.shape) == shape for var in step.equation.outvars)
        if step.name in ELEMENTWISE and same and live.intersection(step.inputs):
            live.update(step.outputs)
            found.append(step)
    return found


def _only(asked: Question, start: int, steps: Sequence[Step]) -> bool:
    """Whether no other input than the one at the start has a part in these steps."""
    roots: dict[int, set[int]] = {each: {each} for each in asked.traced.inputs}
    for step in asked.outward:
        of: set[int] = set()
        for each in step.inputs:
            of |= roots.get(each, set())
        roots.update(dict.fromkeys(step.outputs, of))
    return all(roots.get(each, set()) <= {start} for step in steps for each in step.outputs)


def _shape(asked: Question, slot: int) -> tuple[int, ...]:
    if slot in asked.traced.inputs:
        return tuple(asked.arguments[asked.traced.inputs.index(slot)].shape)
    for step in asked.traced.steps:
        if slot in step.outputs:
            return tuple(step.equation.outvars[step.outputs.index(slot)].aval.shape)
    return ()


__all__ = ["Kept"]
