"""A large answer along directions: each array has its own, one of random signs and one Gaussian.

Random signs leave no entry out, but two equal and opposite errors cancel along half of them; along
normal numbers nothing cancels, but some entries hardly count. One direction after another is
looked at, so that no more than one copy of one array is there at a time. Where the answer and the
differences of the forward disagree, the direction is halved until one entry is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..oracles.along_one import DIRECTIONS, Along
from ..oracles.flat import pieces, trained
from ..oracles.halving import Block, halved
from ..reference import Answer
from .agreement import Disagreement, differing
from .identities import Reply
from .measured import Measured, apart
from .perturbed import UNIT
from .tolerance import SLACK


class Directed(NamedTuple):
    """What became of one direction of one array.

    `outcome`: "passed", "failed", "diverged" (differences are not on the truth's side), or
    "inconclusive". `found`: where it failed, the numbers along it, or the entry's, and `block` the
    entries that it was halved to.
    """

    parameter: str
    direction: str
    outcome: str
    found: Disagreement | None = None
    block: Block | None = None

    @property
    def says(self) -> str:
        """Where it failed, in words."""
        if self.block is None or self.found is None:
            return ""
        where = (f"entry {list(self.found.where)}" if self.block.entries == 1 else
                 f"the entries {self.block.start} to {self.block.stop - 1}, counted as they lie")
        return f"{self.parameter} along {self.direction}: halving leads to {where}"


Locate = Callable[["Sides", Any], tuple[Block | None, Disagreement]]


class Sides:
    """One array of the answer beside the differences along any direction of it."""

    def __init__(self, along: Along, name: str, gradient: Measured, true: Any):
        self.along, self.name, self.gradient, self.true = along, name, gradient, true

    def theirs(self, direction: Any) -> Measured:
        """The derivative by differences; infinitely uncertain where a kink is in the way."""
        value, error = self.along.derivative(self.name, direction)
        return Measured(np.asarray(value), np.asarray(SLACK * error))

    def mine(self, direction: Any) -> Measured:
        """The answer's; what every entry may be off by adds up."""
        return Measured(_dot(self.gradient.value, direction),
                        2.0 * _dot(self.gradient.tolerance, np.abs(direction)))

    def wrong(self, direction: Any) -> float:
        """By how many tolerances the two are apart."""
        error, allowed = apart(self.mine(direction), self.theirs(direction))
        return float(error / allowed) if allowed > 0 else float(np.inf if error > 0 else 0.0)


def directed(reply: Reply, truth: Answer, rng: Any, locate: Locate) -> Iterator[Directed]:
    """Every direction of every array given, in turn."""
    noise = float(reply.loss.tolerance) * UNIT["float64"] / UNIT[reply.case.dtype]
    along = Along(reply.case, noise)
    for name, gradient in reply.gradients.items():
        for how, make in DIRECTIONS.items():
            direction = trained(reply.case, name, make(pieces(reply.case)[name], rng))
            sides = Sides(along, name, gradient, truth.gradients[name])
            found = _judged(sides, how, direction, locate)
            yield found
            if found.outcome == "failed":
                break


def _judged(sides: Sides, how: str, direction: Any, locate: Locate) -> Directed:
    mine, theirs = sides.mine(direction), sides.theirs(direction)
    if not np.isfinite(theirs.tolerance):
        return Directed(sides.name, how, "inconclusive")
    true = Measured(_dot(sides.true, direction), mine.tolerance)
    if differing(sides.name, true, theirs) is not None:
        return Directed(sides.name, how, "diverged")
    if differing(sides.name, mine, theirs) is None:
        return Directed(sides.name, how, "passed")
    block, found = locate(sides, direction)
    return Directed(sides.name, how, "failed", found, block)


def whole(sides: Sides, direction: Any) -> tuple[Block | None, Disagreement]:
    """The numbers along the whole direction."""
    found = differing(sides.name, sides.mine(direction), sides.theirs(direction))
    assert found is not None
    return None, found


def halving(sides: Sides, direction: Any) -> tuple[Block | None, Disagreement]:
    """The block that halving leads to, and the entry's numbers where it is one."""
    block = halved(direction, sides.wrong)
    if block.entries > 1:
        return block, whole(sides, direction)[1]
    unit = np.zeros(direction.size)
    unit[block.start] = 1.0
    unit = unit.reshape(direction.shape)
    got, wanted = sides.mine(unit), sides.theirs(unit)
    error, allowed = apart(got, wanted)
    where = tuple(map(int, np.unravel_index(block.start, direction.shape)))
    return block, Disagreement(sides.name, where, float(got.value), float(wanted.value),
                               float(error), float(allowed))


def _dot(one: Any, other: Any) -> Any:
    """The sum of products, without a third array."""
    return np.asarray(np.dot(np.ravel(one), np.ravel(other)))
