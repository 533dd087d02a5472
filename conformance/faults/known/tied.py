"""A layer tied to an embedding: the gradients of both uses of one matrix belong to it."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...reference import Case, Rule, Tables
from ..core import Fault, Faults, Make
from ..ways import per_case, replaced

row = partial(Fault, "tied_embedding")


def owners(case: Case) -> dict[str, str]:
    """By the name of a layer that shares an embedding's matrix, that of the embedding."""
    return {name: spec.share for name, spec in case.network.walk()
            if spec.share is not None and case.network.layer(spec.share).kind == "embedding"}


def without(kind: str) -> Make:
    """The gradient of a shared matrix without the part of its layers of this kind."""
    def change(case: Case, tables: Tables) -> Tables:
        tied = owners(case)
        names = tied.values() if kind == "embedding" else tied.keys()

        def wrong(rule: Rule) -> Rule:
            def backward(p: Any, saved: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
                dx, gradients = rule.backward(p, saved, dy)
                if p.name in names:
                    gradients = {**gradients, "weight": 0.0 * gradients["weight"]}
                return dx, gradients

            return rule._replace(backward=backward)

        return replaced(tables, "layers", kind, wrong)

    return per_case(change)


BOTH = "dW = dW_of_embedding + dW_of_output.T"
TIED = "language models written from scratch, whose layers each write their own gradient"

FAULTS: Faults = {
    "tied-gradient-of-output-only": row(
        "the gradient of the matrix that embedding and output share is that of the output alone",
        "dW = dW_of_output.T", BOTH, TIED, without("embedding")),
    "tied-gradient-of-embedding-only": row(
        "the gradient of the matrix that embedding and output share is that of the embedding alone",
        "dW = dW_of_embedding", BOTH, TIED, without("dense")),
}
