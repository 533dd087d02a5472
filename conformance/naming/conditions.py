"""Which simple conditions part the networks that failed from those that passed?

A condition speaks of one trait: "batch >= 5", "tanh among the hidden activations". It is made from
the failing networks, so that it holds on all of them: of numbers the smallest, the largest, the
only one; odd, even, a divisor; of names those that all have, or all lack. What is left to ask is
how many of the passing networks it holds on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .traits import TRAITS, Kind, Traits

DIVISORS = (3, 4, 5, 8)


class Condition(NamedTuple):
    """A trait in a relation to a value: ("batch", ">=", 5), ("dtype", "has", "float32")."""

    trait: str
    relation: str
    value: Any = None

    def holds(self, traits: Traits) -> bool:
        """Whether it holds on a case."""
        return bool(RELATIONS[self.relation](traits[self.trait], self.value))


RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda v, k: v == k,
    ">=": lambda v, k: v >= k,
    "<=": lambda v, k: v <= k,
    "odd": lambda v, k: v % 2 == 1,
    "even": lambda v, k: v % 2 == 0,
    "divisible by": lambda v, k: v % k == 0,
    "not divisible by": lambda v, k: v % k != 0,
    "has": lambda v, k: k in v,
    "lacks": lambda v, k: k not in v,
    "holds": lambda v, k: v,
    "holds not": lambda v, k: not v,
}


def conditions(failing: Sequence[Traits], passing: Sequence[Traits]) -> Iterator[Condition]:
    """Every condition that holds on all the failing networks, the plainest traits first."""
    for name, trait in TRAITS.items():
        values = [traits[name] for traits in failing]
        for relation, value in MAKE[trait.kind](values):
            yield Condition(name, relation, value)
        if trait.kind is Kind.NAMES:
            yield from (Condition(name, "lacks", each) for each in lacked(
                values, [traits[name] for traits in passing]))


Made = Iterator[tuple[str, Any]]


def of_wholes(values: list[int]) -> Made:
    """The one number; a limit; and where there are several, what they are divisible by."""
    if len(set(values)) == 1:
        yield "=", values[0]
    yield ">=", min(values)
    yield "<=", max(values)
    if len(set(values)) > 1:
        yield from divided(values)


def divided(values: list[int]) -> Made:
    for relation in ("odd", "even"):
        if all(RELATIONS[relation](v, None) for v in values):
            yield relation, None
    for k in DIVISORS:
        for relation in ("divisible by", "not divisible by"):
            if all(RELATIONS[relation](v, k) for v in values):
                yield relation, k


def of_reals(values: list[float]) -> Made:
    yield ">=", min(values)
    yield "<=", max(values)


def of_flags(values: list[bool]) -> Made:
    if all(values):
        yield "holds", None
    if not any(values):
        yield "holds not", None


def of_names(values: list[frozenset[str]]) -> Made:
    yield from (("has", name) for name in sorted(frozenset.intersection(*values)))


def lacked(failing: list[frozenset[str]], passing: list[frozenset[str]]) -> list[str]:
    """The names that all passing networks have and no failing one."""
    had = frozenset.intersection(*passing) if passing else frozenset[str]()
    return sorted(had.difference(*failing))


MAKE: dict[Kind, Callable[[list[Any]], Made]] = {
    Kind.WHOLE: of_wholes, Kind.REAL: of_reals, Kind.FLAG: of_flags, Kind.NAMES: of_names}
