"""The findings of a run: a function for each family of failures, the most telling family first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..judging.clock import TimeIsUp
from ..judging.judge import Judge
from ..properties.identities import PROPERTIES
from ..record.report import Finding
from ..reference import Case
from . import gradients, kinks, large, losses, no_answer, stateful, updating
from .finder import CONSEQUENCES, ORDER, Finder, Groups, most_telling
from .words import numbers


def broken_identity(finder: Finder, groups: Groups) -> list[Finding]:
    """An identity broken with nothing else: what it says, and the numbers."""
    first = most_telling(groups)
    d = first.disagreements[0]
    lines = [f"broken: {PROPERTIES[first.property].says}", numbers(d)]
    return [finder.build(first.property, first.case, lines, d, kinds=first.kind,
                         wrong=[d.parameter])]


def of_values(finder: Finder, groups: Groups) -> list[Finding]:
    """Wrong gradients; those of large networks only where no smaller one shows them."""
    if most_telling(groups).case.large:
        return large.findings(finder, groups)
    return gradients.findings(finder, groups)


BY_FAMILY: Mapping[str, Callable[[Finder, Groups], list[Finding]]] = {
    "contract": no_answer.findings,
    "answers": no_answer.findings,
    "state": stateful.findings,
    "value": of_values,
    "rate": updating.of_rates,
    "update": updating.findings,
    "kink": kinks.findings,
    "loss": losses.findings,
    "own_loss": losses.of_own,
    "identity": broken_identity,
}


def findings(judge: Judge, store: Callable[[Case], str],
             make: Callable[..., Finder] = Finder) -> list[Finding]:
    """One finding for each distinct mistake seen; store(case) keeps a case and gives its id.

    Where the time is up, what was seen of each family is told as it is.
    What usually follows from another family's failures is not told beside them.
    """
    finder, failures = make(judge, store), judge.tally.failures
    try:
        if updated := updating.named(finder, failures):
            return updated
    except TimeIsUp:
        pass
    families = sorted({family for family, _ in failures}, key=ORDER.index)
    found: list[Finding] = []
    for family in families:
        if not CONSEQUENCES.get(family, set()) & set(families):
            groups = {kind: group for (of, kind), group in failures.items() if of == family}
            try:
                found += BY_FAMILY[family](finder, groups)
            except TimeIsUp:
                found += as_seen(finder, groups)
    return found


def as_seen(finder: Finder, groups: Groups) -> list[Finding]:
    """What was seen of a family, where there is no time to ask for more."""
    first = most_telling(groups)
    worst = next(iter(first.disagreements), None)
    lines = [first.message or f"{first.property.replace('_', ' ')} failed",
             "" if worst is None else numbers(worst)]
    raised = first.property == "answers" and not first.disagreements
    return [finder.build(first.property, first.case, lines, worst,
                         outcome="errored" if raised else "failed", kinds=first.kind,
                         wrong=[d.parameter for d in first.disagreements])]
