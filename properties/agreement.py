"""When is an answer wrong? Never on one instrument's word.

An error of at most 16 s agrees. Beyond that three things are asked: the arbiter says what is true,
64 samples say what is allowed, and a witness that shares no backward code with the reference says
whether the truth is true. "Wrong" needs all three, and an error above 4 running-error bounds. Below
those bounds an error that torch or JAX, in the subject's own dtype, do not make "loses digits".
Without a witness nothing is said: the judgement is inconclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import oracles
from ..reference import Answer, Case
from .identities import Reply
from .measured import Measured, apart
from .perturbed import UNIT
from .subtraction import carried
from .tolerance import BOUNDS, SLACK, Spread, bounds, spread


class Disagreement(NamedTuple):
    """The worst entry of one array: its index, the numbers, the error and the tolerance."""

    parameter: str
    where: tuple[int, ...]
    got: float
    wanted: float
    error: float
    tolerance: float


class Judgement(NamedTuple):
    """What became of a suspicion: an outcome, why, and the disagreements with the truth."""

    outcome: str
    why: str
    disagreements: tuple[Disagreement, ...] = ()
    truth: Answer | None = None
    loses_digits: bool = False


def kind_of(parameter: str) -> str:
    """"0.weight" -> "weight": parameters of a kind share a mistake."""
    return parameter.rsplit(".", 1)[-1]


def measured(case: Case, answer: Answer, s: Spread) -> Reply:
    """The answer with its tolerances: 16 s for every number."""
    s = s.enough_for(answer)
    loss = Measured(np.asarray(answer.loss, dtype=float), np.asarray(SLACK * s.loss))
    gradients = {k: Measured(np.asarray(g, dtype=float), SLACK * s.gradients[k])
                 for k, g in answer.gradients.items() if k in s.gradients}
    return Reply(case, loss, gradients)


def differing(parameter: str, left: Any, right: Any) -> Disagreement | None:
    """The worst entry where two sides disagree, None where they agree."""
    error, tolerance = apart(left, right)
    if np.all(error <= tolerance):
        return None
    with np.errstate(all="ignore"):
        ratio = np.where(error <= tolerance, 0.0,
                         np.where(tolerance > 0, error / tolerance, np.inf))
    where = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    values = (x.value if isinstance(x, Measured) else x for x in (left, right))
    got, wanted = (np.broadcast_to(value, error.shape)[where] for value in values)
    allowed = np.broadcast_to(tolerance, error.shape)[where]
    return Disagreement(parameter, tuple(map(int, where)), float(got), float(wanted),
                        float(error[where]), float(allowed))


def disagreements(reply: Reply, truth: Answer) -> list[Disagreement]:
    """Every gradient that differs from the truth."""
    found = (differing(name, reply[name], truth.gradients[name]) for name in reply.gradients)
    return [one for one in found if one is not None]


# --- the cold path: a suspicion -------------------------------------------------------------------


def witnesses(names: Iterable[str], made_of: Iterable[str]) -> dict[str, Any]:
    """The independent oracles at hand, less what the subject is made of and what is absent."""
    found = {}
    for name, row in oracles.ORACLES.items():
        if row.witness and name in names and row.family not in made_of:
            try:
                found[name] = oracles.load(name)
            except oracles.NotAvailable:
                continue
    return found


def confirm(case: Case, answer: Answer, at_hand: Mapping[str, Any],
            rate: float | None = None, own_loss: bool = True) -> Judgement:
    """Judge a suspicious answer; `at_hand` are independent oracles by name (see `witnesses`).

    `rate`: that over which the gradients are claimed to be differences. `own_loss`: whether the
    loss is the subject's, whose differences are a witness too.
    """
    try:
        truth = oracles.load("arbiter").answer(case)
    except (oracles.NotAvailable, oracles.Unsupported) as error:
        return Judgement("inconclusive", str(error))
    s = spread(case, samples=64, seed=1)
    reply = measured(case, answer, carried(case, s, rate))
    wrong = tuple(disagreements(reply, truth))
    if not wrong:
        return Judgement("passed", "within the tolerance of 64 samples", (), truth)
    if not all(np.isfinite(d.got) for d in wrong):
        return Judgement("failed", "not finite where the truth is", wrong, truth)
    bound = bounds(case)
    beyond = any(_beyond(reply, truth, bound, d.parameter) for d in wrong)
    if not beyond:
        return _digits(case, wrong, truth, s, at_hand)
    name = first_of(at_hand, lambda oracle: _agrees(oracle, case, truth, s))
    if not name and own_loss and _loss_agrees(reply, truth) and _differences_agree(reply, truth, s):
        name = "differences of the subject's own forward"
    if not name:
        return Judgement("inconclusive", f"no independent witness: {absent(at_hand)}", wrong, truth)
    return Judgement("failed", f"witnessed by {name}", wrong, truth)


def first_of(at_hand: Mapping[str, Any], agrees: Callable[[Any], bool]) -> str:
    """The first oracle that agrees, and "" where none does: one is enough, others are not asked."""
    return next((name for name, oracle in at_hand.items() if agrees(oracle)), "")


def loss_agrees(case: Case, answer: Answer) -> bool:
    """A loss that 8 samples call wrong, before the arbiter and 64."""
    s = spread(case, samples=64, seed=1)
    try:
        truth = oracles.load("arbiter").answer(case)
    except (oracles.NotAvailable, oracles.Unsupported):
        truth = s.truth
    return _loss_agrees(measured(case, answer, s), truth)


def absent(at_hand: Mapping[str, Any]) -> str:
    """Which witnesses are missing, in words."""
    missing = [name for name, row in oracles.ORACLES.items()
               if row.witness and name not in at_hand]
    if not missing:
        return "witnesses disagree"
    return f"{' and '.join(missing)} not available or what the subject is made of"


def _beyond(reply: Reply, truth: Answer, bound: Answer, name: str) -> bool:
    error, tolerance = apart(reply[name], truth.gradients[name])
    return bool(np.any(error > np.maximum(tolerance, BOUNDS * bound.gradients[name])))


def _digits(case: Case, wrong: tuple[Disagreement, ...], truth: Answer, s: Spread,
            at_hand: Mapping[str, Any]) -> Judgement:
    """Below the bounds: an error that others do not make in the subject's own dtype."""
    inside = first_of(at_hand, lambda oracle: _agrees(oracle, case, truth, s, None))
    if not inside:
        return Judgement("inconclusive", f"below the rigorous bound, and {absent(at_hand)}",
                         wrong, truth)
    why = f"loses digits that {inside} keeps in {case.dtype}"
    return Judgement("failed", why, wrong, truth, loses_digits=True)


def _agrees(oracle: Any, case: Case, truth: Answer, s: Spread,
            dtype: str | None = "float64") -> bool:
    try:
        return not disagreements(measured(case, oracle.answer(case, dtype), s), truth)
    except oracles.Unsupported:
        return False


def _loss_agrees(reply: Reply, truth: Answer) -> bool:
    return differing("loss", reply.loss, truth.loss) is None


def _differences_agree(reply: Reply, truth: Answer, s: Spread) -> bool:
    """Whether differences side with the truth: near it, and too sharp to allow the answer."""
    answer, error = oracles.load("differences").estimate(reply.case, loss_noise(reply.case, s))
    near = {k: Measured(answer.gradients[k], SLACK * (error[k] + s.gradients[k])) for k in error}
    sharp = any(differing(k, near[k], reply[k]) for k in reply.gradients)
    return sharp and all(differing(k, near[k], g) is None for k, g in truth.gradients.items())


def loss_noise(case: Case, s: Spread) -> float:
    """How far a float64 loss of this case may be off: the spread, brought to float64's unit."""
    return SLACK * s.loss * UNIT["float64"] / UNIT[case.dtype]
