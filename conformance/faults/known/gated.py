"""Branches that are multiplied: each one's error is multiplied by the value of the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...reference import Rule
from ...reference.layers import parallel
from ..core import Fault, Faults, Make
from ..ways import with_entry

row = partial(Fault, "gated")


def products(wrong: Callable[[list[Any], Any], list[Any]]) -> Make:
    """wrong(the branches' outputs, dy) -> the errors of two branches that are multiplied."""
    def change(rule: Rule) -> Rule:
        def backward(p: Any, saved: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
            if p.options["combine"] != "multiply" or len(saved[0]) != 2:
                return rule.backward(p, saved, dy)
            return parallel.back(saved[1], wrong(saved[0], dy), p.tables)

        return rule._replace(backward=backward)

    return with_entry("layers", "parallel", change)


DY = "da = dy * b; db = dy * a"
SCRATCH = "gated layers written from scratch"

FAULTS: Faults = {
    "gate-not-multiplied-by-the-other": row(
        "both branches of a gate get the error as it comes, not multiplied by the other's value",
        "da = dy; db = dy", DY, SCRATCH, products(lambda ys, dy: [dy, dy])),
    "gate-multiplied-by-itself": row(
        "both branches of a gate get the error multiplied by their own value in place of the "
        "other's",
        "da = dy * a; db = dy * b", DY, SCRATCH, products(lambda ys, dy: [dy * y for y in ys])),
    "gate-first-branch-only": row(
        "the second branch of a gate gets no error, as if it were a constant",
        "da = dy * b; db = 0", DY, f"{SCRATCH}; flash-linear-attention#863, where it is a gate's",
        products(lambda ys, dy: [dy * ys[1], 0.0 * dy])),
}
