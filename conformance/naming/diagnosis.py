"""Which known mistake gives the subject's wrong answers? Every fault is asked the same questions.

A fault whose answers equal the subject's on the cases at hand is *consistent with* it; where several are, further cases
are drawn on which they differ, and the subject decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np

from ..faults import FAULTS
from ..faults.core import Fault
from ..plug.contract import BrokenContract
from ..plug.subject import Subject, Wrapped
from ..properties.perturbed import UNIT
from ..properties.strategies import mended
from ..properties.tolerance import SLACK, Spread, spread
from ..reference import TABLES, Answer, Case, Engine

Behaviour = Answer | tuple[str, str]
Ask = Callable[[Case], Answer]
ROUNDING = 1024.0
QUIET = 15


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
    """Whether two behaviours are the same, as far as the rounding of the array as a whole lets one tell.

    Of the array, not of the entry: where a saturated unit's derivative is 0 in one right program and 1e-79 in another,
    a dead unit beside it makes the same mistake look different.
    """
    if not isinstance(subject, Answer) or not isinstance(fault, Answer):
        return subject == fault
    if not _close(subject.loss, fault.loss, SLACK * s.loss, dtype):
        return False
    return all(_close(g, fault.gradients.get(k, g), SLACK * s.gradients[k].max(initial=0.0), dtype)
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
    """One case with what the subject does on it, and the truth; less what known mistakes account for.

    A known mistake accounts for a gradient where it is wrong in the same way; another mistake explains the others.
    """

    def __init__(self, ask: Ask, case: Case, known: Sequence[Fault] = (), any_loss: bool = False):
        self.any_loss = any_loss
        self.case, self.spread, self.accounted = case, spread(case), frozenset[str]()
        self.subject = behaviour(ask, case)
        self.done: dict[Fault, Behaviour] = {}
        for fault in known:
            self.accounted |= self.given_by(fault)

    def of(self, fault: Fault) -> Behaviour:
        """What a fault does here, asked once."""
        if fault not in self.done:
            self.done[fault] = behaviour(asked(fault), self.case)
        return self.done[fault]

    @cached_property
    def errors(self) -> dict[str, Any]:
        """|subject - truth| of every gradient; of a subject that answered."""
        assert isinstance(self.subject, Answer)
        truth = self.spread.truth.gradients
        return {k: np.abs(np.asarray(g, dtype=float) - truth[k]) for k, g in self.subject.gradients.items()}

    def given_by(self, fault: Fault) -> set[str]:
        """The subject's wrong gradients that are those of a mistake."""
        wrong = self.of(fault)
        if not isinstance(wrong, Answer) or not isinstance(self.subject, Answer):
            return set()
        return {name for name in self.subject.gradients
                if self.same(only(self.subject, name), wrong) and not self.same(only(wrong, name), self.spread.truth)}

    def same(self, one: Behaviour, other: Behaviour) -> bool:
        """Whether they are the same; any_loss: whatever the losses are."""
        if self.any_loss and isinstance(one, Answer) and isinstance(other, Answer):
            one, other = Answer(0.0, one.gradients), Answer(0.0, other.gradients)
        return same(one, other, self.spread, self.case.dtype)

    def rest(self, behaves: Behaviour) -> Behaviour:
        """Without what is accounted for."""
        return only(behaves, *(behaves.gradients.keys() - self.accounted)) if isinstance(behaves, Answer) else behaves

    @property
    def right(self) -> bool:
        """Whether the subject is right here."""
        return self.same(self.rest(self.subject), self.spread.truth)

    def agrees(self, fault: Fault) -> bool:
        """Whether the fault does the same."""
        return self.same(self.rest(self.subject), self.of(fault))

    def shows(self, fault: Fault) -> bool:
        """Whether the fault differs from the truth here, clearly."""
        return not self.same(self.rest(self.of(fault)), self.spread.truth)


def only(answer: Answer, *names: str) -> Answer:
    """The loss and some of the gradients."""
    return Answer(answer.loss, {name: answer.gradients[name] for name in names if name in answer.gradients})


def consistent(cases: Sequence[Witnessed], faults: Mapping[str, Fault]) -> list[str]:
    """The faults that do what the subject does on every case, and differ from the truth on the first."""
    return [name for name, fault in faults.items()
            if cases[0].shows(fault) and all(case.agrees(fault) for case in cases)]


def diagnose(ask: Ask, cases: Sequence[Case], more: Iterable[Case], known: Sequence[str] = (),
             wrong_loss: bool = False, faults: Mapping[str, Fault] = FAULTS) -> list[str]:
    """The known mistakes consistent with the subject: on the first case, then on what tells them apart.

    cases: the reduced one, whose network the mistake must explain with other numbers too, then others where the subject
    was wrong, of which it must explain as many as any does (there may be a second mistake); more: further cases of the
    subject's claims. Where the subject is right, the mistake must not show. known: mistakes that are named already.
    wrong_loss: the loss is wrong too, which may be a mistake of its own: where none explains both, the gradient is
    explained alone.
    """
    witnessed = partial(Witnessed, ask, known=[faults[name] for name in known])
    found = _diagnosed(witnessed, cases, more, known, faults)
    if wrong_loss and not found:
        return _diagnosed(partial(witnessed, any_loss=True), cases, more, known, faults)
    return found


def _diagnosed(witnessed: Callable[[Case], Witnessed], cases: Sequence[Case], more: Iterable[Case],
               known: Sequence[str], faults: Mapping[str, Fault]) -> list[str]:
    first = witnessed(cases[0])
    found = consistent([first, *map(witnessed, variations(cases[0]))], faults)
    found = [name for name in found if name not in known]
    if not found:
        return inside([first, *map(witnessed, cases[1:])])
    others = [witnessed(case) for case in cases[1:]]
    found = [name for name in found if borne_out(faults[name], others)]
    if not found:
        return []
    score = {name: sum(other.agrees(faults[name]) for other in others) for name in found}
    best = [name for name in found if score[name] == max(score.values())]
    further = [case for case in more if case.dtype == cases[0].dtype]
    right = [case for case in map(witnessed, further[:QUIET]) if case.right]
    quiet = [name for name in best if not any(case.shows(faults[name]) for case in right)]
    return told_apart(witnessed, quiet, further, faults)


def borne_out(fault: Fault, others: Sequence[Witnessed]) -> bool:
    """Whether, where the mistake shows, it gives some of the subject's wrong gradients at least every second time.

    Some, since a second mistake may be in the others; that one may be all there is where this one does not show. But a
    mistake that shows there, and differently, only fits the smallest network.
    """
    telling = [other for other in others if other.shows(fault)]
    given = sum(other.agrees(fault) or bool(other.given_by(fault)) for other in telling)
    return 2 * given >= len(telling)


INSIDE = {"float32-inside": 2.0**-24, "float16-inside": 2.0**-11}


def inside(cases: Sequence[Witnessed]) -> list[str]:
    """A narrower precision inside: no formula is wrong, but every error is what that precision would make.

    Its rounding is not repeatable, so the fault's own digits need not be the subject's: the spread, brought to the
    narrower unit, says how large they may be. Most gradients must be off, and as far as that precision brings them: one
    wrong entry is another mistake, and so is a factor close to 1, or an error far smaller.
    """
    for name, unit in INSIDE.items():
        if all(_within(case, unit) for case in cases):
            far = any(_mostly_off(case) and _as_far(case, unit) for case in cases)
            return [name] if far and not all(map(_one_factor, cases)) else []
    return []


def _as_far(case: Witnessed, unit: float) -> bool:
    """Whether the worst error is not far below that precision's rounding."""
    worst = max(float(np.max(error / case.spread.gradients[k], initial=0.0)) for k, error in case.errors.items())
    return worst * UNIT[case.case.dtype] > unit / 64


def _one_factor(case: Witnessed) -> bool:
    """Whether every gradient is the same number times the truth: a formula, no rounding."""
    assert isinstance(case.subject, Answer)
    names = list(case.subject.gradients)
    got, true, s = (np.concatenate([np.ravel(np.asarray(by[name], dtype=float)) for name in names])
                    for by in (case.subject.gradients, case.spread.truth.gradients, case.spread.gradients))
    k = factor(got, true)
    return k is not None and bool(np.all(np.abs(got - k * true) <= 4 * SLACK * s))


def factor(got: Any, true: Any) -> float | None:
    """The k for which k times the truth is nearest, in least squares; None where there is none. Vectors of any size."""
    size = np.abs(true).max(initial=0.0)
    if not size or not np.isfinite(size) or not np.isfinite(got).all():
        return None
    unit = true / size
    return float((got / size) @ unit / (unit @ unit))


def _within(case: Witnessed, unit: float) -> bool:
    if not isinstance(case.subject, Answer) or unit <= UNIT[case.case.dtype]:
        return False
    scale = SLACK * unit / UNIT[case.case.dtype]
    return all(bool(np.all(error <= scale * case.spread.gradients[k])) for k, error in case.errors.items())


def _mostly_off(case: Witnessed) -> bool:
    off = [bool(np.any(error > SLACK * case.spread.gradients[k])) for k, error in case.errors.items()]
    return 2 * sum(off) > len(off)


def variations(case: Case, count: int = 4) -> list[Case]:
    """The reduced network with ordinary numbers: zeros and ones make different mistakes look alike."""
    rng = np.random.default_rng(3)

    def ordinary(array: Any) -> Any:
        return rng.standard_normal(array.shape).astype(array.dtype)

    def other() -> Case:
        return mended(case.but(parameters={k: ordinary(v) for k, v in case.parameters.items()},
                               inputs=ordinary(case.inputs)), rng)

    return [other() for _ in range(count)] if case.network.input_kind == "real" else []


def told_apart(witnessed: Callable[[Case], Witnessed], names: list[str], more: Iterable[Case],
               faults: Mapping[str, Fault]) -> list[str]:
    """The candidates, less those that a further case on which they differ rules out; never none."""
    for case in more:
        if len(names) < 2:
            break
        each = {name: behaviour(asked(faults[name]), case) for name in names}
        first, s = each[names[0]], spread(case)
        if all(same(first, each[name], s, case.dtype) for name in names[1:]):
            continue
        seen = witnessed(case)
        names = [name for name in names if seen.same(seen.rest(seen.subject), each[name])] or names
    return names


def explained(case: Witnessed, names: Iterable[str], faults: Mapping[str, Fault] = FAULTS) -> bool:
    """Whether the named mistakes account for what the subject does here: one of them does the same, or several show."""
    if any(name in INSIDE and _within(case, INSIDE[name]) for name in names):
        return True
    if BY_DIFFERENCES in names and _noise(case):
        return True
    named = [faults[name] for name in names]
    return any(case.agrees(fault) for fault in named) or sum(case.shows(fault) for fault in named) > 1


BY_DIFFERENCES, STEP = "gradient-by-differences", 1e-6


def _noise(case: Witnessed) -> bool:
    """Whether every error is what differences with that step leave of the loss's rounding: it is not repeatable."""
    if not isinstance(case.subject, Answer):
        return False
    truth = case.spread.truth
    allowed = 64 * UNIT[case.case.dtype] * abs(float(truth.loss)) / STEP
    return all(bool(np.all(error <= allowed + 1e-3 * np.abs(truth.gradients[k]).max(initial=0.0)))
               for k, error in case.errors.items())


# --- state ------------------------------------------------------------------------------------------------------

WARM_UPS = (0, 1, 400)
WARM_SECONDS = 1.0


def state_candidates(subject: Subject, case: Case, faults: Mapping[str, Fault] = FAULTS) -> list[str]:
    """The faults of the state family whose answers to one sequence of questions are the subject's.

    What the subject remembers from before is unknown. So both are first asked the case a number of times (a memory
    that fades is the same after 400 questions, a parity after one), and then either the answers are compared or how
    they change from one to the next (what accumulates). A gradient of zero hides what is multiplied into it, so the
    case is asked with ordinary numbers too.
    """
    rows = {name: fault for name, fault in faults.items() if fault.family == "state"}
    ask = subject.engine if subject.fresh is None else subject.fresh()
    each = (_remembering(ask, question, rows) for question in (case, *variations(case, 1)))
    return next(filter(None, each), [])


def _remembering(ask: Ask, case: Case, rows: Mapping[str, Fault]) -> list[str]:
    """The faults that remember as the subject does, after one of the warm-ups."""
    other = case.but(inputs=-case.inputs / 2, parameters={k: v / 2 for k, v in case.parameters.items()})
    questions = [case, case, other, case, case]
    for warm in WARM_UPS:
        seen = _sequence(ask, questions, warm)
        found = [name for name, fault in rows.items()
                 if _alike(seen, _sequence(asked(fault), questions, warm), questions)]
        if found:
            return found
    return []


def _sequence(ask: Ask, questions: list[Case], warm: int) -> list[Behaviour]:
    """The answers to the questions, after asking the first one `warm` times (for a second at most)."""
    end = time.monotonic() + WARM_SECONDS
    for _ in range(warm):
        behaviour(ask, questions[0])
        if time.monotonic() > end:
            break
    return [behaviour(ask, question) for question in questions]


def _alike(mine: list[Behaviour], theirs: list[Behaviour], questions: list[Case]) -> bool:
    spreads = [spread(q) for q in questions]
    if all(same(a, b, s, q.dtype) for a, b, s, q in zip(mine, theirs, spreads, questions, strict=True)):
        return True
    if not all(isinstance(each, Answer) for each in (*mine, *theirs)):
        return False
    changes = list(zip(_steps(mine), _steps(theirs), spreads[1:], strict=True))
    moves = any(np.abs(b).max(initial=0.0) > SLACK * s.gradients[k].max(initial=0.0)
                for _, step, s in changes for k, b in step.items())
    return moves and all(_close(step[k], other[k], 64 * SLACK * s.gradients[k] + _unit(mine, k, questions[0].dtype),
                                questions[0].dtype)
                         for step, other, s in changes for k in step if k in other)


def _unit(answers: list[Any], name: str, dtype: str) -> float:
    """The rounding that a difference of two such answers may carry."""
    return 64 * UNIT[dtype] * max(float(np.abs(a.gradients[name]).max(initial=0.0)) for a in answers)


def _steps(answers: list[Any]) -> list[dict[str, Any]]:
    """What changes from one answer to the next, by name; nothing where the shapes differ."""
    return [{k: np.asarray(b.gradients[k], dtype=float) - np.asarray(a.gradients[k], dtype=float)
             for k in b.gradients if np.shape(a.gradients.get(k)) == np.shape(b.gradients[k])}
            for a, b in pairwise(answers)]
