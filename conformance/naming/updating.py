"""Training steps that are wrong: which update it is, and at which step the program leaves the rule.

A wrong update makes a wrong gradient too, where its first step is wrong already. So before anything
else it is asked whether one known wrong update accounts for all steps on all networks: then the
gradients are right, and it is the update that is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from ..faults import STATELESS, Fault
from ..faults.core import Mistake
from ..faults.showing import concerns
from ..faults.updating import consistent
from ..judging.stepping import RATE, RULE, keep, leaves, rule_of, trail_of, trails_of
from ..judging.tally import Failure, Key
from ..properties.agreement import Disagreement
from ..properties.updating import Change, Trail
from ..record.report import Finding
from ..reference import TABLES, Case
from .finder import Finder, Groups, most_telling
from .words import numbers

FEW = 8
FAMILIES = {"value", "update", "rate", "identity", "kink"}  # what a wrong update breaks


def named(finder: Finder, failures: Mapping[Key, list[Failure]]) -> list[Finding]:
    """The finding of a known wrong update that accounts for every failure; none where none does."""
    stepping = finder.judge.subject.stepping
    if stepping is None or not {family for family, _ in failures} <= FAMILIES:
        return []
    groups = {kind: group for (of, kind), group in failures.items() if of == "update"}
    return [found for found in findings(finder, groups) if found.faults] if groups else []


def findings(finder: Finder, groups: Groups) -> list[Finding]:
    """Steps that do not lead where the rule leads, by the name of the wrong update if it is known.
    """
    stepping = finder.judge.subject.stepping
    assert stepping is not None
    every = [failure for failures in groups.values() for failure in failures]
    change = rule_of(stepping)

    def fails(case: Case) -> bool:
        trail = trail_of(stepping, case)
        return trail is not None and leaves(trail, change)

    case = finder.reduced(most_telling(groups).case, fails)
    trails = trails_of(stepping, [case, *(failure.case for failure in every[:FEW])])
    known: Mapping[str, Mistake] = (
        consistent(change, partial(keep, trails)) or _of_gradients(trails, change)
        or consistent(change, partial(_some_keep, trails, change)))
    broken = list(trails[0].broken(change)) if trails else []
    step, d = broken[0] if broken else (1, most_telling(groups).disagreements[0])
    wrong = sorted({each.parameter for at, each in broken if at == step})
    return [finder.build(RULE, case, list(_said(step, d, wrong, change)), d, known,
                         kinds=most_telling(groups).kind, wrong=wrong)]


def of_rates(finder: Finder, groups: Groups) -> list[Finding]:
    """A gradient that depends on the rate, where at the first rate it is right."""
    first = most_telling(groups)
    d = first.disagreements[0]
    lines = ["the gradient depends on the rate: something is updated before it is used", numbers(d)]
    return [finder.build(RATE, first.case, lines, d, kinds=first.kind, wrong=[d.parameter])]


def depends_on_rate(finder: Finder) -> list[str]:
    """Said of a wrong gradient that is another one with another rate."""
    if not any(family == "rate" for family, _ in finder.judge.tally.failures):
        return []
    return ["with another rate it is another gradient: something is updated before it is used"]


def _of_gradients(trails: list[Trail], change: Change) -> dict[str, Fault]:
    """The known mistakes in the gradient with which every step keeps the rule."""
    return {name: fault for name, fault in STATELESS.items()
            if any(concerns(fault, case.network) for trail in trails for case in trail.cases[:1])
            and _keep_with(trails, fault, change)}


def _keep_with(trails: list[Trail], fault: Fault, change: Change) -> bool:
    try:
        return keep([trail.made_with(fault.engine(TABLES)) for trail in trails], change)
    except (ArithmeticError, ValueError, KeyError):
        return False


def _some_keep(trails: list[Trail], right: Change, wrong: Change) -> bool:
    """Whether the arrays that leave the right rule keep the wrong one: it may be in some alone."""
    return bool(trails) and not any(_left(trail, right) & _left(trail, wrong) for trail in trails)


def _left(trail: Trail, change: Change) -> set[str]:
    """The arrays that leave the rule at some step."""
    return {d.parameter for _, d in trail.broken(change)}


def _said(step: int, d: Disagreement, wrong: Sequence[str], change: Change) -> Iterator[str]:
    rule = ", ".join(f"{name} {value}" for name, value in change.rule.items())
    before = f"; the {step - 1} before it is right" if step == 2 else (
        f"; the {step - 1} before it are right" if step > 2 else "")
    yield f"step {step} does not lead where the rule ({rule}) leads{before}"
    yield f"wrong after it: {', '.join(wrong) or d.parameter}"
    yield numbers(d)
