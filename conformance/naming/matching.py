"""Which known mistake gives the subject's wrong answers? Every fault is asked the same questions.

A name is earned in four steps. The fault must give the subject's wrong numbers on the reduced
network and on the same network with ordinary numbers: zeros and ones make different mistakes look
alike. It must give them on the other networks that failed, wherever it shows there: a fault that
fits only the smallest network is no explanation, though a second mistake may own some of the
others. It must not show where the subject is right. And where several faults are left, further
networks are drawn on which they differ, and the subject decides between them.

A narrower precision is looked for only where no formula fits: its rounding is not repeatable, so
not its numbers but the size of its errors is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..faults import FAULTS
from ..faults.behaviour import Ask, asked, behaviour, same
from ..faults.core import Fault
from ..properties.perturbed import UNIT
from ..properties.strategies import mended
from ..properties.tolerance import SLACK, spread
from ..reference import Answer, Case
from .fitting import fitted
from .ratios import factor
from .witnessed import Witnessed

QUIET = 15


def consistent(cases: Sequence[Witnessed], faults: Mapping[str, Fault]) -> list[str]:
    """The faults that do what the subject does on all cases and show on the first of them."""
    return [name for name, fault in faults.items()
            if cases[0].shows(fault) and all(case.agrees(fault) for case in cases)]


def diagnose(ask: Ask, cases: Sequence[Case], more: Iterable[Case], known: Sequence[str] = (),
             wrong_loss: bool = False, faults: Mapping[str, Fault] = FAULTS) -> dict[str, Fault]:
    """The known mistakes that are consistent with the subject, each with its number put in.

    cases: the reduced one, whose network the mistake must explain with other numbers too, then
    others where the subject was wrong, of which it must explain as many as any does (there may be
    a second mistake). more: further cases of the subject's claims, which tell candidates apart.
    Where the subject is right, the mistake must not show. known: mistakes that are named already.
    wrong_loss: the loss is wrong too, which may be a mistake of its own: where none explains both,
    the gradient is explained alone.
    """
    witnessed = partial(Witnessed, ask, known=[faults[name] for name in known])
    found = _diagnosed(witnessed, cases, more, known, faults)
    if wrong_loss and not found:
        return _diagnosed(partial(witnessed, any_loss=True), cases, more, known, faults)
    return found


def _diagnosed(witnessed: Callable[[Case], Witnessed], cases: Sequence[Case], more: Iterable[Case],
               known: Sequence[str], faults: Mapping[str, Fault]) -> dict[str, Fault]:
    first = witnessed(cases[0])
    here = [first, *map(witnessed, variations(cases[0]))]
    faults = {name: fitted(fault, here) for name, fault in faults.items()}
    found = consistent(here, faults)
    found = [name for name in found if name not in known]
    if not found:
        narrow = inside(witnessed, [first, *map(witnessed, cases[1:])])
        return {name: faults[name] for name in narrow if name in faults}
    others = [witnessed(case) for case in cases[1:]]
    found = [name for name in found if borne_out(faults[name], others)]
    if not found:
        return {}
    score = {name: sum(other.agrees(faults[name]) for other in others) for name in found}
    best = [name for name in found if score[name] == max(score.values())]
    further = [case for case in more if case.dtype == cases[0].dtype]
    right = [case for case in map(witnessed, further[:QUIET]) if case.right]
    quiet = [name for name in best if not any(case.shows(faults[name]) for case in right)]
    return {name: faults[name] for name in told_apart(witnessed, quiet, further, faults)}


def borne_out(fault: Fault, others: Sequence[Witnessed]) -> bool:
    """Whether the mistake gives some of the subject's wrong gradients where it shows.

    At least every second time: a second mistake may be in the others, and may be all there is where
    this one does not show. But a mistake that shows there, and differently, only fits the smallest
    network.
    """
    telling = [other for other in others if other.shows(fault)]
    given = sum(other.agrees(fault) or bool(other.given_by(fault)) for other in telling)
    return 2 * given >= len(telling)


INSIDE = {"float32-inside": 2.0**-24, "float16-inside": 2.0**-11}


def inside(witnessed: Callable[[Case], Witnessed], cases: Sequence[Witnessed]) -> list[str]:
    """A narrower precision inside: no formula is wrong, but the errors are what it would make.

    Its rounding is not repeatable, so the fault's own digits need not be the subject's: the spread,
    brought to the narrower unit, says how large they may be. Most gradients must be off, and as far
    as that precision brings them: one wrong entry is another mistake, and so is a factor close to
    1, or an error far smaller. And the errors must scatter as rounding does.
    """
    for name, unit in INSIDE.items():
        if all(_within(case, unit) for case in cases):
            far = any(_mostly_off(case) and _as_far(case, unit) for case in cases)
            one = all(map(_one_factor, cases))
            return [name] if far and not one and _scatters(witnessed, cases[0].case, unit) else []
    return []


def _scatters(witnessed: Callable[[Case], Witnessed], case: Case, unit: float) -> bool:
    """Whether the errors are others once every number has moved by some units of that precision.

    Rounding is then drawn anew, so the errors before and after point in unrelated directions; the
    error of a wrong formula moves as little as the numbers did, and its direction stays.
    """
    rng = np.random.default_rng(5)
    cosines = []
    for here in variations(case):
        before = _signed(witnessed(here))
        for _ in range(4):
            after = _signed(witnessed(_moved(here, 16 * unit, rng)))
            lengths = float(np.linalg.norm(before) * np.linalg.norm(after))
            if lengths:
                cosines.append(float(before @ after) / lengths)
    return bool(cosines) and bool(np.mean(cosines) < 0.7)  # float16 has up to 0.3, a formula 1.0


def _signed(case: Witnessed) -> Any:
    """Subject minus truth, all gradients as one vector; of a subject that gave none, nothing."""
    if not isinstance(case.subject, Answer):
        return np.zeros(1)
    return np.concatenate([np.ravel(np.asarray(g, dtype=float) - case.truth[name])
                           for name, g in sorted(case.subject.gradients.items())])


def _moved(case: Case, share: float, rng: np.random.Generator) -> Case:
    """The case with every real number moved by a random share of itself, at most this one."""
    def move(array: Any) -> Any:
        return (array * (1 + share * rng.uniform(-1, 1, array.shape))).astype(array.dtype)

    inputs = move(case.inputs) if case.network.real else case.inputs
    parameters = {name: move(value) for name, value in case.parameters.items()}
    return mended(case.but(parameters=parameters, inputs=inputs), rng)


def _as_far(case: Witnessed, unit: float) -> bool:
    """Whether the worst error is not far below that precision's rounding."""
    worst = max(float(np.max(error / case.spread.gradients[k], initial=0.0))
                for k, error in case.errors.items())
    return worst * UNIT[case.case.dtype] > unit / 64


def _one_factor(case: Witnessed) -> bool:
    """Whether every gradient is the same number times the truth: a formula, no rounding."""
    assert isinstance(case.subject, Answer)
    names = list(case.subject.gradients)
    arrays = case.subject.gradients, case.spread.truth.gradients, case.spread.gradients
    got, true, s = (np.concatenate([np.ravel(np.asarray(by[name], dtype=float)) for name in names])
                    for by in arrays)
    k = factor(got, true)
    return k is not None and bool(np.all(np.abs(got - k * true) <= 4 * SLACK * s))


def _within(case: Witnessed, unit: float) -> bool:
    if not isinstance(case.subject, Answer) or unit <= UNIT[case.case.dtype]:
        return False
    scale = SLACK * unit / UNIT[case.case.dtype]
    return all(bool(np.all(error <= scale * case.spread.gradients[k]))
               for k, error in case.errors.items())


def _mostly_off(case: Witnessed) -> bool:
    off = [bool(np.any(error > SLACK * case.spread.gradients[k]))
           for k, error in case.errors.items()]
    return 2 * sum(off) > len(off)


def variations(case: Case, count: int = 4) -> list[Case]:
    """The reduced network with ordinary numbers: zeros and ones make mistakes look alike."""
    rng = np.random.default_rng(3)

    def ordinary(array: Any) -> Any:
        return rng.standard_normal(array.shape).astype(array.dtype)

    def other() -> Case:
        inputs = ordinary(case.inputs) if case.network.real else case.inputs
        parameters = {name: ordinary(value) for name, value in case.parameters.items()}
        return mended(case.but(parameters=parameters, inputs=inputs), rng)

    return [other() for _ in range(count)]


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
    """Whether the named mistakes account for what the subject does here.

    They do where one of them does the same, or where several show.
    """
    if any(name in INSIDE and _within(case, INSIDE[name]) for name in names):
        return True
    if BY_DIFFERENCES in names and _noise(case):
        return True
    named = [faults[name] for name in names]
    return (any(case.agrees(fault) for fault in named)
            or sum(case.shows(fault) for fault in named) > 1)


BY_DIFFERENCES, STEP = "gradient-by-differences", 1e-6


def _noise(case: Witnessed) -> bool:
    """Whether every error is what differences with that step leave of the loss's rounding.

    That rounding is not repeatable, so only its size is compared.
    """
    if not isinstance(case.subject, Answer):
        return False
    truth = case.spread.truth
    allowed = 64 * UNIT[case.case.dtype] * abs(float(truth.loss)) / STEP
    return all(bool(np.all(error <= allowed + 1e-3 * np.abs(truth.gradients[k]).max(initial=0.0)))
               for k, error in case.errors.items())
