"""Ties in max pooling: which of the largest entries of a window has the gradient.

The first of them, the last, or each its share. The whole gradient for each of them is that of no
function at all: in vzhou842's convolution from scratch, and in dx += (x == y) * dy of many courses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...reference.kinds import Rule
from ...reference.layers import pooling
from ..convention import Convention

TO = "a tie in {} goes to {} of the largest entries".format
FIRST, LAST, SHARED, EVERY = 0.0, 1.0, 2.0, 3.0


def last(ties: Any) -> Any:
    n = ties.shape[-1]
    return np.arange(n) == n - 1 - ties[..., ::-1].argmax(axis=-1)[..., None]


# The share of each entry, from a mask (..., K) of the largest ones.
SHARES: dict[float, Callable[[Any], Any]] = {
    FIRST: lambda ties: np.arange(ties.shape[-1]) == ties.argmax(axis=-1)[..., None],
    LAST: last,
    SHARED: lambda ties: ties / ties.sum(axis=-1, keepdims=True),
    EVERY: lambda ties: ties,
}


def shared_by(rule: Rule, choice: float) -> Rule:
    """The rule with a tie's gradient divided in this way."""
    def backward(p: Any, saved: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
        shape, seen, _ = saved
        if seen is None:
            return rule.backward(p, saved, dy)
        ties = seen.max(axis=-1, keepdims=True) == seen
        each = np.expand_dims(dy, -1) * SHARES[choice](ties)
        if "window" in p.options:
            return pooling.unseen(each, p.options, shape[2:]), {}
        return each.reshape(shape), {}

    return rule._replace(backward=backward)


def row(kind: str) -> Convention:
    return Convention(
        "layers", kind, (FIRST, LAST, SHARED), shared_by,
        {FIRST: TO(kind, "the first"), LAST: TO(kind, "the last"),
         SHARED: f"a tie in {kind} is shared by the largest entries"},
        {EVERY: f"a tie in {kind} is counted for each of the largest entries"},
        lambda spec: spec.options["function"] == "max")


CONVENTIONS = {kind: row(kind) for kind in ("pool1d", "pool2d", "global_pool")}
