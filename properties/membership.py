"""Whether a case could have been drawn inside some claims: only such may be asked of a subject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..reference import Case, infer
from .claims import Claims, Head, activation
from .inside import even, made_inside, output_activation, within
from .strategies.chains import parameters
from .strategies.mending import logits
from .structures import structured


def covers(claims: Claims, case: Case) -> bool:
    """Whether the case is a question inside the claims, with finite numbers."""
    network = case.network
    if claims.networks:
        return (network in claims.networks and case.dtype in claims.dtypes and finite(case)
                and known(case)
                and within(case.batch, claims.batch)
                and any(headed(claims, head, case) for head in claims.heads))
    return (
        case.dtype in claims.dtypes and within(case.batch, claims.batch) and finite(case)
        and known(case)
        and within(network.depth, claims.depth)
        and within(parameters(network), (0, claims.max_parameters))
        and structured(network, claims.structures) and made_inside(claims, network)
        and (even(network) or not claims.same_widths)
        and any(headed(claims, head, case) for head in claims.heads)
    )


def known(case: Case) -> bool:
    """Whether inputs that are indices are those of something."""
    if case.network.real:
        return True
    return bool(((case.inputs >= 0) & (case.inputs < case.network.input_kind["index"])).all())


def finite(case: Case) -> bool:
    arrays = (*case.parameters.values(), *case.constants.values(), case.inputs, case.targets)
    return all(bool(np.isfinite(array).all()) for array in arrays)


def kept(claims: Claims, case: Case) -> bool:
    """Whether an exact change of a case has kept to the widths and logits that are claimed.

    It keeps to everything else wherever it can be asked.
    """
    head = claims.head_of(case.network)
    if claims.networks and case.network not in claims.networks:
        return False
    return ((not claims.same_widths or even(case.network))
            and (head is None or tame(head, case)))


def headed(claims: Claims, head: Head, case: Case) -> bool:
    """Whether output activation, loss with all it has, outputs and targets are the head's."""
    network = case.network
    if (head.activation, head.loss) != network.head:
        return False
    outputs = infer(network).output[-1]
    last = output_activation(network) or activation("identity")
    return ((activation(head.activation), claims.loss_of(head)) == (last, network.loss)
            and within(outputs, head.several.outputs) and tame(head, case)
            and any(KINDS[kind](case.targets, outputs) for kind in head.target_kinds))


def tame(head: Head, case: Case) -> bool:
    """Whether no logit is larger than the head claims."""
    return head.logits is None or logits(case) <= head.logits


# --- targets --------------------------------------------------------------------------------------


def values(t: Any) -> bool:
    return bool(t.dtype.kind == "f")


def distributions(t: Any) -> bool:
    """Whether every row is a probability distribution; a single unit holds any probability."""
    if not values(t) or not ((t >= 0) & (t <= 1)).all():
        return False
    short = 4 * t.shape[-1] * np.finfo(t.dtype).eps
    return t.shape[-1] == 1 or bool((np.abs(t.sum(axis=-1) - 1) <= short).all())


def zeros_and_ones(t: Any) -> bool:
    return values(t) and bool(np.isin(t, (0, 1)).all())


# By kind of target: whether the targets of so many outputs are of it.
KINDS: dict[str, Callable[[Any, int], bool]] = {
    "real": lambda t, units: values(t),
    "one_hot": lambda t, units: zeros_and_ones(t) and bool((t.sum(axis=-1) == 1).all()),
    "soft": lambda t, units: distributions(t),
    "binary": lambda t, units: zeros_and_ones(t),
    "sign": lambda t, units: values(t) and bool(np.isin(t, (-1, 1)).all()),
    "index": lambda t, units: not values(t) and bool(((t >= 0) & (t < units)).all()),
}
