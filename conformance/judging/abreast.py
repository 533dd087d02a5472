"""Many draws of one structure, judged together: each is a question, all share one pass.

The subject is called once a question, as always. Its answers are held against the truth together,
and so are those of the oracles that answer several cases at once: near the truth within what both
may be off, they are near each other. What is not settled so is judged as any other question is, by
itself: with eight samples, then with the arbiter and the witnesses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import oracles
from ..properties.agreement import measured
from ..properties.draws import LOSS, Draws, Numbers, stacked_answers
from ..properties.strategies.mending import halved, mended
from ..properties.tolerance import spread
from ..reference import Answer, Case
from .asking import questions
from .judge import Judge, valid

ABREAST = ("torch", "jax")  # the oracles that answer many draws at once
HALVINGS = 6


def judge_draws(judge: Judge, cases: Sequence[Case], compiled: bool = True) -> None:
    """Ask and judge every draw; the first by itself, so that it says how sharp it was.

    compiled: ask the oracles that compile a program for the structure, too.
    """
    head = judge.claims.head_of(cases[0].network)
    largest = head.logits if head else None
    by_itself(judge, cases[0], largest)
    draws = pack(judge, cases[1:], largest)
    if draws.cases:
        together(judge, draws, compiled)


def pack(judge: Judge, cases: Sequence[Case], largest: float | None) -> Draws:
    """The cases, made smaller where they overflow or their logits are larger than may be.

    One that is still not as it must be is judged by itself.
    """
    draws = Draws(cases, largest)
    for _ in range(HALVINGS):
        if not draws.cases or draws.ready.all():
            return draws
        draws = Draws([case if ready else halved(case, finite) for case, ready, finite in
                       zip(draws.cases, draws.ready, draws.finite, strict=True)], largest)
    for case in _of(draws.cases, ~draws.ready):
        by_itself(judge, case, largest)
    return Draws(_of(draws.cases, draws.ready), largest)


def by_itself(judge: Judge, case: Case, largest: float | None) -> None:
    """One draw asked as any network is, mended where it must be."""
    judge.first(mended(case, judge.drawing("draws"), largest))


def together(judge: Judge, draws: Draws, compiled: bool) -> None:
    """Ask all, and judge by themselves those that are not settled together."""
    answers: dict[int, Answer] = {}  # by the place of the draw
    for place, reply in enumerate(questions(judge.engine, draws.cases)):
        if isinstance(reply, Answer):
            answers[place] = reply
        else:
            judge.tally.networks += 1
            judge.refused(draws.cases[place], reply)
    settled = np.zeros(len(draws.cases), bool)
    for places in _alike(answers):
        right = _right(judge, draws, places, stacked_answers([answers[k] for k in places]))
        settled[places[right]] = True
        for place in places[~right]:
            _alone(judge, draws, place, answers[place])
    if settled.any():
        _passed(judge, draws, settled)
        for name in judge.names:
            if name in ABREAST:
                kept = {k: answer for k, answer in answers.items() if settled[k]}
                witness(judge, name, draws, kept, compiled)


def witness(judge: Judge, name: str, draws: Draws, settled: Mapping[int, Answer],
            compiled: bool) -> None:
    """An oracle's answers to the draws whose answers are the reference's: near the truth too?

    settled: those answers, by the place of the draw. Where the oracle's are not, its program for
    the one case is asked, unless that is on a kink, where each may have a slope of its own.
    """
    places = np.array(list(settled))
    cases = [draws.cases[place] for place in places]
    try:
        answers = answers_of(name, cases, compiled)
    except oracles.Unsupported:
        judge.count(name, "not_claimed", cases[0], times=len(cases))
        return
    if answers:
        near = _settled(draws, places, stacked_answers(answers))
        if near.any():
            judge.count(name, "passed", cases[0], times=int(near.sum()))
        for place in places[~near]:
            case = draws.cases[place]
            if valid(spread(case)):
                judge.oracle(name, measured(case, settled[place], judge.spread(case)))


def answers_of(name: str, cases: Sequence[Case], compiled: bool) -> list[Answer]:
    """The oracle's answers; none where it would compile a program and is not to.

    Raises Unsupported where it does not know the structure.
    """
    oracle = oracles.load(name)
    if oracles.ORACLES[name].how is oracles.How.DRAWS:
        try:
            return list(oracle.padded(cases))
        except oracles.Unsupported:
            if not compiled:
                return []
    return list(oracle.answers(cases))


# --- which are right -----------------------------------------------------------------------------


def _right(judge: Judge, draws: Draws, places: Any, answers: Numbers) -> Any:
    """Which answers agree with the truth; a loss that cannot be checked is not looked at."""
    if judge.clipped(draws.cases[0]):
        answers = {name: array for name, array in answers.items() if name != LOSS}
    return _settled(draws, places, answers)


def _settled(draws: Draws, places: Any, answers: Numbers) -> Any:
    """Which answers, those to the draws of these places, are near the truth: by few samples."""
    right = draws.near(answers, places)
    left = np.flatnonzero(~right)
    if left.size:
        some = {name: array[left] for name, array in answers.items()}
        right[left] = draws.agreeing(some, places[left])
    return right


def _passed(judge: Judge, draws: Draws, settled: Any) -> None:
    """Count what the settled answers have passed."""
    times = int(settled.sum())
    judge.tally.networks += times
    judge.passed(_of(draws.cases, settled)[0], times)


def _alone(judge: Judge, draws: Draws, place: int, answer: Answer) -> None:
    """An answer that was not settled: on a kink, the case is mended and asked anew."""
    case = draws.cases[place]
    s = spread(case)
    if not valid(s):
        by_itself(judge, case, draws.largest)
        return
    judge.tally.networks += 1
    judge.tally.begin(case, judge.asked)
    judge.heard(case, answer, s)
    judge.tally.end(True)


def _alike(answers: Mapping[int, Answer]) -> list[Any]:
    """The places of answers that give the same gradients: the inputs' may be left out at times."""
    found: dict[tuple[str, ...], list[int]] = {}
    for place, answer in answers.items():
        found.setdefault(tuple(answer.gradients), []).append(place)
    return [np.array(places) for places in found.values()]


def _of(cases: Sequence[Case], mask: Any) -> list[Case]:
    return [case for case, chosen in zip(cases, mask, strict=True) if chosen]
