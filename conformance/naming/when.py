"""When does a mistake show? The simplest condition that parts failing from passing networks.

The networks of the run say which conditions are possible: those that hold on every network that
failed and on hardly any that passed. Many hold by chance, so the subject decides. Failing networks
are moved out of the condition, everything else being left as it is as far as it can: they must
pass, every one. Passing networks are moved into it: they must fail, nearly all, since a mistake may
have no effect on a network. A limit is closed in on until nothing lies between what passes and what
fails. And where two conditions have held together so far, networks are sought on which they part.
What none of this contradicts is told, with the counts of the networks drawn; else nothing is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import Any, NamedTuple

import numpy as np

from ..judging.session import clock
from ..properties.claims import Claims
from ..reference import Case
from .conditions import Condition, conditions
from .moving import moved
from .traits import TRAITS, Kind, Traits

SECONDS = 3.0
SHARE = 0.1
PROBES = 6
ENOUGH = 3
STEPS = 12
LIMITS = (">=", "<=")


class When(NamedTuple):
    """A condition; how many networks failed of those drawn on which it holds, and of the others.

    `nearest`: for a limit, the nearest value at which networks passed. `asked`: the same counts of
    the networks that were asked to find out.
    """

    condition: Condition
    inside: tuple[int, int]
    outside: tuple[int, int]
    nearest: float | None = None
    asked: tuple[int, int, int, int] = (0, 0, 0, 0)

    def to_json(self) -> dict[str, Any]:
        """Plain data: what a finding keeps."""
        trait, relation, value = self.condition
        return {"trait": trait, "relation": relation, "value": value, "nearest": self.nearest,
                "inside": list(self.inside), "outside": list(self.outside),
                "asked": list(self.asked)}


class Networks(NamedTuple):
    """The networks of a run, as far as one finding is concerned: those that failed, and the others.

    `drawn`: how many of the failing were drawn by the run, and are counted.
    """

    failing: list[Case]
    passing: list[Case]
    drawn: int


def when(networks: Networks, fails: Callable[[Case], bool | None], claims: Claims,
         seconds: float = SECONDS) -> When | None:
    """The condition, None where there is none; fails(case) is None where nothing can be said."""
    if not networks.failing or not networks.passing:
        return None
    with np.errstate(all="ignore"):
        return Search(networks, fails, claims, seconds).best()


class Search:
    """What is known: the networks drawn, and those asked since; and the conditions still left."""

    def __init__(self, networks: Networks, fails: Callable[[Case], bool | None], claims: Claims,
                 seconds: float):
        self.networks, self.fails, self.claims = networks, fails, claims
        self.deadline = time.monotonic() + min(seconds, clock().left)
        self.rng = np.random.default_rng(0)
        self.failing = [Traits(case) for case in networks.failing]
        self.passing = [Traits(case) for case in networks.passing]
        self.asked: list[tuple[Traits, bool]] = []
        self.bases = (bases(networks.failing), bases(networks.passing))

    def best(self) -> When | None:
        """The first of the possible conditions that the subject bears out."""
        left = self.possible()
        for condition in left:
            found = self.borne_out(condition, left)
            if found is not None:
                return self.told(found)
            if time.monotonic() > self.deadline:
                return None
        return None

    # --- by the networks drawn --------------------------------------------------------------------

    def possible(self) -> list[Condition]:
        """The conditions that hold on all failing networks and hardly any other, nearest first."""
        found = []
        for condition in conditions(self.failing, self.passing):
            share = self.exceptions(condition)
            if share is not None:
                found.append((share, condition))
        return [condition for _, condition in sorted(found, key=lambda pair: pair[0])]

    def exceptions(self, condition: Condition) -> float | None:
        """The share of passing networks among those on which it holds; None where it is no help."""
        most = SHARE * len(self.failing) / (1 - SHARE)
        held = 0
        for traits in self.passing:
            held += condition.holds(traits)
            if held > most:
                return None
        return held / len(self.failing) if held < len(self.passing) else None

    # --- by asking --------------------------------------------------------------------------------

    def ask(self, case: Case) -> bool | None:
        """Whether the subject fails on a case; what is found out is kept."""
        failed = self.fails(case)
        if failed is not None:
            self.asked.append((Traits(case), failed))
        return failed

    def move(self, failing: bool, condition: Condition, inside: bool,
             values: Sequence[Any] = ()) -> Iterator[Case]:
        """Networks that failed, or passed, moved to a side of a condition."""
        for case in islice(cycle(self.bases[not failing]), 2 * len(self.bases[not failing])):
            if time.monotonic() > self.deadline:
                return
            there = moved(case, condition, inside, self.claims, self.rng, values)
            if there is not None:
                yield there

    def borne_out(self, condition: Condition, rivals: Sequence[Condition]) -> Condition | None:
        """The condition, its limit closed in on, where everything asked agrees with it."""
        for _ in range(STEPS):
            if condition.relation in LIMITS:
                condition = self.closed_in(condition)
            if self.exceptions(condition) is None:
                return None
            beyond = self.beyond(condition, rivals)
            if beyond is None:
                return condition if self.enough(condition) else None
            if condition.relation not in LIMITS:
                return None
            condition = condition._replace(value=beyond[condition.trait])
        return None

    def beyond(self, condition: Condition, rivals: Sequence[Condition]) -> Traits | None:
        """A network that fails where the condition does not hold; None where none is found."""
        known = next((traits for traits, failed in self.asked
                      if failed and not condition.holds(traits)), None)
        if known is not None:
            return known
        outside = self.move(True, condition, False, near(condition, False))
        for case in islice(outside, PROBES):
            if self.ask(case):
                return self.asked[-1][0]
        return None

    def closed_in(self, condition: Condition) -> Condition:
        """The limit moved to the last value at which networks moved there still fail."""
        whole = TRAITS[condition.trait].kind is Kind.WHOLE
        for _ in range(STEPS):
            gap = between(condition.value, self.nearest(condition), whole)
            if gap is None:
                break
            step = Condition(condition.trait, "=" if whole else condition.relation, gap)
            tried = [case for case in islice(self.move(True, step, True, [gap]), ENOUGH)
                     if not condition.holds(Traits(case))]
            failed = [self.asked[-1][0] for case in tried if self.ask(case)]
            if failed:
                pick = min if condition.relation == ">=" else max
                condition = condition._replace(value=pick(t[condition.trait] for t in failed))
            elif not tried:
                break
        return condition

    def nearest(self, condition: Condition) -> float | None:
        """Of the networks that passed beyond a limit, the value nearest to it."""
        passed = [*self.passing, *(traits for traits, failed in self.asked if not failed)]
        beyond = [traits[condition.trait] for traits in passed if not condition.holds(traits)]
        pick = max if condition.relation == ">=" else min
        return pick(beyond) if beyond and condition.relation in LIMITS else None

    def enough(self, condition: Condition) -> bool:
        """Whether passing networks moved into the condition fail, and enough was asked."""
        inside = self.move(False, condition, True, near(condition, True))
        for case in islice(inside, PROBES):
            self.ask(case)
        failed, held, _, outside = self.counts(condition)
        return held >= ENOUGH and outside >= ENOUGH and failed >= (1 - 2 * SHARE) * held

    def counts(self, condition: Condition) -> tuple[int, int, int, int]:
        """Of the networks asked: failed and all where it holds, failed and all elsewhere."""
        sides = [(condition.holds(traits), failed) for traits, failed in self.asked]
        held = [failed for holds, failed in sides if holds]
        others = [failed for holds, failed in sides if not holds]
        return sum(held), len(held), sum(others), len(others)

    # --- what is told -----------------------------------------------------------------------------

    def told(self, condition: Condition) -> When:
        """The condition with its counts."""
        held = sum(condition.holds(traits) for traits in self.passing)
        drawn = self.networks.drawn
        return When(condition, (drawn, drawn + held), (0, len(self.passing) - held),
                    self.nearest(condition), self.counts(condition))


def bases(cases: Sequence[Case], most: int = PROBES) -> list[Case]:
    """A few of the cases, from all over."""
    return list(cases[::max(1, len(cases) // most)])[:most]


def near(condition: Condition, inside: bool) -> list[Any]:
    """Values on a side of the condition, the nearest ones above all."""
    k, kind = condition.value, TRAITS[condition.trait].kind
    up = (condition.relation == ">=") is inside
    if kind is Kind.REAL:
        return [k * f for f in ((1.02, 1.1, 1.5, 3.0) if up else (0.98, 0.9, 0.6, 0.2))]
    if kind is Kind.WHOLE and condition.relation in LIMITS:
        start = k if inside else k - 1 if condition.relation == ">=" else k + 1
        values = [start, start, start + 1, start + 3] if up else [start, start, start - 1, 1]
        return [v for v in values if v >= 1]
    if kind is Kind.WHOLE:
        many = [v for v in range(1, 18) if condition.holds(Fixed(condition.trait, v)) is inside]
        return many if condition.relation != "=" or inside else [k - 1 or 2, k + 1, k + 2, 2 * k]
    return [k]


class Fixed(Traits):
    """Traits of which one is known."""

    def __init__(self, name: str, value: Any):
        dict.__init__(self, {name: value})


def between(limit: float, passed: float | None, whole: bool) -> float | None:
    """A value between what fails and what passes; None where there is none to speak of."""
    if passed is None:
        return None
    if whole:
        return (limit + passed) // 2 if abs(limit - passed) > 1 else None
    return (limit + passed) / 2 if abs(limit - passed) > 0.01 * abs(limit) else None
