"""What is asked of a training step beside its gradient: another rate, and several steps."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..faults import STATELESS
from ..faults.showing import concerns
from ..faults.updating import WRONG_UPDATES
from ..plug.stepping import Stepped
from ..properties.agreement import differing, kind_of, measured
from ..properties.identities import Reply
from ..properties.subtraction import carried
from ..properties.tolerance import spread
from ..properties.updating import Change, Trail, under
from ..reference import TABLES, Answer, Case, Engine
from .asking import question, questions
from .confirming import kinds_of

if TYPE_CHECKING:
    from .judge import Judge

RATE, RULE = "another_rate", "update_rule"
TWO = 2     # cases, of several units and examples
NEAR = 1e-6
EARLY = 8   # networks on which both are asked; then every fourth
FOURTH = 4


def judged(judge: Judge, stepped: Stepped, first: Reply) -> None:
    """Both checks, in the time there is; only several steps where no gradient is to be read off."""
    if not first.gradients or due(judge):
        several(judge, stepped, first)
    if first.gradients and len(stepped.rates) > 1 and due(judge):
        another_rate(judge, stepped, first)


def due(judge: Judge) -> bool:
    """Whether this network is one of those that are asked more."""
    number = judge.tally.networks
    return time.monotonic() < judge.deadline and (number <= EARLY or number % FOURTH == 0)


def another_rate(judge: Judge, stepped: Stepped, first: Reply) -> None:
    """The same gradient with the other rate."""
    case, other = first.case, stepped.at(stepped.rates[-1])
    try:
        answer = question(other, case)
    except Exception as error:
        judge.refused(case, error)
        return
    again = measured(case, answer, carried(case, spread(case), other.reading.rate))
    left = judge.sampled(first)
    found = [d for name in again.gradients if name in left.gradients
             and (d := differing(name, again[name], left[name]))]
    if not found:
        judge.count(RATE, "passed", case)
    elif case in judge.suspects or differs(again):
        judge.fail(RATE, kinds_of(found), case, found=found)
    else:
        judge.count(RATE, "inconclusive", case, why="between the tolerances")


def differs(reply: Reply) -> bool:
    """Whether some gradient is not the true one."""
    true = spread(reply.case).truth.gradients
    return any(differing(name, g, true[name]) for name, g in reply.gradients.items())


def several(judge: Judge, stepped: Stepped, first: Reply) -> None:
    """Several steps against the update rule; each comparison says how sharp it was."""
    case, change = first.case, rule_of(stepped)
    try:
        trail = question(stepped.trail, case)
    except Exception as error:
        judge.refused(case, error)
        return
    compared = list(trail.compared(change))
    if not first.gradients:
        for each in compared:
            judge.tally.sharpness[case.dtype, kind_of(each.name)] += each.sharpness
    found = [each.found for each in compared if each.found]
    if found:
        judge.fail(RULE, kinds_of(found), case, found=found)
    else:
        judge.count(RULE, "passed", case)


# --- before anything is judged --------------------------------------------------------------------


Fit = tuple[str, float]


def fitted(stepped: Stepped, cases: Sequence[Case], fits: Sequence[Fit]) -> tuple[Fit, bool]:
    """The reduction and scale under which the steps from these cases keep the rule.

    Or a known wrong rule. Where they keep none under any, that under which the first step is made
    with the gradients of a known mistake, or the fewest arrays leave the rule, and False.
    """
    trails = trails_of(stepped, cases)
    rule = rule_of(stepped)
    wrong = [change for each in WRONG_UPDATES.values() if each.concerns(rule.rule)
             for change in each.changes(rule.rule)]

    @cache
    def under_fit(fit: Fit) -> list[Trail]:
        return [trail.under(*fit) for trail in trails]

    for change in (rule, *wrong):
        for fit in fits:
            if keep(under_fit(fit), change):
                return fit, True
    mistaken = _of_a_mistake(stepped, cases[-TWO:], fits)
    return mistaken or min(fits, key=lambda fit: sum(len(list(trail.broken(rule)))
                                                     for trail in under_fit(fit))), False


def _of_a_mistake(stepped: Stepped, cases: Sequence[Case], fits: Sequence[Fit]) -> Fit | None:
    """The reduction and scale under which the gradients are those of a known mistake."""
    replies = zip(cases, questions(stepped, cases), strict=True)
    answers = [(case, reply) for case, reply in replies if isinstance(reply, Answer)]
    faults = [fault for fault in STATELESS.values()
              if all(concerns(fault, case.network) for case in cases)]
    faults.sort(key=lambda fault: fault.number is not None)  # those that say most come first
    for fault in faults if answers and answers[0][1].gradients else ():
        engine = fault.engine(TABLES)
        for fit in fits:
            if all(_near(engine, under(case, *fit), answer) for case, answer in answers):
                return fit
    return None


def _near(engine: Engine, case: Case, answer: Answer) -> bool:
    """Whether an engine's gradients are these, but for rounding."""
    try:
        theirs = engine(case).gradients
    except Exception:
        return False
    return all(name in theirs and np.shape(theirs[name]) == g.shape
               and bool(np.allclose(g, theirs[name], rtol=NEAR, atol=NEAR * np.abs(g).max()))
               for name, g in answer.gradients.items())


# --- trails ---------------------------------------------------------------------------------------


def trails_of(stepped: Stepped, cases: Iterable[Case]) -> list[Trail]:
    """The steps of the subject from each of the cases where it makes them."""
    found = (trail_of(stepped, case) for case in cases)
    return [trail for trail in found if trail is not None]


def trail_of(stepped: Stepped, case: Case) -> Trail | None:
    """The steps of the subject from a case; None where it does not make them."""
    try:
        return question(stepped.trail, case)
    except Exception:
        return None


def keep(trails: Sequence[Trail], change: Change) -> bool:
    """Whether there are steps, and all of them lead where the rule leads."""
    return bool(trails) and not any(leaves(trail, change) for trail in trails)


def leaves(trail: Trail, change: Change) -> bool:
    """Whether some step does not lead where the rule leads."""
    return next(trail.broken(change), None) is not None


def rule_of(stepped: Stepped) -> Change:
    """The rule that several steps are held to."""
    return Change({**stepped.claims.rule, "rate": stepped.rates[-1]})
