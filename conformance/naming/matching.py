"""Which known mistakes give the subject's wrong answers? Every fault is asked the same questions.

A name is earned in four steps. The fault must give the subject's wrong numbers on the reduced
network and on the same network with ordinary numbers: zeros and ones make different mistakes look
alike. It must give them on the other networks that are wrong, wherever it shows there. It must not
show where the subject is right. And where several faults are left, further networks are drawn on
which they differ, and the subject decides between them.

Where no single fault fits the reduced network, two in one program may. Where no formula fits, a
narrower precision is looked for (`precision.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..faults.core import Fault, Faults
from ..faults.showing import structures_in
from ..properties.strategies import mended
from ..reference import Case
from . import precision
from .fitting import fitted, refined
from .restricting import narrowed
from .witnessed import Witnessed

View = Callable[[Case], Witnessed]
PARTNERED = 6


@dataclass(frozen=True)
class Evidence:
    """What a name is held to: networks where the subject is wrong, and others drawn for no reason.

    `failing`: the reduced network first. `varied`: that network with ordinary numbers. `others`: of
    the same dtype, right ones and wrong ones. `faults`: what there is to choose from.
    """

    failing: Sequence[Witnessed]
    varied: Sequence[Witnessed]
    others: Sequence[Witnessed]
    faults: Mapping[str, Fault]

    @property
    def near(self) -> list[Witnessed]:
        """The reduced network, as it is and with ordinary numbers."""
        return [self.failing[0], *self.varied]

    @cached_property
    def wrong(self) -> list[Witnessed]:
        """Every network but the reduced one where the subject is wrong."""
        return [seen for seen in (*self.failing[1:], *self.others) if not seen.right]

    @cached_property
    def right(self) -> list[Witnessed]:
        """The networks where the subject is right, but for what is known."""
        return [seen for seen in self.others if seen.right]


def diagnose(view: View, evidence: Evidence) -> Faults:
    """The known mistakes that are consistent with the subject, the likeliest first.

    `view(case)`: a further case, seen beside what is known.
    """
    near, faults = evidence.near, evidence.faults
    found = quiet(consistent(near, faults), evidence)
    if chosen := whole(found, evidence):
        return specific(told_apart(chosen, evidence.others), evidence)
    numbers = consistent(near, with_numbers(near, faults))
    found |= quiet({name: refined(fault, near, evidence.wrong)
                    for name, fault in numbers.items() if name not in found}, evidence)
    for how in (whole, in_one_place, with_another, most):
        if chosen := how(found, evidence):
            return specific(told_apart(chosen, evidence.others), evidence)
    name = precision.inside(view, evidence.failing, evidence.others)
    return {name: faults[name]} if name in faults else {}


def with_numbers(near: Sequence[Witnessed], faults: Mapping[str, Fault]) -> Faults:
    """The mistakes that have a number in them, each with the one that the subject has."""
    return {name: fitted(fault, near) for name, fault in faults.items()
            if fault.number is not None and fault.value is None}


def specific(found: Faults, evidence: Evidence) -> Faults:
    """The candidates, those first that show on the fewest networks: they say most.

    Of equals, a mistake in a kind of layer comes before one that other layers may have too.
    """
    if len(found) < 2:
        return found
    seen = [*evidence.wrong, *evidence.others]
    shown = {name: sum(each.shows(fault) for each in seen) for name, fault in found.items()}
    return dict(sorted(found.items(), key=lambda pair: (
        shown[pair[0]], not structures_in(pair[1].family))))


def quiet(found: Faults, evidence: Evidence) -> Faults:
    """The candidates that do not show where the subject is right."""
    return {name: fault for name, fault in found.items()
            if not any(seen.shows(fault) for seen in evidence.right)}


# --- which of the candidates ----------------------------------------------------------------------


def whole(found: Faults, evidence: Evidence) -> Faults:
    """Those that account for every network that is wrong."""
    return {name: fault for name, fault in found.items() if not rest(fault, evidence.wrong)}


def in_one_place(found: Faults, evidence: Evidence) -> Faults:
    """Mistakes in one place only that account for every network that is wrong."""
    return narrowed(evidence.near, evidence.wrong, evidence.right, evidence.faults)


def with_another(found: Faults, evidence: Evidence) -> Faults:
    """Those that account for every wrong network together with a second mistake."""
    return {name: fault for name, fault in list(found.items())[:PARTNERED]
            if partner(fault, rest(fault, evidence.wrong), evidence)}


def most(found: Faults, evidence: Evidence) -> Faults:
    """Those that account for the most networks, and for some of what is wrong where they show."""
    borne = {name: fault for name, fault in found.items() if borne_out(fault, evidence.wrong)}
    return best(borne, evidence.wrong)


def rest(fault: Fault, wrong: Sequence[Witnessed]) -> list[Witnessed]:
    """The wrong networks that a mistake does not account for, the smallest first."""
    left = [seen for seen in wrong if seen.telling and not seen.agrees(fault)]
    return sorted(left, key=lambda seen: sum(v.size for v in seen.case.parameters.values()))


def partner(fault: Fault, left: Sequence[Witnessed], evidence: Evidence) -> bool:
    """Whether a second mistake accounts for what a first one leaves, on all networks."""
    beside = [seen.beside((*seen.known, fault), seen.counts) for seen in left[:2]]
    faults = {name: row for name, row in evidence.faults.items() if row is not fault}
    return any(accounts((fault, other), evidence)
               for rows in (faults, with_numbers(beside, faults))
               for other in consistent(beside, rows).values())


def accounts(two: tuple[Fault, Fault], evidence: Evidence) -> bool:
    """Whether two mistakes in one program do what the subject does on all networks."""
    return (all(seen.agrees(*two) for seen in evidence.wrong if seen.telling)
            and not any(seen.shows(*two) for seen in evidence.right))


def consistent(cases: Sequence[Witnessed], faults: Mapping[str, Fault]) -> Faults:
    """The faults that do what the subject does on all cases and show on the first of them."""
    return {name: fault for name, fault in faults.items()
            if cases[0].shows(fault) and all(case.agrees(fault) for case in cases)}


def borne_out(fault: Fault, others: Sequence[Witnessed]) -> bool:
    """Whether the mistake gives some of the subject's wrong gradients where it shows.

    At least every second time, of the networks that can tell: a second mistake may be in the
    others, and may be all there is where this one does not show. But a mistake that shows there,
    and differently, only fits the smallest network. Whether the second mistake is there is looked
    at when all names are found.
    """
    telling = [other for other in others
               if other.shows(fault) and (other.telling or other.agrees(fault))]
    given = sum(other.agrees(fault) or bool(other.given_by(fault)) for other in telling)
    return 2 * given >= len(telling)


def best(found: Faults, wrong: Sequence[Witnessed]) -> Faults:
    """Those that do what the subject does on the most networks."""
    score = {name: sum(seen.agrees(fault) for seen in wrong) for name, fault in found.items()}
    highest = max(score.values(), default=0)
    return {name: fault for name, fault in found.items() if score[name] == highest}


def told_apart(found: Faults, others: Iterable[Witnessed]) -> Faults:
    """The candidates, less those that a network on which they differ rules out; never none."""
    for seen in others:
        if len(found) < 2:
            break
        first, *rest = found.values()
        if all(seen.same(seen.of(first), seen.of(other)) for other in rest):
            continue
        agreeing = {name: fault for name, fault in found.items()
                    if seen.same(seen.subject, seen.of(fault))}
        found = agreeing or found
    return found


def variations(case: Case, count: int = 4) -> list[Case]:
    """The reduced network with ordinary numbers: zeros and ones make mistakes look alike."""
    rng = np.random.default_rng(3)

    def ordinary(array: Any) -> Any:
        return rng.standard_normal(array.shape).astype(array.dtype)

    def other() -> Case:
        inputs = ordinary(case.inputs) if case.network.real else case.inputs
        parameters = {name: ordinary(value) for name, value in case.parameters.items()}
        return mended(case.but(parameters=parameters, inputs=inputs), rng)

    return [other() for _ in range(count)]


# --- two at once ----------------------------------------------------------------------------------


def pair(view: View, evidence: Evidence) -> Faults:
    """Two mistakes that together do what the subject does; none where there are no such two.

    One of them alone gives a wrong gradient of the reduced network: the one that nothing else
    touches. Together they must give all of it, there and on every other network.
    """
    near, faults = evidence.near, evidence.faults
    parts = {name: fault for name, fault in faults.items()
             if all(seen.given_by(fault) for seen in near)}
    for name, fault in parts.items():
        beside = [seen.beside((*seen.known, fault), seen.counts) for seen in near]
        more = {other: row for other, row in faults.items() if other != name}
        for rows in (more, with_numbers(beside, more)):
            for second, other in consistent(beside, rows).items():
                if accounts((fault, other), evidence):
                    return {name: fault, second: other}
    return {}


# --- when all names are found ---------------------------------------------------------------------


def explained(seen: Witnessed, names: Iterable[str]) -> bool:
    """Whether the mistakes named so far, those beside which it is seen, account for the subject."""
    if any(name in precision.INSIDE and precision.within(seen, precision.INSIDE[name])
           for name in names):
        return True
    if precision.BY_DIFFERENCES in names and precision.noise(seen):
        return True
    alone = seen.beside((), seen.counts)
    return seen.right or any(alone.agrees(fault) for fault in seen.known)


def contradicts(seen: Witnessed, fault: Fault, names: Iterable[str]) -> bool:
    """Whether a network that the names do not account for speaks against one of them.

    It does where the mistake shows and some gradient that it changes is another one in the subject.
    Where every gradient that it changes is the subject's, something else is wrong there as well.
    """
    plain = seen.beside(())
    if not seen.telling or explained(seen, names) or not plain.shows(fault):
        return False
    changed = plain.changed(fault)
    return not changed or not changed <= plain.given_by(fault)
