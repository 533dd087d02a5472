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
from typing import Any, NamedTuple

import numpy as np

from ..faults.core import Fault, Faults
from ..properties.strategies import mended
from ..reference import Case
from . import precision
from .fitting import fitted
from .witnessed import Witnessed

View = Callable[[Case], Witnessed]


class Evidence(NamedTuple):
    """What a name is held to: networks where the subject is wrong, and others drawn for no reason.

    `failing`: the reduced network first. `varied`: that network with ordinary numbers. `others`: of
    the same dtype, right ones and wrong ones.
    """

    failing: Sequence[Witnessed]
    varied: Sequence[Witnessed]
    others: Sequence[Witnessed]

    @property
    def near(self) -> list[Witnessed]:
        """The reduced network, as it is and with ordinary numbers."""
        return [self.failing[0], *self.varied]

    @property
    def wrong(self) -> list[Witnessed]:
        """Every network but the reduced one where the subject is wrong."""
        return [seen for seen in (*self.failing[1:], *self.others) if not seen.right]

    @property
    def right(self) -> list[Witnessed]:
        """The networks where the subject is right, but for what is known."""
        return [seen for seen in self.others if seen.right]


def diagnose(view: View, evidence: Evidence, faults: Mapping[str, Fault]) -> Faults:
    """The known mistakes that are consistent with the subject, the likeliest first.

    `view(case)`: a further case, seen beside what is known.
    """
    near = evidence.near
    for rows in (faults, with_numbers(near, faults)):
        found = held(consistent(near, rows), evidence)
        if found:
            return found
    name = precision.inside(view, evidence.failing, evidence.others)
    return {name: faults[name]} if name in faults else {}


def with_numbers(near: Sequence[Witnessed], faults: Mapping[str, Fault]) -> Faults:
    """The mistakes that have a number in them, each with the one that the subject has."""
    return {name: fitted(fault, near) for name, fault in faults.items()
            if fault.number is not None and fault.value is None}


def held(found: Faults, evidence: Evidence) -> Faults:
    """The candidates that other networks bear out, and that do not show where all is right."""
    wrong, right = evidence.wrong, evidence.right
    left = {name: fault for name, fault in found.items() if borne_out(fault, wrong)
            and not any(seen.shows(fault) for seen in right)}
    return told_apart(best(left, wrong), evidence.others)


def consistent(cases: Sequence[Witnessed], faults: Mapping[str, Fault]) -> Faults:
    """The faults that do what the subject does on all cases and show on the first of them."""
    return {name: fault for name, fault in faults.items()
            if cases[0].shows(fault) and all(case.agrees(fault) for case in cases)}


def borne_out(fault: Fault, others: Sequence[Witnessed]) -> bool:
    """Whether the mistake gives some of the subject's wrong gradients where it shows.

    At least every second time, of the networks with an answer: a second mistake may be in the
    others, and may be all there is where this one does not show. But a mistake that shows there,
    and differently, only fits the smallest network. Whether the second mistake is there is looked
    at when all names are found.
    """
    telling = [other for other in others
               if other.shows(fault) and (other.answered or other.agrees(fault))]
    given = sum(other.agrees(fault) or bool(other.given_by(fault)) for other in telling)
    return 2 * given >= len(telling)


def best(found: Faults, wrong: Sequence[Witnessed]) -> Faults:
    """Those that do what the subject does on the most networks."""
    score = {name: sum(seen.agrees(fault) for seen in wrong) for name, fault in found.items()}
    most = max(score.values(), default=0)
    return {name: fault for name, fault in found.items() if score[name] == most}


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


def pair(view: View, evidence: Evidence, faults: Mapping[str, Fault]) -> Faults:
    """Two mistakes that together do what the subject does; none where there are no such two.

    One of them alone gives a wrong gradient of the reduced network: the one that nothing else
    touches. Together they must give all of it, there and on every other network.
    """
    near = evidence.near
    parts = {name: fault for name, fault in faults.items()
             if all(seen.given_by(fault) for seen in near)}
    wrong, right = evidence.wrong, evidence.right
    for name, fault in parts.items():
        for second, other in faults.items():
            if second != name and near[0].shows(other):
                for two in ((fault, other), (other, fault)):
                    if accounts(two, near, wrong, right):
                        return {name: fault, second: other}
    return {}


def accounts(two: tuple[Fault, Fault], near: Sequence[Witnessed], wrong: Sequence[Witnessed],
             right: Sequence[Witnessed]) -> bool:
    """Whether two mistakes in one program do what the subject does on all networks."""
    return (all(seen.same(seen.subject, seen.of(*two)) for seen in near)
            and all(seen.agrees(*two) for seen in wrong if seen.answered and seen.shows(*two))
            and not any(seen.shows(*two) for seen in right))


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
    if not seen.answered or explained(seen, names) or not plain.shows(fault):
        return False
    return not plain.changed(fault) <= plain.given_by(fault) or not plain.changed(fault)
