"""Does a case show a fault? Asked of the wrong engine itself: its answer against the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..properties.identities.state import other_numbers
from ..properties.perturbed import UNIT
from ..properties.structures import STRUCTURES, structures_of
from ..properties.tolerance import SLACK, Spread, spread
from ..reference import TABLES, Answer, Case, Engine, Network
from ..reference.layers import FAMILIES
from .behaviour import largest
from .core import Fault

# Right programs differ in how they underflow: beside the largest gradient, 1e-290 is 0.
TAIL = UNIT["float64"] ** 2


def structures_in(family: str) -> tuple[str, ...]:
    """The structures that a family of faults is about, where it is about some.

    The structure of that name, or those of the layer kinds in the file of that name.
    """
    if family in STRUCTURES:
        return (family,)
    return tuple(kind for kind in FAMILIES.get(family, ()) if kind in STRUCTURES)


def concerns(fault: Fault, network: Network) -> bool:
    """Whether a network may show the fault: one about some structures shows only where they are.

    A layer of a kind is enough, whatever structure it stands in (a flatten behind a convolution),
    and so is a structure that is like one of them.
    """
    about = {*structures_in(fault.family)}
    return (not about
            or any(about & {name, *STRUCTURES[name].like} for name in structures_of(network))
            or any(spec.kind in about for _, spec in network.walk()))


def shows(fault: Fault, case: Case, known: Spread | None = None) -> bool:
    """Whether a fresh engine of the fault gives itself away on a case.

    It does where it raises, changes an array of the question, or gives a number that is off by more
    than the tolerance (a wrong shape and NaN are). A fault of the family "state" is asked several
    questions. `known`: the spread of the case, where it has been computed already.
    """
    engine = fault.engine(TABLES)
    return any(gives_away(engine, question, known if question is case else None)
               for question in questions(fault, case))


def questions(fault: Fault, case: Case) -> tuple[Case, ...]:
    """The case; of what may be remembered, the case twice, another question, and the case again."""
    return (case, case, other_numbers(case), case) if fault.family == "state" else (case,)


def gives_away(engine: Engine, case: Case, known: Spread | None = None) -> bool:
    """Whether the engine raises on a question, changes it, or answers it wrongly."""
    question = case.copy()
    try:
        answer = engine(question)
    except Exception:
        return True
    return changed(case, question) or differs(answer, known or spread(case))


def changed(case: Case, question: Case) -> bool:
    """Whether an array of the copy is no longer that of the case, to the last bit."""
    return any(array.tobytes() != copy.tobytes()
               for array, copy in zip(arrays(case), arrays(question), strict=True))


def arrays(case: Case) -> list[Any]:
    return [case.inputs, case.targets, *case.values.values()]


def differs(answer: Answer, s: Spread) -> bool:
    """Whether the loss or a gradient in the answer is off by more than the tolerance.

    A gradient that is not given does not count, one that nobody asked for does.
    """
    truth = s.truth.gradients
    if answer.gradients.keys() - truth.keys():
        return True
    tail = TAIL * largest(truth.values())
    return beyond(answer.loss, s.truth.loss, SLACK * s.loss) or any(
        beyond(g, truth[name], np.maximum(SLACK * s.gradients[name], tail))
        for name, g in answer.gradients.items())


def beyond(got: Any, truth: Any, tolerance: Any) -> bool:
    """Whether an array has a wrong shape or, where the truth is finite, an error too large."""
    got, truth = np.asarray(got, dtype=float), np.asarray(truth)
    if got.shape != truth.shape:
        return True
    with np.errstate(invalid="ignore"):
        return not np.all((np.abs(got - truth) <= tolerance) | ~np.isfinite(truth))
