"""Is a name true of a mistake? Asked of the program and of the known mistake alone, on networks that no run has seen.

A name is true where the mistake was made so (a known mistake in one place, or with another number), and where, on every
fresh network that shows the mistake or one of its parts, the known mistake gives the program's numbers. A name that
nothing bears out is false.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import chain, combinations, islice
from typing import Any, NamedTuple

import numpy as np
from backproof.faults import FAULTS, core
from backproof.faults.behaviour import asked
from backproof.faults.restricted import restricted
from backproof.judging import plan
from backproof.judging.smoke import smoke
from backproof.plug.subject import subject_of
from backproof.properties.identities.state import other_numbers
from backproof.properties.strategies import cases
from backproof.properties.tolerance import spread
from backproof.reference import Answer
from foreign_mistakes import CALLS, Mistake, Part, planting
from foreign_programs import program

FRESH, SEED = 40, 77_000
LEAST = 3


class Borne(NamedTuple):
    """On how many fresh networks the parts show, and on how many of these the known mistake gives the same."""

    parts: tuple[Part, ...]
    shown: int
    same: int
    elsewhere: int

    @property
    def true(self) -> bool:
        return self.shown >= LEAST and self.same == self.shown


@functools.cache
def claims_of(style: str) -> Any:
    """The claims of a style, with every reduction stated."""
    return smoke(subject_of(program(style)))[0]


@functools.cache
def fresh(style: str, count: int = FRESH) -> list[Any]:
    """Networks in the claims of the style, of a seed that no run has."""
    return list(islice(plan.drawn(cases(claims_of(style)), SEED), count))


class Told(NamedTuple):
    """A name as a finding tells it: with its number, and with the one place where the mistake is, where there is one."""

    name: str
    number: float | None = None
    only: tuple[str, str] | None = None

    @property
    def fault(self) -> Any:
        """The row of the table, with this number, in this place only."""
        fault = FAULTS[self.name]
        fault = fault if self.number is None else core.with_value(fault, self.number)
        return fault if self.only is None else restricted(fault, core.Feature(*self.only))

    def __str__(self) -> str:
        number = "" if self.number is None else f" with {self.number:.6g}"
        return f"{self.name}{number}" + ("" if self.only is None else f" in {self.only[0]} {self.only[1]} only")


def told(finding: Any) -> Told | None:
    """The likeliest name of a finding as it tells it; None where it has none."""
    if not finding.faults:
        return None
    return Told(finding.faults[0], next(iter(finding.numbers.values()), None), next(iter(finding.only.items()), None))


def is_true(name: Told, made: Mistake, style: str) -> bool:
    """Whether the name is true of the mistake or of a part of it."""
    return name.name in made.known or any(borne_out(name, parts, style).true for parts in subsets(made.parts))


def subsets(parts: Sequence[Part]) -> list[tuple[Part, ...]]:
    return list(chain.from_iterable(combinations(parts, k) for k in range(1, len(parts) + 1)))


@functools.cache
def borne_out(name: Told, parts: tuple[Part, ...], style: str) -> Borne:
    """The program with these parts beside the known mistake, on fresh networks."""
    fault = name.fault
    several = fault.family == "state" or any(part.condition in CALLS for part in parts)
    shown = same = elsewhere = 0
    for case in fresh(style):
        questions = [case, case, other_numbers(case), case] if several else [case]
        subject = subject_of(program(style, planting(parts))).engine
        mine, theirs = answers(subject, questions), answers(asked(fault), questions)
        alike = all(equal(a, b, q) for a, b, q in zip(mine, theirs, questions, strict=True))
        if not all(right(a, q) for a, q in zip(mine, questions, strict=True)):
            shown, same = shown + 1, same + alike
        elif not alike:
            elsewhere += 1
    return Borne(parts, shown, same, elsewhere)


# Of 40 fresh networks, so many at least show a mistake by itself, in one of the gradients or in the loss.
ALONE = 5


@functools.cache
def separable(parts: tuple[Part, ...], style: str) -> bool:
    """Whether each part shows by itself often enough, though the others are there: on some networks, or in some arrays."""
    return all(alone(parts, part, style) >= ALONE for part in parts)


def alone(parts: tuple[Part, ...], part: Part, style: str) -> int:
    """On how many fresh networks an array of the program is wrong, and what this part alone makes of it, and no other."""
    makers = [parts, *((each,) for each in (part, *(other for other in parts if other != part)))]
    count = 0
    for case in fresh(style):
        together, mine, *others = (arrays(subject_of(program(style, planting(each))).engine, case) for each in makers)
        truth = {"loss": spread(case).truth.loss, **spread(case).truth.gradients}
        count += any(same(together[name], mine[name], case, name) and not same(mine[name], truth[name], case, name)
                     and not any(same(mine[name], other[name], case, name) for other in others)
                     for name in together)
    return count


def arrays(ask: Any, case: Any) -> dict[str, Any]:
    answer = ask(case)
    return {"loss": answer.loss, **answer.gradients}


def same(a: Any, b: Any, case: Any, name: str) -> bool:
    s = spread(case)
    return near(a, b, s.loss if name == "loss" else s.gradients[name], case.dtype)


def showing(made: Mistake, style: str) -> int:
    """On how many fresh networks the mistake shows when each is asked of a fresh program."""
    return sum(not right(answers(subject_of(program(style, planting(made))).engine, [case])[0], case)
               for case in fresh(style))


def answers(ask: Any, questions: Sequence[Any]) -> list[Any]:
    """What is answered to each, and how the arrays of the question look then; an exception's type where it raises."""
    found: list[Any] = []
    for question in questions:
        case = question.copy()
        try:
            found.append(ask(case))
        except Exception as error:
            found.append(f"{type(error).__name__}: {getattr(error, 'kind', '')}")
    return found


def right(answer: Any, case: Any) -> bool:
    """Whether an answer is the truth, as far as rounding lets one tell."""
    return isinstance(answer, Answer) and equal(answer, spread(case).truth, case)


def equal(mine: Any, theirs: Any, case: Any) -> bool:
    """The same loss and gradients, of those that the first gives, as far as rounding lets one tell."""
    if not isinstance(mine, Answer) or not isinstance(theirs, Answer):
        return bool(mine == theirs)
    s = spread(case)
    pairs = [(mine.loss, theirs.loss, s.loss)]
    pairs += [(g, theirs.gradients.get(name, g), s.gradients[name]) for name, g in mine.gradients.items()]
    return all(near(a, b, allowed, case.dtype) for a, b, allowed in pairs)


def near(a: Any, b: Any, allowed: Any, dtype: str) -> bool:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return False
    ok = np.isfinite(a)
    size = np.abs(b[ok]).max(initial=0.0)
    floor = np.full(a.shape, np.asarray(allowed).max(initial=0.0) * 16 + size * (1e-11 if dtype == "float64" else 1e-4))
    return bool(np.all(np.abs(a[ok] - b[ok]) <= floor[ok]))
