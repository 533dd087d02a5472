"""Which known mistake gives the subject's wrong answers? Every fault is asked the same questions.

A fault whose answers equal the subject's on the cases at hand is *consistent with* it; where several are, further cases
are drawn on which they differ, and the subject decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any

import numpy as np

from .faults import FAULTS
from .faults.core import Fault
from .plug import BrokenContract, Subject, Wrapped
from .properties.perturbed import UNIT
from .properties.tolerance import SLACK, Spread, spread
from .reference import TABLES, Answer, Case, Engine

Behaviour = Answer | tuple[str, str]
Ask = Callable[[Case], Answer]
ROUNDING = 1024.0
DRAWS = 40


def behaviour(ask: Ask, case: Case) -> Behaviour:
    """What an engine does with a case: its answer, or how it breaks the contract, or what it raises."""
    try:
        return ask(case)
    except BrokenContract as error:
        return error.kind, error.message
    except Exception as error:
        return "raised", type(error).__name__


def held_to_contract(engine: Engine) -> Ask:
    """A fault behind the same contract as a subject: its wrong shapes and changed arguments break it the same way."""
    def answers(case: Case) -> Answer:
        def backprop(network: Any, parameters: Any, inputs: Any, targets: Any) -> Any:
            answer = engine(Case(network, parameters, inputs, targets, case.dtype, case.constants))
            return answer.loss, answer.gradients
        return Wrapped(backprop)(case)
    return answers


def asked(fault: Fault) -> Ask:
    """A fresh engine of a fault, behind the contract."""
    return held_to_contract(fault.engine(TABLES))


def same(subject: Behaviour, fault: Behaviour, s: Spread, dtype: str) -> bool:
    """Whether two behaviours are the same, as far as rounding lets one tell."""
    if not isinstance(subject, Answer) or not isinstance(fault, Answer):
        return subject == fault
    if not _close(subject.loss, fault.loss, SLACK * s.loss, dtype):
        return False
    return all(_close(g, fault.gradients.get(k, g), SLACK * s.gradients[k], dtype)
               for k, g in subject.gradients.items())


def _close(a: Any, b: Any, tolerance: Any, dtype: str) -> bool:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        return False
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)):
        return False
    size = np.abs(b[finite]).max(initial=0.0)
    allowed = np.broadcast_to(tolerance, a.shape)[finite] + ROUNDING * UNIT[dtype] * size
    return bool(np.all(np.abs(a - b)[finite] <= allowed))


class Witnessed:
    """One case with what the subject does on it, and the truth."""

    def __init__(self, ask: Ask, case: Case):
        self.case, self.spread = case, spread(case)
        self.subject = behaviour(ask, case)

    def agrees(self, fault: Fault) -> bool:
        """Whether the fault does the same."""
        return same(self.subject, behaviour(asked(fault), self.case), self.spread, self.case.dtype)

    def shows(self, fault: Fault) -> bool:
        """Whether the fault differs from the truth here, clearly."""
        return not same(behaviour(asked(fault), self.case), self.spread.truth, self.spread, self.case.dtype)


def consistent(cases: Sequence[Witnessed], faults: Mapping[str, Fault]) -> list[str]:
    """The faults that do what the subject does on every case, and differ from the truth on the first."""
    return [name for name, fault in faults.items()
            if cases[0].shows(fault) and all(case.agrees(fault) for case in cases)]


def diagnose(ask: Ask, cases: Sequence[Case], more: Iterator[Case], faults: Mapping[str, Fault] = FAULTS) -> list[str]:
    """The known mistakes consistent with the subject: on the first case, then on what tells them apart.

    cases: the reduced one, then others where the subject was wrong; more: further cases of the subject's claims. The
    order is by how many of the others each explains.
    """
    first = Witnessed(ask, cases[0])
    found = consistent([first], faults)
    others = [Witnessed(ask, case) for case in cases[1:]] if found else []
    score = {name: sum(other.agrees(faults[name]) for other in others) for name in found}
    found = sorted(found, key=lambda name: -score[name])
    best = [name for name in found if score[name] == score[found[0]]]
    return [*told_apart(ask, best, more, faults), *found[len(best):]] if len(best) > 1 else found


def told_apart(ask: Ask, names: list[str], more: Iterator[Case], faults: Mapping[str, Fault]) -> list[str]:
    """The candidates, less those that a further case on which they differ rules out; never none."""
    for case in islice(more, DRAWS):
        if len(names) < 2:
            break
        s = spread(case)
        each = {name: behaviour(asked(faults[name]), case) for name in names}
        values = list(each.values())
        if all(same(values[0], other, s, case.dtype) for other in values[1:]):
            continue
        subject = behaviour(ask, case)
        names = [name for name in names if same(subject, each[name], s, case.dtype)] or names
    return names


def explained(case: Witnessed, names: Iterable[str], faults: Mapping[str, Fault] = FAULTS) -> bool:
    """Whether the named mistakes account for what the subject does here: one of them does the same, or several show."""
    named = [faults[name] for name in names]
    return any(case.agrees(fault) for fault in named) or sum(case.shows(fault) for fault in named) > 1


# --- state ------------------------------------------------------------------------------------------------------


def state_candidates(subject: Subject, case: Case, faults: Mapping[str, Fault] = FAULTS) -> list[str]:
    """The faults of the state family whose answers to one sequence of questions are the subject's.

    From a fresh engine where the subject can give one; else two behaviours are compared by how the answers change, so
    that what the subject remembers from before does not matter.
    """
    other = case.but(inputs=-case.inputs / 2, parameters={k: v / 2 for k, v in case.parameters.items()})
    questions = [case, case, other, case, case]
    fresh = subject.fresh is not None
    ask = subject.fresh() if subject.fresh is not None else subject.engine
    seen = [behaviour(ask, q) for q in questions]
    found = []
    for name, fault in faults.items():
        if fault.family == "state":
            engine = asked(fault)
            theirs = [behaviour(engine, q) for q in questions]
            if _alike(seen, theirs, questions, fresh):
                found.append(name)
    return found


def _alike(mine: list[Behaviour], theirs: list[Behaviour], questions: list[Case], fresh: bool) -> bool:
    spreads = [spread(q) for q in questions]
    whole = all(same(a, b, s, q.dtype) for a, b, s, q in zip(mine, theirs, spreads, questions, strict=True))
    if whole or fresh or not all(isinstance(each, Answer) for each in (*mine, *theirs)):
        return whole
    steps = [_steps(answers) for answers in (mine, theirs)]
    return all(np.any(b) and _close(a, b, 2 * SLACK * spreads[0].gradients[k], questions[0].dtype)
               for i in (0, 3) for k in steps[1][i] for a, b in [(steps[0][i].get(k), steps[1][i][k])] if a is not None)


def _steps(answers: list[Any]) -> list[dict[str, Any]]:
    """What changes from one answer to the next, by name; nothing where the shapes differ."""
    return [{k: np.asarray(b.gradients[k], dtype=float) - np.asarray(a.gradients[k], dtype=float)
             for k in b.gradients if np.shape(a.gradients.get(k)) == np.shape(b.gradients[k])}
            for a, b in pairwise(answers)]
