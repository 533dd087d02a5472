"""What a loss has beside its own row: its options, clipped probabilities, smoothed targets, given
weights, and an L2 penalty.

All are in the loss and in its gradient. A penalty is l2 / 2 times a sum of squares; Goodfellow,
Bengio, Courville, Deep Learning (2016), section 7.1.1. A clip is flat, so that where a probability
is clipped nothing goes back through it. Smoothing changes the targets alone: Szegedy et al.,
Rethinking the Inception Architecture (2016), section 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .case import Case
from .kinds import Array, Kink, Loss, Tables
from .losses import values
from .network import COTANGENT, WEIGHTED, LossSpec


def options(spec: LossSpec, row: Loss) -> dict[str, float]:
    """The numbers that the row's formulas take beside outputs and targets."""
    return {name: getattr(spec, name) for name in row.options}


def unreduced(spec: LossSpec, row: Loss, p: Array, t: Array) -> Array:
    """The unreduced loss of outputs p, an entry for each element or each example."""
    return row.L(clipped(spec, p), smoothed(spec, p, t), **options(spec, row))


def gradient(spec: LossSpec, row: Loss, p: Array, t: Array) -> Array:
    """The gradient of its sum by the outputs."""
    dp = row.dL(clipped(spec, p), smoothed(spec, p, t), **options(spec, row))
    return through_clip(spec, p, dp)


def smoothed(spec: LossSpec, p: Array, t: Array) -> Array:
    """t (1 - e) + e / K for K classes, as values; the targets as they are where e is 0."""
    if not spec.smoothing:
        return t
    one = np.ones_like(p)
    e = one * spec.smoothing
    return values(p, t) * (one - e) + e / float(p.shape[-1])


def weighted(case: Case, row: Loss, unreduced: Array) -> Array:
    """The unreduced loss times the numbers that are given for it; as it is for other reductions."""
    spec = case.network.loss
    return unreduced * case.constants[COTANGENT] if spec.reduction == WEIGHTED else unreduced


def weighted_gradient(case: Case, row: Loss, dp: Array) -> Array:
    """dL/dp of that, from the gradient dp of the sum."""
    if case.network.loss.reduction != WEIGHTED:
        return dp
    c = case.constants[COTANGENT]
    return dp * (c if row.per == "element" else np.expand_dims(c, -1))


def clipped(spec: LossSpec, p: Array) -> Array:
    """The probabilities inside [clip, 1 - clip]; the outputs as they are where there is no clip.

    The ends are computed as numbers of p's type: in float32 they are off by a rounding.
    """
    if not spec.clip:
        return p
    low, high = _ends(spec, p)
    return np.where(p < low, low, np.where(p > high, high, p))


def _ends(spec: LossSpec, p: Array) -> tuple[Array, Array]:
    low = np.zeros_like(p) + spec.clip
    return low, np.ones_like(p) - low


def through_clip(spec: LossSpec, p: Array, dp: Array) -> Array:
    """dL/dp from the gradient at the clipped probabilities: zero where they were changed."""
    if not spec.clip:
        return dp
    low, high = _ends(spec, p)
    zero = np.zeros_like(dp)
    return np.where(p < low, zero, np.where(p > high, zero, dp))


def kinks(case: Case, outputs: Array, tables: Tables) -> list[Kink]:
    """Where the loss has no derivative by the outputs, under the name "loss"."""
    spec = case.network.loss
    row = tables.losses[spec.kind]
    found = [Kink("loss", row.kinks, outputs - case.targets)] if row.kinks else []
    ends = (spec.clip, 1.0 - spec.clip)
    return [*found, Kink("loss", ends, outputs)] if spec.clip else found


def penalised(case: Case) -> dict[str, Array]:
    """The parameters in the penalty, by name; none where there is no penalty."""
    spec = case.network.loss
    names = case.parameters if spec.l2 else ()
    return {name: case.parameters[name] for name in names if spec.penalises(name)}


def shared(case: Case, whole: Any) -> Any:
    """The penalty or its gradient, divided by the number of examples where the loss says so."""
    return whole / case.batch if case.network.loss.l2_reduction == "mean_over_batch" else whole


def penalty(case: Case) -> Any:
    """l2 / 2 Σ W²; 0 where there is no penalty."""
    half = 0.5 * case.network.loss.l2
    terms = [(W * W).sum() * half for W in penalised(case).values()]
    return shared(case, sum(terms)) if terms else 0.0


def penalty_gradients(case: Case) -> dict[str, Any]:
    """l2 W, for each parameter in the penalty."""
    l2 = case.network.loss.l2
    return {name: shared(case, W * l2) for name, W in penalised(case).items()}
