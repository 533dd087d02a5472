"""A wrong gradient of a large network: where it is wrong, and which mistake it may be.

Nothing is drawn anew and little is asked again. The case keeps its network and its numbers, and is
left with as few examples as still show the mistake. Of a million entries chance explains none, so a
known mistake that gives all of them is named on this one case; mistakes with a number in them, and
two at once, are not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..faults import STATELESS
from ..judging.confirming import kinds_of
from ..properties.identities import Reply
from ..record.report import Finding
from ..reference import Answer, Case
from .finder import Finder, Groups
from .symptoms import SYMPTOMS
from .witnessed import Witnessed
from .words import names, numbers, sentence, sides


def findings(finder: Finder, groups: Groups) -> list[Finding]:
    """One finding, of the failures with the most kinds of parameter wrong."""
    every = [failure for failures in groups.values() for failure in failures]
    first = max(every, key=lambda failure: (len(failure.kind.split(",")),
                                            failure.property == "reference"))
    kinds = set(first.kind.split(","))

    def fails(case: Case) -> bool:
        return kinds <= set(kinds_of(finder.looking.wrong(case)).split(","))

    case = finder.reduced(first.case, fails)
    seen = finder.witnessed(case)
    found = finder.looking.wrong(case) or list(first.disagreements)
    named = {} if first.loses_digits else finder.diagnosed([case], faults=STATELESS)
    wrong = [d.parameter for d in found]
    worst = max(found, key=lambda d: d.error / d.tolerance if d.tolerance else np.inf)
    right, zero = finder.looking.right(case, wrong), finder.looking.zero(case, wrong)
    size = finder.looking.size(case, wrong, [first])
    said = finder.judge.located[:1]
    lines = [f"the gradient of {names(wrong)} is wrong", sides(wrong, right, zero), numbers(worst),
             *where(finder.looking.reply(case), wrong),
             *said, first.message if first.loses_digits else "",
             *([] if named else like(seen))]
    return [finder.build("reference", case, lines, worst, named, kinds=kinds_of(found), wrong=wrong,
                         right=right, size=size, zero=zero, loses_digits=first.loses_digits)]


def where(got: tuple[Reply, Answer] | None, wrong: Sequence[str]) -> Iterator[str]:
    """How many entries of each wrong gradient are wrong, and between which indices they lie."""
    for name in wrong if got else ():
        assert got is not None
        gradient, true = got[0].gradients[name], got[1].gradients[name]
        bad = ~(np.abs(gradient.value - true) <= gradient.tolerance)
        places = np.argwhere(bad)
        if len(places):
            low, high = places.min(axis=0).tolist(), places.max(axis=0).tolist()
            span = f"at {low}" if low == high else f"from {low} to {high}"
            yield f"{name}: {len(places):,} of {bad.size:,} entries are wrong, {span}"


def like(seen: Witnessed) -> list[str]:
    """What the wrong gradient looks like, where no known mistake matches it."""
    if not seen.answered or not seen.wrong:
        return []
    told = [tell(seen) for tell in SYMPTOMS]
    return [sentence(symptom) for symptom in told if symptom is not None]
