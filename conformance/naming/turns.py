"""A subject that is right at first and wrong from some question on, or wrong at one question alone.

The first answers of a run are kept with their numbers, and the networks drawn have the number of
their question. Where everything before a number is right and what comes after is wrong, the cases
that had a right answer are asked again: now they must be wrong. Small networks come first in a run,
and a mistake that small networks do not show looks just the same until they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..reference import Case
from .conditions import Condition
from .when import When

AGAIN = 6
SHARE = 0.1
QUESTION = "question"


class Turn(NamedTuple):
    """One answer: the number of the question, its case, and whether the answer was wrong."""

    number: int
    case: Case
    wrong: bool


def possible(turns: Sequence[Turn]) -> bool:
    """Whether the networks of a run allow it: one is wrong, or hardly any after the first wrong."""
    wrong = [turn.number for turn in turns if turn.wrong]
    after = [turn for turn in turns if wrong and turn.number >= min(wrong)]
    return len(wrong) == 1 or sum(not turn.wrong for turn in after) <= SHARE * len(after)


def turning(turns: Sequence[Turn], fails: Callable[[Case], bool | None]) -> When | None:
    """From which question on the answers are wrong, or at which alone; None where neither is so."""
    wrong = [turn for turn in turns if turn.wrong]
    if not wrong or len(wrong) == len(turns):
        return None
    if len(wrong) == 1 and len(turns) > 1:
        return alone(wrong[0], turns, fails)
    first = min(turn.number for turn in wrong)
    before = [turn for turn in turns if turn.number < first]
    after = [turn for turn in turns if turn.number >= first]
    late = sum(not turn.wrong for turn in after)
    if not before or not possible(turns):
        return None
    again = [failed for turn in before[-AGAIN:] if (failed := fails(turn.case)) is not None]
    if not any(again) or sum(not failed for failed in again) > SHARE * len(again):
        return None
    return When(Condition(QUESTION, ">=", first), (len(after) - late, len(after)),
                (0, len(before)), max(turn.number for turn in before),
                (sum(again), len(again), 0, 0))


def alone(turn: Turn, turns: Sequence[Turn], fails: Callable[[Case], bool | None]) -> When | None:
    """Wrong at one question, and right when that case is asked again."""
    again = [fails(turn.case) for _ in range(3)]
    if any(failed is not False for failed in again):
        return None
    return When(Condition(QUESTION, "=", turn.number), (1, 1), (0, len(turns) - 1), None,
                (0, 0, 0, len(again)))
