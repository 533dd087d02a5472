"""Where is it wrong? A direction on which two sides disagree is halved, down to one entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Wrong = Callable[[Any], float]


class Block(NamedTuple):
    """The entries `start` to `stop` of an array, counted as they lie, which disagree."""

    start: int
    stop: int

    @property
    def entries(self) -> int:
        return self.stop - self.start


def halved(direction: Any, wrong: Wrong) -> Block:
    """The smallest block of a direction that still disagrees, found by halving.

    wrong(direction): by how many tolerances the sides disagree along it, above 1 where they do. The
    half that disagrees more is followed; where neither does, the two halves only together do, and
    the block is not halved any more.
    """
    start, stop = 0, direction.size
    while stop - start > 1:
        middle = (start + stop) // 2
        worst, half = max((wrong(_only(direction, *half)), half)
                          for half in ((start, middle), (middle, stop)))
        if not worst > 1.0:
            break
        start, stop = half
    return Block(start, stop)


def _only(direction: Any, start: int, stop: int) -> Any:
    """The direction with zeros elsewhere."""
    part = np.zeros(direction.size)
    part[start:stop] = direction.ravel()[start:stop]
    return part.reshape(direction.shape)
