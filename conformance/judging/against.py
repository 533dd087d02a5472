"""A subject's answer against an oracle's: entry by entry, or one number for each array."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import oracles
from ..oracles import ORACLES, How
from ..oracles.directions import by_name, of_each_array
from ..properties import agreement
from ..properties.identities import Reply
from ..properties.measured import Measured
from ..properties.tolerance import SLACK, Spread

Numbers = dict[str, Measured]


class Sides(NamedTuple):
    """What is compared, by name: the subject's numbers, the oracle's, and the true ones.

    `loss` is the oracle's, None where it was not asked for one.
    """

    mine: Numbers
    theirs: Numbers
    true: dict[str, Any]
    loss: Measured | None


def entries(name: str, reply: Reply, s: Spread) -> Sides:
    """Every entry of every gradient; raises Unsupported where the oracle declines the case."""
    module = oracles.load(name)
    if ORACLES[name].how is How.DIRECTIONS:
        answer, error = module.estimate(reply.case, agreement.loss_noise(reply.case, s))
    else:
        answer, error = module.answer(reply.case), {}
    return of_answer(answer, reply, s, error)


def of_answer(answer: Any, reply: Reply, s: Spread, error: dict[str, Any] | None = None) -> Sides:
    """The sides of an oracle's whole answer; error: by name, how far it may be off itself."""
    off = error or {}
    s = s.enough_for(answer)
    theirs = {name: Measured(np.asarray(g, dtype=float),
                             SLACK * (s.gradients[name] + off.get(name, 0.0)))
              for name, g in answer.gradients.items()}
    loss = Measured(np.asarray(answer.loss, dtype=float), SLACK * s.loss)
    return Sides(reply.gradients, theirs, dict(s.truth.gradients), loss)


def directions(name: str, reply: Reply, s: Spread, rng: Any) -> Sides:
    """One random direction for each array: what the gradient and the oracle say along it."""
    rows = of_each_array(reply.case, rng)
    noise = agreement.loss_noise(reply.case, s)
    value, error = oracles.load(name).along(reply.case, rows, noise)
    along = by_name(reply.case, rows)
    theirs = {each: Measured(value[i], SLACK * ((s.gradients[each] * np.abs(d)).sum() + error[i]))
              for i, (each, d) in enumerate(along.items())}
    mine = {each: (g * along[each]).sum() for each, g in reply.gradients.items()}
    true = {each: (s.truth.gradients[each] * d).sum() for each, d in along.items()}
    return Sides(mine, theirs, true, None)
