"""A score of correctness: how many cells are right, of feature by output or gradient.

A cell is a dtype, a feature that trials may have ("values": "large mean") and one output or one
gradient; it is right if that is right in every trial that has the feature. All trials are the same
for the same seed, whatever was answered, so a kernel that is right on more never scores less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .judge import Judge
from .judged import Failure, Judged
from .stated import stated

NUMBERS = ("plain", "contract", "repeated", "twice")  # checks that are about one key alone


class Cell(NamedTuple):
    """right of so many trials of the dtype with the feature had the key right."""

    dtype: str
    feature: str
    value: str
    key: str
    right: int
    of: int

    @property
    def is_right(self) -> bool:
        return self.right == self.of


def cells(judge: Judge, judged: Sequence[Judged]) -> list[Cell]:
    """Every cell of these trials, in the order in which they first came."""
    counts: dict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for each in judged:
        right = set(keys_right(judge, each))
        for feature, value in each.trial.features.items():
            for key in each.truth:
                count = counts[each.trial.dtype, feature, value, key]
                count[0] += key in right
                count[1] += 1
    return [Cell(*name, *count) for name, count in counts.items()]


def keys_right(judge: Judge, judged: Judged) -> Iterator[str]:
    """The outputs and gradients of a trial that are right by every check that is about them.

    A trial in which anything else is wrong, such as an input that was changed, has none.
    """
    failures = [*judged.failures, *_further(judge, judged)]
    wrong = {failure.key for failure in failures}
    if any(f.check not in NUMBERS or f.key not in judged.truth for f in failures):
        return
    yield from (key for key in judged.truth if key not in wrong)


def _further(judge: Judge, judged: Judged) -> Iterator[Failure]:
    """What is not looked at any more where numbers are wrong already; a score has to."""
    if judged.reply is not None:
        for _, failures in stated(judge, judged, judged.reply, False):
            yield from failures


def share(found: Sequence[Cell], of: Callable[[Cell], bool] = lambda _: True) -> float:
    """The share of the cells that are right; 0 of none. It is 1.0 only where all are."""
    these = [cell for cell in found if of(cell)]
    return sum(cell.is_right for cell in these) / len(these) if these else 0.0


def is_output(cell: Cell) -> bool:
    """Whether it is about the forward pass."""
    return cell.key.startswith("output ")


def to_json(cell: Cell) -> dict[str, Any]:
    """A cell as a report has it."""
    return {"dtype": cell.dtype, "feature": cell.feature, "value": cell.value, "key": cell.key,
            "right": cell.right, "of": cell.of}
