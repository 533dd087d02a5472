"""A score of correctness: how many cells are right, of feature by output or gradient.

A cell is a dtype, a feature that trials may have ("values": "large mean") and one output or one
gradient; it is right if that is right in every trial that has the feature. A further cell for each
check that is made where all else is right ("linear") is right if nothing was wrong in any trial.
All trials are the same for the same seed, whatever was answered, so a kernel that is right on more
never scores less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .checks.table import CHECKS
from .judged import Judged
from .program import Program
from .stated import repeated, twice

OF_A_KEY = ("plain", "contract", "repeated", "twice")      # checks that are about one key alone
OF_ALL = ("answers", "untouched")                          # whose failure leaves nothing of a trial
FURTHER = tuple(row.name for row in CHECKS if row.beside)  # not made where anything else is wrong
CHECK = "check"


class Cell(NamedTuple):
    """right of so many trials of the dtype with the feature had the key right.

    Of a further check the feature is "check" and the key the check's name.
    """

    dtype: str
    feature: str
    value: str
    key: str
    right: int
    of: int

    @property
    def is_right(self) -> bool:
        return self.right == self.of


def cells(program: Program, judged: Sequence[Judged]) -> list[Cell]:
    """Every cell of these trials, in the order in which they first came."""
    counts: dict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for each in judged:
        right = set(keys_right(program, each))
        for name, is_right in _counted(each, right):
            counts[name][0] += is_right
            counts[name][1] += 1
    return [Cell(*name, *count) for name, count in counts.items()]


def _counted(judged: Judged, right: set[str]
             ) -> Iterator[tuple[tuple[str, str, str, str], bool]]:
    """The cells that a trial counts for, and whether it is right there."""
    dtype, whole = judged.trial.dtype, len(right) == len(judged.truth)
    for feature, value in judged.trial.features.items():
        for key in judged.truth:
            yield (dtype, feature, value, key), key in right
    failed = {failure.check for failure in judged.failures}
    for check in FURTHER:
        yield (dtype, CHECK, "", check), whole and check not in failed


def keys_right(program: Program, judged: Judged) -> Iterator[str]:
    """The outputs and gradients of a trial that are right by every check that is about them.

    A trial in which more is wrong, such as an input that was changed, has none. What is not looked
    at where numbers are wrong already, a second backward, is looked at here.
    """
    made = [f for f in judged.failures if f.check in OF_A_KEY or f.check in OF_ALL]
    if judged.reply is not None:
        made += [*repeated(program, judged, judged.reply), *twice(judged, judged.reply)]
    if all(f.check in OF_A_KEY and f.key in judged.truth for f in made):
        wrong = {failure.key for failure in made}
        yield from (key for key in judged.truth if key not in wrong)


def share(found: Sequence[Cell], of: Callable[[Cell], bool] = lambda _: True) -> float:
    """The share of the cells that are right; 0 of none. It is 1.0 only where all are."""
    these = [cell for cell in found if of(cell)]
    return sum(cell.is_right for cell in these) / len(these) if these else 0.0


def is_output(cell: Cell) -> bool:
    """Whether it is about the forward pass alone."""
    return cell.feature != CHECK and cell.key.startswith("output ")


def to_json(cell: Cell) -> dict[str, Any]:
    """A cell as a report has it."""
    return {"dtype": cell.dtype, "feature": cell.feature, "value": cell.value, "key": cell.key,
            "right": cell.right, "of": cell.of}
