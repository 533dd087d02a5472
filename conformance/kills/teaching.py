"""`backproof explain NAME`: what a mistake is, or what a property says, by example in numbers.

A word that is neither is looked up among the lessons, and among the entries of the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from ..faults import FAULTS
from ..faults.behaviour import asked, behaviour
from ..faults.core import Fault
from ..faults.showing import shows as fault_shows
from ..faults.updating import WRONG_UPDATES
from ..judging.plan import drawn
from ..naming.reduce import reduce
from ..naming.words import describe
from ..properties.agreement import Disagreement, differing, measured
from ..properties.catalogue import catalogue
from ..properties.identities import PROPERTIES
from ..properties.strategies import cases
from ..properties.tolerance import spread
from ..reference import Answer, Case, evaluate
from .entries import ENTRIES, of_entry, short
from .lessons import lesson, plain, unknown
from .matrix import claims
from .steps import taught
from .telling import index, told

# A mistake that breaks each property that asks for no second answer.
EXAMPLES = {"contract": "bias-keepdims", "untouched_arguments": "inputs-changed-in-place",
            "answers": "bias-keepdims", "loss_value": "loss-through-argmax"}
USUAL = "bias-averaged-over-batch"
# A structure of many is in few of the networks drawn, and a mistake shows on some of those.
DRAWS = 400
ASKED = 8
SECONDS = 2.0


def teach(name: str) -> str:
    """The text for a mistake, a property or a word; DescriptionError for what is none of these.

    Nothing in `name` is asking for what there is.
    """
    return "\n".join(_lines(name.strip()))


def _lines(name: str) -> Iterator[str]:
    if not name:
        return index()
    if name in FAULTS:
        return _fault(name, FAULTS[name])
    if name in WRONG_UPDATES:
        return taught(name)
    if name in catalogue():
        return _property(name)
    found = lesson(name) or of_entry(plain(name).replace(" ", "_"))
    if found is None:
        raise unknown(name, FAULTS, WRONG_UPDATES, catalogue(), *ENTRIES.values())
    return told(found)


def _property(name: str) -> Iterator[str]:
    yield f"{name} (a property)"
    if name in PROPERTIES:
        yield f"  says:   {PROPERTIES[name].says}"
        yield f"  source: {PROPERTIES[name].source}"
        broken = _breakers(name)
        for fault, (parameter, left, right) in list(broken.items())[:1]:
            yield f"  wrong:  with {fault}, {parameter}: one side {left:.6g}, the other {right:.6g}"
            yield "  right:  both sides are the same number"
        if broken:
            yield f"  broken by, among others: {', '.join(broken)}"
        else:
            yield "  broken by: no fault tried here"
    else:
        fault = EXAMPLES.get(name, USUAL)
        yield f"  says:   {catalogue()[name].says}"
        yield f"  broken by, among others: {fault}"
        yield from _example(FAULTS[fault])
        yield "  source: the definition of the gradient; `reference/` is the declared one"


def _breakers(name: str) -> dict[str, tuple[str, float, float]]:
    """A few faults that break an identity, tried now: which equation, and its two sides."""
    found: dict[str, tuple[str, float, float]] = {}
    rng = np.random.default_rng(0)
    drawn_cases = islice(drawn(cases(claims()), 5), DRAWS)
    found_asks = (PROPERTIES[name].question(case, claims(), rng) for case in drawn_cases)
    asks = list(islice(filter(None, found_asks), ASKED))
    for fault, row in FAULTS.items():
        engine = asked(row)
        for asking in asks:
            questions = asking.cases
            answers = [behaviour(engine, case) for case in questions]
            if all(isinstance(answer, Answer) for answer in answers):
                replies = [measured(c, a, spread(c))
                           for c, a in zip(questions, answers, strict=True)
                           if isinstance(a, Answer)]
                sides = filter(None, (differing(*e) for e in asking.equations(replies)))
                wrong = next(filter(plainly, sides), None)
                if wrong:
                    found[fault] = (wrong.parameter, wrong.got, wrong.wanted)
                    break
        if len(found) == 4:
            break
    return found


def plainly(d: Disagreement) -> bool:
    """Whether the two sides differ beyond the rounding of a wrong gradient, which may be large."""
    return not np.isclose(d.got, d.wanted, rtol=1e-5, atol=0.0)


def _fault(name: str, fault: Fault) -> Iterator[str]:
    yield f"{name} (a mistake; {fault.family})"
    yield f"  symptom: {fault.symptom}"
    yield f"  wrong:   {fault.wrong}"
    yield f"  right:   {fault.right}"
    if fault.number is not None:
        yield (f"  number:  with one number: {fault.number.name}, which a run fits and tells; "
               f"{fault.number.usual:g} in the example")
    yield from _example(fault)
    yield f"  seen in: {fault.seen}"


def _example(fault: Fault) -> Iterator[str]:
    """Two lines of numbers on the smallest network found that shows it."""
    case = shown(fault)
    if case is None:
        return
    seen, true = behaviour(asked(fault), case), evaluate(case)
    yield f"  example: {describe(case)}"
    if not isinstance(seen, Answer):
        yield f"           {seen[0]}: {seen[1]}"
        return
    pairs = {"loss": (seen.loss, true.loss),
             **{k: (g, true.gradients[k]) for k, g in seen.gradients.items()}}
    for where, (wrong, right) in pairs.items():
        if not np.allclose(wrong, right, rtol=1e-12, atol=0.0):
            yield f"           wrong: {where} = {short(wrong)}"
            yield f"           right: {where} = {short(right)}"
            return


def shown(fault: Fault) -> Case | None:
    """The smallest float64 case found on which the fault shows.

    None where no drawn case does, or where the fault needs memory.
    """
    def shows(case: Case) -> bool:
        return fault_shows(fault, case)

    mine = claims(fault.family)
    drawn_cases = islice(drawn(cases(mine, dtype="float64"), 11), DRAWS)
    first = next((case for case in drawn_cases if shows(case)), None)
    return None if first is None else reduce(first, shows, mine, SECONDS)
