"""Fewer examples of a large case, and the known mistakes that give its numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ..faults import Fault
from ..faults.core import Faults
from ..faults.showing import concerns
from ..judging.session import clock
from ..properties.identities import rows
from ..reference import Answer, Case
from .precision import BY_DIFFERENCES
from .reduce import clear, holds
from .witnessed import Counts, Witnessed

SECONDS = 8.0  # for all of them; the one that differences every entry would take hours
FEW = (1, 2, 3, 4, 8, 16)


def matched(ask: Callable[[Case], Answer], case: Case, faults: Mapping[str, Fault],
            counts: Counts) -> Faults:
    """The known mistakes that give the subject's answer to the case, as far as time allows."""
    deadline = time.monotonic() + min(SECONDS, clock().left)
    found = dict[str, Fault]()
    seen = Witnessed(ask, case, (), counts)
    for name, fault in faults.items():
        if time.monotonic() > deadline:
            break
        if name != BY_DIFFERENCES and concerns(fault, case.network):
            if seen.shows(fault) and seen.same(seen.subject, seen.of(fault)):
                found[name] = fault
            seen.done.clear()
    return found


def fewer_examples(case: Case, fails: Callable[[Case], bool],
                   inside: Callable[[Case], bool]) -> Case:
    """The case with as few of its examples as still show the mistake."""
    for count in FEW:
        if count < case.batch:
            smaller = rows(case, slice(0, count))
            if inside(smaller) and holds(lambda one: clear(one) and fails(one), smaller):
                return smaller
    return case
