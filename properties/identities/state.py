"""State: an answer owes nothing to the questions before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...reference import Case
from ..claims import Claims
from ..identity import Equation, Found, Property, Reply, every, rows
from ..measured import Measured
from ..tolerance import spread


def ask_twice(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    return [case, case]


def other_numbers(case: Case) -> Case:
    """The same network and shapes with other numbers: halved parameters, inputs turned round.

    Inputs that are indices stay as they are.
    """
    parameters = {name: value / 2 for name, value in case.parameters.items()}
    inputs = -case.inputs / 2 if case.network.real else case.inputs
    return case.but(inputs=inputs, parameters=parameters)


def ask_between(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """Other numbers in arrays of other shapes, then of the same: a cache may be kept by shape."""
    other = other_numbers(case)
    fewer = rows(other, slice(0, max(claims.batch[0], case.batch - 1)))
    return [case, fewer, other, case]


def judge_last(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    """The same answer again; NaN again is the same answer, whatever else is wrong with it."""
    for name, again, first in every(r[-1], r[0]):
        same = np.isnan(again.value) & np.isnan(first.value)
        left, right = (Measured(np.where(same, 0.0, m.value), m.tolerance) for m in (again, first))
        yield name, left, right


def judge_between(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    """The same answer again, and in between not the first one once more, where that is wrong.

    Where both questions have one true answer, the same answer twice says nothing.
    """
    yield from judge_last(r, places)
    between, first = r[-2], r[0]
    true, before = (spread(each.case).truth.gradients for each in (between, first))
    if right(first) and all(np.array_equal(kept.value, other.value)
                            for _, kept, other in every(between, first)):
        yield from ((name, kept, true[name]) for name, kept in between.gradients.items()
                    if (np.abs(true[name] - before[name]) > kept.tolerance).any())


def right(reply: Reply) -> bool:
    """Whether the answer is the true one: only such an answer can be told to have been kept."""
    true = spread(reply.case).truth.gradients
    return all(bool((np.abs(g.value - true[name]) <= g.tolerance).all())
               for name, g in reply.gradients.items())


PROPERTIES = {
    "repeated_question": Property(
        "state", "the same question, asked twice, has the same answer", ask_twice, judge_last),
    "another_case_between": Property(
        "state", "an answer does not depend on the question before", ask_between, judge_between),
}
