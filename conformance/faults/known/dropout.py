"""Dropout: the mask or the scale is missing on the way back, or is another one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...reference import Rule
from ..core import Fault, Faults, Make
from ..ways import with_entry

Factor = Callable[[Any, Any], Any]
row = partial(Fault, "dropout")


def way(factor: Factor | None, forward: Factor | None = None) -> Make:
    """dx = dy factor(mask, rate), and y = x forward(mask, rate) where that is another one too."""
    def change(rule: Rule) -> Rule:
        def back(p: Any, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
            assert factor is not None
            return dy * factor(p["mask"], rate(p, x)), {}

        def on(p: Any, x: Any) -> tuple[Any, Any]:
            assert forward is not None
            return x * forward(p["mask"], rate(p, x)), x

        return rule._replace(backward=rule.backward if factor is None else back,
                             forward=rule.forward if forward is None else on)

    return with_entry("layers", "dropout", change)


def rate(p: Any, x: Any) -> Any:
    """The rate in the numbers of x."""
    return np.zeros_like(x) + p.options["rate"]


DX = "dx = dy * mask / (1 - rate)"
SCRATCH = "networks written from scratch"

FAULTS: Faults = {
    "dropout-scaled-by-rate": row(
        "what dropout hands down is multiplied by the rate in place of 1 / (1 - rate)",
        "dx = dy * mask * rate", DX, "apex#816", way(lambda m, p: m * p)),
    "dropout-not-scaled-on-the-way-back": row(
        "what dropout hands down is not divided by 1 - rate, while its output is",
        "dx = dy * mask", DX, f"flash-attention 5b838a8b; {SCRATCH}", way(lambda m, p: m)),
    "dropout-mask-left-out-on-the-way-back": row(
        "dropout hands the error down to units that were dropped",
        "dx = dy / (1 - rate)", DX, f"nki-samples#81; {SCRATCH}",
        way(lambda m, p: 1.0 / (1.0 - p))),
    "dropout-left-out-on-the-way-back": row(
        "dropout hands the error down as it comes, as if nothing had been dropped",
        "dx = dy", DX, f"nki-samples#81; {SCRATCH}", way(lambda m, p: np.ones_like(p))),
    "dropout-never-scaled": row(
        "dropout only drops: neither its output nor what it hands down is divided by 1 - rate",
        "y = x * mask; dx = dy * mask", "y = x * mask / (1 - rate); dx = dy * mask / (1 - rate)",
        f"{SCRATCH}, after the paper, which scales when the network is used",
        way(lambda m, p: m, lambda m, p: m)),
    "dropout-divided-by-rate": row(
        "dropout divides by the rate in place of 1 - rate: the share that is dropped is taken for "
        "the one that is kept",
        "y = x * mask / rate", "y = x * mask / (1 - rate)",
        "programs for TensorFlow 1, whose number was the share that is kept",
        way(lambda m, p: m / p, lambda m, p: m / p)),
    "dropout-scaled-twice-on-the-way-back": row(
        "what dropout hands down is divided by 1 - rate twice, once in the mask and once more",
        "dx = dy * mask / (1 - rate)  # mask = mask / (1 - rate) before", DX, SCRATCH,
        way(lambda m, p: m / ((1.0 - p) * (1.0 - p)))),
    "dropout-scaled-twice": row(
        "dropout divides by 1 - rate twice, on its way and on the way back",
        "y = x * mask / (1 - rate)  # mask = mask / (1 - rate) before",
        "y = x * mask / (1 - rate)", SCRATCH,
        way(*2 * (lambda m, p: m / ((1.0 - p) * (1.0 - p)),))),
    "dropout-mask-of-another-example": row(
        "the mask on the way back is not the one that was used, but that of another example",
        "dx = dy * mask[::-1] / (1 - rate)", DX,
        "kernels that draw the mask again on the way back: flash-attention#818",
        way(lambda m, p: m[::-1] / (1.0 - p))),
}
