"""What an engine does with a case behind the contract, and whether two engines do the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..plug.contract import BrokenContract
from ..plug.subject import Wrapped
from ..properties.perturbed import UNIT
from ..properties.tolerance import SLACK, Spread
from ..reference import TABLES, Answer, Case, Engine
from .core import Fault

Behaviour = Answer | tuple[str, str]
Ask = Callable[[Case], Answer]
ROUNDING = 1024.0
# Right programs differ in how they underflow.
TAIL = 1e-100


def behaviour(ask: Ask, case: Case) -> Behaviour:
    """What an engine does with a case: answers, breaks the contract, or raises something."""
    try:
        return ask(case)
    except BrokenContract as error:
        return error.broken
    except Exception as error:
        return "raised", type(error).__name__


def held_to_contract(engine: Engine) -> Ask:
    """A fault behind the contract of a subject: its wrong shapes and changed arguments break it."""
    def answers(case: Case) -> Answer:
        def backprop(network: Any, parameters: Any, inputs: Any, targets: Any) -> Any:
            mine = {name: parameters[name] for name in case.parameters}
            fixed = {name: parameters[name] for name in case.constants}
            answer = engine(Case(network, mine, inputs, targets, case.dtype, fixed))
            return answer.loss, answer.gradients
        return Wrapped(backprop)(case)
    return answers


def asked(fault: Fault) -> Ask:
    """A fresh engine of a fault, behind the contract."""
    return held_to_contract(fault.engine(TABLES))


def same(subject: Behaviour, fault: Behaviour, s: Spread, dtype: str) -> bool:
    """Whether two behaviours are the same, as far as the rounding of a whole array lets one tell.

    Of the array, not of the entry: where a saturated unit's derivative is 0 in one right program
    and 1e-79 in another, a dead unit beside it makes the same mistake look different. And beside
    the largest gradient of all, an array of 1e-290 is one of zeros.
    """
    if not isinstance(subject, Answer) or not isinstance(fault, Answer):
        return subject == fault
    if not close(subject.loss, fault.loss, SLACK * s.loss, dtype):
        return False
    tail = TAIL * largest(fault.gradients.values())
    return all(close(g, fault.gradients.get(k, g),
                     max(SLACK * s.gradients[k].max(initial=0.0), tail), dtype)
               for k, g in subject.gradients.items())


def largest(arrays: Iterable[Any]) -> float:
    """The largest finite size of an entry, 0 where there is none."""
    sizes = (np.abs(np.asarray(a, dtype=float)) for a in arrays)
    return max((float(a[np.isfinite(a)].max(initial=0.0)) for a in sizes), default=0.0)


def close(a: Any, b: Any, tolerance: Any, dtype: str) -> bool:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        return False
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)):
        return False
    size = np.abs(b[finite]).max(initial=0.0)
    allowed = np.broadcast_to(tolerance, a.shape)[finite] + ROUNDING * UNIT[dtype] * size
    return bool(np.all(np.abs(a - b)[finite] <= allowed))
