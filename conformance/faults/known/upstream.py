"""What comes down from above: the numbers that multiply an unreduced loss, on the way back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...reference import Answer, Case, Engine, Tables, evaluate
from ...reference.backprop import unwarned
from ...reference.network import COTANGENT
from ..core import Fault, Faults, Make

row = partial(Fault, "loss")


def backward_with(change: Callable[[Any], Any]) -> Make:
    """The right loss, and the gradients with other numbers for those of the case."""
    def make(tables: Tables) -> Engine:
        @unwarned
        def engine(case: Case) -> Answer:
            if COTANGENT not in case.constants:
                return evaluate(case, tables)
            wrong = {**case.constants, COTANGENT: change(case.constants[COTANGENT])}
            loss = evaluate(case, tables).loss
            return Answer(loss, evaluate(case.but(constants=wrong), tables).gradients)

        return engine

    return make


RIGHT = "dp = c * dL(p, t)  # c: what comes down from above, an entry for each of the loss"

FAULTS: Faults = {
    "upstream-first-entry-for-all": row(
        "the gradients of all examples are multiplied by the first entry of what comes down from "
        "above, each of which has its own",
        "dp = c.flat[0] * dL(p, t)", RIGHT,
        "Liger-Kernel#1298, TransformerEngine#2139, aprender#2182",
        backward_with(lambda c: 0.0 * c + c[:1].reshape(-1)[:1])),
    "upstream-ignored": row(
        "what comes down from above is ignored, as if it were 1 for every entry of the loss",
        "dp = dL(p, t)", RIGHT, "flash-linear-attention#963, pytorch#11750, chainer#1178",
        backward_with(np.ones_like)),
    "upstream-averaged": row(
        "the gradients of all examples are multiplied by the mean of what comes down from above, "
        "each of which has its own",
        "dp = c.mean() * dL(p, t)", RIGHT, "kernels that were tested with a reduced loss only",
        backward_with(lambda c: 0.0 * c + c.mean())),
}
