"""Is the gradient that of the loss reported? The subject's numbers against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..oracles import Unsupported
from ..oracles.differences import STEPS, certified, extrapolate
from ..oracles.flat import flatten, moved, unflatten
from ..reference import LOSSES, Answer, Case, evaluate, forward
from ..reference.backprop import loss_kinks, unwarned
from .claims import Claims
from .identities import Equation, Reply
from .measured import Measured
from .tolerance import SLACK, Spread

Ask = Callable[[Case], Answer]
RUNGS = STEPS[:6]
NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)


def unchecked(case: Case, claims: Claims) -> bool:
    """Whether the loss says nothing on this case: none is reported, or it is clipped."""
    return not claims.reports_loss or clipped(case, claims)


def clipped(case: Case, claims: Claims) -> bool:
    """Whether the claimed head clips its probabilities on this case.

    Its loss is then not the declared one.
    """
    for head in claims.heads:
        if head.log_floor is not None and (head.activation, head.loss) == case.network.head:
            floor = np.finfo(case.dtype).eps if head.log_floor == "eps" else float(head.log_floor)
            p = forward(case).outputs
            above = LOSSES[head.loss].per == "element" and p.max() >= 1 - 2 * floor  # log(1 - p)
            return bool(p.min() <= 2 * floor or above)
    return False


def _vector(reply: Reply) -> tuple[Any, Any]:
    """The subject's gradient and its tolerance as vectors (P,); zeros for what it does not give."""
    parts = []
    for name, value in unflatten(reply.case, flatten(reply.case)).items():
        zero = np.zeros(value.shape)
        given = reply.gradients.get(name, Measured(zero, zero))
        parts.append((np.ravel(given.value), np.ravel(given.tolerance)))
    return np.concatenate([v for v, _ in parts]), np.concatenate([t for _, t in parts])


def direction(reply: Reply, rng: Any) -> Any:
    """A random direction (P,) over the numbers the subject gives a gradient for.

    Its length is such that no unit moves faster than 1 along it.
    """
    sizes = unflatten(reply.case, flatten(reply.case))
    mask = np.concatenate([np.full(a.size, float(k in reply.gradients)) for k, a in sizes.items()])
    random = rng.uniform(0.5, 1.5, mask.size) * rng.choice([-1.0, 1.0], mask.size) * mask
    return random / _pace(reply.case, random)


def _pace(case: Case, direction: Any) -> float:
    """How fast the fastest unit moves along a direction, 1 at least.

    Steps that move a unit far see an average slope: all of them agree, and none is the derivative.
    """
    step = 2.0**-24
    here, there = forward(case), forward(moved(case, flatten(case) + step * direction))
    moves = [np.abs(there.outputs - here.outputs)]
    moves += [np.abs(b - a) for a, b in zip(here.arguments, there.arguments, strict=True)]
    return max(1.0, *(float(m.max()) / step for m in moves))


@unwarned
def slope(reply: Reply, ask: Ask, direction: Any) -> tuple[Measured, Measured] | None:
    """The derivative of the reported loss along a direction (P,), and the gradient's.

    None where a kink is in the way.
    """
    theta = flatten(reply.case)
    shifts = np.stack([RUNGS, -RUNGS])[..., None] * direction
    rows = (theta + shifts).reshape(-1, theta.size)
    certain = certified(reply.case, rows).reshape(shifts.shape[:-1]).all(axis=0)
    if certain[-3:].sum() < 3:
        return None
    losses = np.array([[float(ask(moved(reply.case, row)).loss) for row in side]
                       for side in theta + shifts])
    gradient, tolerance = _vector(reply)
    size = float(np.abs(gradient) @ (np.abs(theta) + np.abs(direction)))
    noise = 2 * float(reply.loss.tolerance) + 2.0**-51 * size
    value, error = extrapolate(losses[0], losses[1], RUNGS, noise, certain)
    along = Measured(gradient @ direction, tolerance @ np.abs(direction))
    scale = reply.case.network.loss.gradient_scale
    return Measured(value * scale, SLACK * error * abs(scale)), along


def directional(reply: Reply, ask: Ask, rng: Any) -> list[Equation] | None:
    """Three directions: <g, d> = dL/dt of L(θ + t d)."""
    if not movable(reply.case):
        return None
    found = [slope(reply, ask, direction(reply, rng)) for _ in range(3)]
    return [("loss", gradient, difference) for difference, gradient in filter(None, found)] or None


def movable(case: Case) -> bool:
    """Whether every number with a gradient can be moved along it."""
    try:
        moved(case, flatten(case))
    except Unsupported:
        return False
    return True


def smooth(case: Case) -> bool:
    """Whether nothing in the network or its loss has a kink."""
    trace = forward(case)
    return not trace.kinks and not loss_kinks(case, trace.outputs)


def line_integral(reply: Reply, ask: Ask, spread: Callable[[Case], Spread],
                  rng: Any) -> list[Equation] | None:
    """L(θ + v) - L(θ) = ∫ <g(θ + t v), v> dt by Gauss-Legendre, less the rule's error.

    That error is the reference's own on the same nodes. None where the network has a kink or a
    spread is not finite.
    """
    if not smooth(reply.case) or not movable(reply.case):
        return None
    theta, v = flatten(reply.case), 0.25 * direction(reply, rng)
    nodes = [moved(reply.case, theta + (t + 1) / 2 * v) for t in NODES]
    end = moved(reply.case, theta + v)
    spreads = [spread(case) for case in (*nodes, end)]
    if not all(s.finite for s in spreads):
        return None
    return list(_integrated(reply, ask, v, nodes, end, spreads))


def _integrated(reply: Reply, ask: Ask, v: Any, nodes: list[Case], end: Case,
                spreads: list[Spread]) -> Iterator[Equation]:
    names = list(unflatten(reply.case, v))
    along = unflatten(reply.case, v)
    total, true_total, allowed = 0.0, 0.0, 0.0
    for weight, case, s in zip(WEIGHTS / 2, nodes, spreads, strict=False):
        gradients = ask(case).gradients
        for name in names:
            if name in gradients:
                given = np.asarray(gradients[name], dtype=float)
                total += weight * float((given * along[name]).sum())
                true_total += weight * float((s.truth.gradients[name] * along[name]).sum())
                allowed += weight * SLACK * float((s.gradients[name] * np.abs(along[name])).sum())
    rise = float(ask(end).loss) - float(reply.loss.value)
    true_rise = float(spreads[-1].truth.loss) - float(_loss(reply))
    noise = SLACK * spreads[-1].loss + float(reply.loss.tolerance)
    by = reply.case.network.loss.gradient_scale
    risen = (total - true_total) / by + true_rise
    left = Measured(np.asarray(risen), np.asarray(2 * allowed / abs(by)))
    yield "loss", left, Measured(np.asarray(rise), np.asarray(2 * noise))


def _loss(reply: Reply) -> float:
    return float(evaluate(reply.case.astype("float64")).loss)
