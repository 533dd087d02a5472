"""Which known mistake remembers as the subject does? Both are asked the same sequence of questions.

What the subject remembers from before is unknown. So both are first asked one case a number of
times (a memory that fades is the same after 400 questions, a parity after one), and then either the
answers are compared, or how they change from one to the next (what accumulates).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ..faults import FAULTS
from ..faults.behaviour import Ask, Behaviour, asked, behaviour, close, same
from ..faults.core import Fault, Faults, with_value
from ..judging.asking import question
from ..judging.session import clock
from ..plug.subject import Subject
from ..properties.identities.state import other_numbers
from ..properties.perturbed import UNIT
from ..properties.tolerance import SLACK, spread
from ..reference import Answer, Case
from .fitting import in_units, solved
from .matching import variations

WARM_UPS = (0, 1, 400)
WARM_SECONDS = 1.0


def state_candidates(subject: Subject, case: Case,
                     faults: Mapping[str, Fault] = FAULTS) -> Faults:
    """The faults of the state family whose answers to one sequence of questions are the subject's.

    The questions are the case a number of times, then the case with other numbers: a gradient of
    zero hides what is multiplied into it. A fault with a number in it has the one that fits.
    """
    rows = {name: fault for name, fault in faults.items() if fault.family == "state"}
    engine = subject.engine if subject.fresh is None else subject.fresh()
    ask = partial(question, engine)
    each = (_remembering(ask, question, rows) for question in (case, *variations(case, 1)))
    return next(filter(None, each), {})


def _remembering(ask: Ask, case: Case, rows: Mapping[str, Fault]) -> Faults:
    """The faults that remember as the subject does, after one of the warm-ups."""
    questions = [case, case, other_numbers(case), case, case]
    for warm in WARM_UPS:
        seen = _sequence(ask, questions, warm)
        found = _found(rows, seen, questions, warm)
        if found:
            return found
    fitted = {name: _fitted(fault, seen, questions, warm) for name, fault in rows.items()
              if fault.number is not None}
    return _found({name: fault for name, fault in fitted.items() if fault is not None},
                  seen, questions, warm)


def _found(rows: Mapping[str, Fault], seen: list[Behaviour], questions: list[Case], warm: int
           ) -> Faults:
    """The faults whose answers to the questions are these."""
    return {name: fault for name, fault in rows.items()
            if _alike(seen, _sequence(asked(fault), questions, warm), questions)}


def _fitted(fault: Fault, seen: list[Behaviour], questions: list[Case], warm: int) -> Fault | None:
    """The fault with the number that makes its answers nearest to these; None without one."""
    assert fault.number is not None

    def residuals(value: float) -> Any:
        theirs = _sequence(asked(with_value(fault, value)), questions, warm)
        return _apart(seen, theirs, questions)

    value = solved(residuals, fault.number)
    return None if value is None else with_value(fault, value)


def _apart(mine: list[Behaviour], theirs: list[Behaviour], questions: list[Case]) -> Any:
    """The differences of two sequences of answers, in units of what may be; None without them."""
    parts = []
    for a, b, case in zip(mine, theirs, questions, strict=True):
        if not isinstance(a, Answer) or not isinstance(b, Answer):
            return None
        s = spread(case).gradients
        parts += [in_units(g, b.gradients[k], SLACK * s[k].max(initial=0.0), case.dtype)
                  for k, g in a.gradients.items()
                  if k in b.gradients and np.shape(g) == np.shape(b.gradients[k])]
    return np.concatenate(parts)


def _sequence(ask: Ask, questions: list[Case], warm: int) -> list[Behaviour]:
    """The answers to the questions, after the first one `warm` times (for a second at most).

    Raises TimeIsUp where it is.
    """
    clock().check()
    end = time.monotonic() + WARM_SECONDS
    for _ in range(warm):
        behaviour(ask, questions[0])
        if time.monotonic() > end:
            break
    return [behaviour(ask, question) for question in questions]


def _alike(mine: list[Behaviour], theirs: list[Behaviour], questions: list[Case]) -> bool:
    spreads = [spread(q) for q in questions]
    if all(same(a, b, s, q.dtype)
           for a, b, s, q in zip(mine, theirs, spreads, questions, strict=True)):
        return True
    if not all(isinstance(each, Answer) for each in (*mine, *theirs)):
        return False
    changes = list(zip(_steps(mine), _steps(theirs), spreads[1:], strict=True))
    moves = any(np.abs(b).max(initial=0.0) > SLACK * s.gradients[k].max(initial=0.0)
                for _, step, s in changes for k, b in step.items())
    dtype = questions[0].dtype
    return moves and all(
        close(step[k], other[k], 64 * SLACK * s.gradients[k] + _unit(mine, k, dtype), dtype)
        for step, other, s in changes for k in step if k in other)


def _unit(answers: list[Any], name: str, dtype: str) -> float:
    """The rounding that a difference of two such answers may carry."""
    largest = max(float(np.abs(a.gradients[name]).max(initial=0.0)) for a in answers)
    return 64 * UNIT[dtype] * largest


def _steps(answers: list[Any]) -> list[dict[str, Any]]:
    """What changes from one answer to the next, by name; nothing where the shapes differ."""
    return [{k: np.asarray(b.gradients[k], dtype=float) - np.asarray(a.gradients[k], dtype=float)
             for k in b.gradients if np.shape(a.gradients.get(k)) == np.shape(b.gradients[k])}
            for a, b in pairwise(answers)]
