"""A subject's answer against an oracle's: entry by entry, or one number for each array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import oracles
from ..oracles import ORACLES, How
from ..oracles.directions import by_name, of_each_array
from ..properties import agreement
from ..properties.agreement import differing
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


def several(name: str, replies: Sequence[Reply], spreads: Sequence[Spread],
            by: str = "answers") -> list[Sides]:
    """The sides of several replies, whose cases the oracle is asked in one call.

    by: "answers" for cases of one structure; where the oracle has them, "padded" for such as one
    program answers whatever their structure, "many" for cases of any.
    What such a call finds is only believed of the plain program: where it is apart, from the
    subject or from the truth, the oracle's `answer` to the case alone takes its place. Raises
    Unsupported where the oracle declines one of them.
    """
    module = oracles.load(name)
    answers = getattr(module, by)([reply.case for reply in replies])
    sides = [of_answer(answer, reply, s)
             for answer, reply, s in zip(answers, replies, spreads, strict=True)]
    return [of_answer(module.answer(reply.case), reply, s) if disagree(each, reply) else each
            for each, reply, s in zip(sides, replies, spreads, strict=True)]


def disagree(sides: Sides, reply: Reply) -> bool:
    """Whether the oracle's numbers differ from the subject's or from the true ones."""
    loss = sides.loss is not None and differing("loss", reply.loss, sides.loss)
    return bool(loss) or any(
        differing(name, theirs, sides.true[name])
        or (name in sides.mine and differing(name, sides.mine[name], theirs))
        for name, theirs in sides.theirs.items())


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
