"""When is an answer to a large case wrong? The same three things, at one array after another.

The arbiter cannot compute so much, so the truth is the float64 reference, whose own rounding the
tolerance holds. What is far beyond a rigorous bound needs no more samples: a witness is asked, be
it torch or JAX, or differences along directions where the loss is right. What is below it is
sampled 64 times, and then loses digits or agrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..oracles import Unsupported
from ..reference import Answer, Case
from . import agreement
from .agreement import Disagreement, Judgement, differing, disagreements, measured
from .directed import directed, whole
from .identities import Reply
from .measured import apart
from .subtraction import carried
from .tolerance import BOUNDS, Spread, bounds, spread


def confirm(case: Case, answer: Answer, at_hand: Mapping[str, Any],
            rate: float | None = None, own_loss: bool = True) -> Judgement:
    """Judge a suspicious answer to a large case; the arguments are those of agreement's."""
    s = carried(case, spread(case), rate).enough_for(answer)
    reply = measured(case, answer, s)
    wrong = tuple(disagreements(reply, s.truth))
    if not wrong:
        return Judgement("passed", "within the tolerance", (), s.truth)
    if not all(np.isfinite(d.got) for d in wrong):
        return Judgement("failed", "not finite where the truth is", wrong, s.truth)
    if not _beyond(reply, s.truth, bounds(case), wrong):
        return _sampled(case, answer, at_hand, rate)
    names = [name for name, oracle in at_hand.items() if _agrees(oracle, case, s)][:1]
    if not names and own_loss and _directions_agree(reply, s):
        names = ["differences of the subject's own forward"]
    if not names:
        why = f"no independent witness: {agreement.absent(at_hand)}"
        return Judgement("inconclusive", why, wrong, s.truth)
    return Judgement("failed", f"witnessed by {names[0]}", wrong, s.truth)


def _beyond(reply: Reply, truth: Answer, bound: Answer, wrong: tuple[Disagreement, ...]) -> bool:
    """Whether some error is larger than any program of the textbook's shape may make."""
    for name in (d.parameter for d in wrong):
        error, tolerance = apart(reply[name], truth.gradients[name])
        if np.any(error > np.maximum(tolerance, BOUNDS * bound.gradients[name])):
            return True
    return False


def _sampled(case: Case, answer: Answer, at_hand: Mapping[str, Any],
             rate: float | None) -> Judgement:
    """Below the bounds: 64 samples, and then whether others keep the digits."""
    s = carried(case, spread(case, samples=64, seed=1), rate)
    wrong = tuple(disagreements(measured(case, answer, s), s.truth))
    if not wrong:
        return Judgement("passed", "within the tolerance of 64 samples", (), s.truth)
    inside = agreement.first_of(at_hand, lambda oracle: _agrees(oracle, case, s, None))
    if not inside:
        why = f"below the rigorous bound, and {agreement.absent(at_hand)}"
        return Judgement("inconclusive", why, wrong, s.truth)
    why = f"loses digits that {inside} keeps in {case.dtype}"
    return Judgement("failed", why, wrong, s.truth, loses_digits=True)


def _agrees(oracle: Any, case: Case, s: Spread, dtype: str | None = "float64") -> bool:
    try:
        return not disagreements(measured(case, oracle.answer(case, dtype), s), s.truth)
    except Unsupported:
        return False


def _directions_agree(reply: Reply, s: Spread) -> bool:
    """Whether differences side with the truth along every direction, against the answer on one."""
    if differing("loss", reply.loss, s.truth.loss) is not None:
        return False
    found = list(directed(reply, s.truth, np.random.default_rng(0), whole))
    return any(each.found for each in found) and all(each.outcome in ("passed", "failed")
                                                     for each in found)
