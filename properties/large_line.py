"""The line integral of a large answer, at one node: L(θ + v) - L(θ) = ∫ <g(θ + t v), v> dt.

The rule's own error is taken off by the reference's gradient at the same node, so one is enough,
and two further questions are all that is asked. What every entry may be off by is taken from the
case itself, four times: the node lies near it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..oracles.along_one import signs
from ..oracles.flat import pieces, trained
from ..reference import Case, backprop, evaluate, forward
from .identities import Equation, Reply
from .measured import Measured
from .own_loss import Ask, smooth

FURTHEST = 0.25
STEP = 2.0**-24


def large_line(reply: Reply, ask: Ask, rng: Any) -> list[Equation] | None:
    """The rise of the reported loss beside the integral; None where something has a kink.

    Raises what the subject raises.
    """
    case = reply.case
    if not smooth(case):
        return None
    line = _line(case, list(reply.gradients), rng)
    off = sum(float(np.dot(np.ravel(g.tolerance), np.ravel(np.abs(line[name]))))
              for name, g in reply.gradients.items())
    more = _beyond(_at(case, line, 0.5), line, ask)
    end = _at(case, line, 1.0)
    rise = float(ask(end).loss) - float(reply.loss.value)
    by = case.network.loss.gradient_scale
    risen = more / by + _loss(end) - _loss(case)
    noise = 4.0 * float(reply.loss.tolerance) + 2.0**-50 * (abs(_loss(end)) + abs(_loss(case)))
    return [("loss", Measured(np.asarray(risen), np.asarray(4.0 * off / abs(by))),
             Measured(np.asarray(rise), np.asarray(noise)))]


def _line(case: Case, names: list[str], rng: Any) -> dict[str, Any]:
    """Random signs for every array given, so long that no unit moves further than FURTHEST."""
    arrays = pieces(case)
    line = {name: trained(case, name, signs(arrays[name], rng)) for name in names}
    here, there = forward(case), forward(_at(case, line, STEP))
    pairs = [(here.outputs, there.outputs), *zip(here.arguments, there.arguments, strict=True)]
    pace = max(1.0, *(float(np.abs(b - a).max(initial=0.0)) / STEP for a, b in pairs))
    for direction in line.values():
        direction *= FURTHEST / pace
    return line


def _at(case: Case, line: dict[str, Any], t: float) -> Case:
    """The case moved along the line."""
    arrays = pieces(case)
    moved = {name: (arrays[name] + t * direction).astype(case.dtype)
             for name, direction in line.items()}
    inputs = moved.pop("inputs", case.inputs)
    return case.but(parameters=moved, inputs=inputs)


def _beyond(case: Case, line: dict[str, Any], ask: Ask) -> float:
    """<g, v> of the answer less that of the reference."""
    mine, true = ask(case).gradients, evaluate(case).gradients
    return float(sum(np.dot(np.ravel(np.asarray(mine[name], dtype=float) - true[name]),
                            np.ravel(direction)) for name, direction in line.items()))


def _loss(case: Case) -> float:
    return float(backprop.loss(case, forward(case)))
