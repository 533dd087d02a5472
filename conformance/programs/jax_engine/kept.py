"""Values that a backward pass takes as they were rounded.

A program may keep its output for its backward pass, and by then that is rounded into storage:
p (g - sum g p) with a p of bfloat16 is what a right softmax does. So in some of the perturbed runs
the steps of the gradients alone see each output rounded. A plain form may have used something else,
exp(x - m) and its sum say: where an output hangs on one input by elementwise steps of its own
shape, with statistics of that input between, the input is moved until the output is the stored one,
or as near as it comes, the statistics stay, and the gradients see all that lies between as it is
then. The same is done, within a rounding of the arithmetic, to quotients of exponentials inside:
y (1 - y) is the textbook's derivative of 1 / (1 + exp(-x)), and cancels where y is nearly 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from ..claim import Claim
from ..trial import Array
from .computing import advance, as_real
from .plain import Question
from .primitives import ELEMENTWISE, MOVED
from .tracing import Step

Noise = Callable[[Array], Array]
FURTHEST = 64.0  # times the size of a number, or 1: the furthest that an input is moved
NEAREST = 2.0**-30
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")  # a maximum is found again by its number
DIVISIONS = ("div", "integer_pow")


@dataclass(frozen=True)
class Chain:
    """A value that hangs on another by elementwise steps of its own shape alone.

    slot: of the value; start: of what it hangs on; steps: those between. is_output: it is stored,
    and so is rounded into storage; else it is rounded as all arithmetic is.
    """

    slot: int
    start: int
    steps: tuple[Step, ...]
    is_output: bool


class Kept:
    """Puts rounded values of a question in place of its own, for the gradients alone.

    told: the slots of the outputs, which the run itself still tells as they were.
    """

    def __init__(self, asked: Question, claim: Claim) -> None:
        self.claim = claim
        self.told = frozenset(asked.traced.outputs[:asked.forward])
        self.chains = [*_chains(asked, self.told)]
        self.compared = _compared(asked)

    def put(self, slots: list[Any], noise: Noise) -> None:
        """Changes the slots to what the gradients see; noise: of numbers, which way they go."""
        before = slots.copy()
        for chain in self.chains:
            self._turn(slots, before, chain, noise)
        for slot in self.told:
            if as_real(before[slot]) and slot not in self.compared:
                slots[slot] = self.claim.stored.rounded(before[slot])

    def _turn(self, slots: list[Any], before: Sequence[Any], chain: Chain, noise: Noise) -> None:
        """What lies between, for a start that gives the value as it is kept, or nearly."""
        y = before[chain.slot]
        off = self.claim.stored.rounded(y) - y if chain.is_output else np.zeros_like(y)
        room = np.abs(off) + self.claim.operations.unit * np.abs(y)
        way = np.where(off == 0, np.sign(noise(y)), np.sign(off))
        rising = _rises(before, chain)
        if rising is None:
            return
        far = _furthest(before, chain, way if rising else -way, room)
        moved = _at(before, chain, before[chain.start] + far)
        for step in chain.steps:
            for each in step.outputs:
                if as_real(moved[each]) and each not in self.compared:
                    slots[each] = moved[each]


def _compared(asked: Question) -> frozenset[int]:
    """The slots whose numbers the gradients compare, moved about or not."""
    found: set[int] = set()
    for step in asked.inward[::-1]:
        if step.name in COMPARISONS or (step.name in MOVED and found.intersection(step.outputs)):
            found.update(step.inputs)
    return frozenset(found)


def _rises(slots: Sequence[Any], chain: Chain) -> bool | None:
    """Whether the value rises with its start, by all its entries; None where that differs."""
    x = slots[chain.start]
    hair = 2.0**-6 * np.maximum(np.abs(x), 1.0)
    up, down = (_at(slots, chain, x + h)[chain.slot] for h in (hair, -hair))
    apart = up - down
    clear = apart[np.abs(apart) > 2.0**-50 * (np.abs(up) + np.abs(down))]
    if not clear.size or not (np.all(clear > 0) or np.all(clear < 0)):
        return None
    return bool(clear[0] > 0)


def _furthest(slots: Sequence[Any], chain: Chain, way: Array, room: Array) -> Array:
    """How far the start may go that way, to a factor of 2, while the value stays in its room."""
    x, y = slots[chain.start], slots[chain.slot]
    far, step = np.zeros_like(x), NEAREST
    while step <= FURTHEST:
        tried = way * step * np.maximum(np.abs(x), 1.0)
        with np.errstate(all="ignore"):
            off = np.abs(_at(slots, chain, x + tried)[chain.slot] - y)
        inside = off <= room
        if not inside.any():
            break
        far = np.where(inside, tried, far)
        step *= 2.0
    return far


def _at(slots: Sequence[Any], chain: Chain, x: Array) -> list[Any]:
    """The slots with another start, and the steps after it computed again."""
    found = list(slots)
    found[chain.start] = x
    advance(found, chain.steps)
    return found


def _chains(asked: Question, told: frozenset[int]) -> Iterator[Chain]:
    """Of each output that has one, its chain from an input; and of quotients of exponentials."""
    graph = _Graph(asked)
    inputs = [slot for slot, real in zip(asked.traced.inputs, asked.real, strict=True) if real]
    exponents = [step.inputs[0] for step in asked.outward if step.name == "exp"]
    quotients = [step.outputs[0] for step in asked.outward if step.name in DIVISIONS]
    for slot in sorted(told):
        yield from islice(graph.chains(slot, inputs, True), 1)
    for slot in quotients:
        if slot not in told:
            yield from islice(graph.chains(slot, exponents[::-1], False), 1)


class _Graph:
    """The outward steps of a question: the shape of each slot, and the slots that it hangs on."""

    def __init__(self, asked: Question) -> None:
        self.steps = asked.outward
        inputs = asked.traced.inputs
        self.inputs = frozenset(inputs)
        self.shapes: dict[int, tuple[int, ...]] = {
            slot: tuple(array.shape) for slot, array in zip(inputs, asked.arguments, strict=True)}
        self.behind: dict[int, frozenset[int]] = {slot: frozenset((slot,)) for slot in inputs}
        for step in self.steps:
            every = frozenset[int]().union(*(self.behind.get(slot, ()) for slot in step.inputs))
            for slot, var in zip(step.outputs, step.equation.outvars, strict=True):
                self.shapes[slot] = tuple(var.aval.shape)
                self.behind[slot] = every | {slot}

    def chains(self, slot: int, starts: Sequence[int], is_output: bool) -> Iterator[Chain]:
        """The chains that end at the slot, from one of those starts."""
        for start in starts:
            if start != slot and self.shapes.get(start) == self.shapes.get(slot):
                steps = self.between(start, slot)
                if any(slot in step.outputs for step in steps) and self.alone(start, steps):
                    yield Chain(slot, start, steps, is_output)

    def between(self, start: int, slot: int) -> tuple[Step, ...]:
        """The elementwise steps of that shape that hang on the start through such steps, less what
        hangs on the slot itself.
        """
        live, found = {start}, []
        for step in self.steps:
            after = any(slot in self.behind.get(each, ()) for each in step.inputs)
            same = all(self.shapes[each] == self.shapes[start] for each in step.outputs)
            if step.name in ELEMENTWISE and same and not after and live.intersection(step.inputs):
                live.update(step.outputs)
                found.append(step)
        return tuple(found)

    def alone(self, start: int, steps: Sequence[Step]) -> bool:
        """Whether the steps take nothing else but constants and what hangs on the start."""
        return all(start in behind or not behind & self.inputs
                   for step in steps for each in step.inputs
                   if (behind := self.behind.get(each, frozenset())))


__all__ = ["Chain", "Kept"]
