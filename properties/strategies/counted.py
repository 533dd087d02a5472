"""A counter as the source of choices: seed and number give the same everywhere, in any order.

Philox turns a key and a counter into random words, with no state between (Salmon and others,
Parallel random numbers: as easy as 1, 2, 3, 2011). So structure number 1,000,000 costs as much as
the first, and machines that share a run need to be told nothing but which numbers are theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..claims import Claims
from .draft import STYLED, Draft, draft_inside
from .values import Style

WORDS = 64     # taken from the generator at once
NUMBERS = 5    # of a draft's seed


class Counted:
    """Choices by the number `number` of the sequence that belongs to `seed`."""

    def __init__(self, seed: int, number: int):
        self.words = _words(seed, number)

    def __call__(self, options: Sequence[Any], /) -> Any:
        return options[next(self.words) % len(options)]


def _words(seed: int, number: int) -> Iterator[int]:
    source = np.random.Philox(key=seed, counter=number << 128)
    while True:
        yield from source.random_raw(WORDS).tolist()


def draft_at(claims: Claims, seed: int, number: int) -> Draft:
    """The draft of this number inside the claims."""
    choose = Counted(seed, number)

    def style() -> Style:
        return Style(**{name: choose(options) for name, options in STYLED.items()})

    return draft_inside(choose, claims, style,
                        lambda: [choose(range(100)) for _ in range(NUMBERS)])
