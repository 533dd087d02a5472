"""Backpropagation: one forward, the loss, one walk back. Every number type runs these lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from . import chain
from .case import Answer, Case
from .losses import factor
from .tables import TABLES, Tables


class Trace(NamedTuple):
    """One forward pass: the outputs (batch, ...), the tape, and what the summed unreduced loss is multiplied by."""

    outputs: Any
    tape: list[chain.Step]
    scale: float


def forward(case: Case, tables: Tables = TABLES) -> Trace:
    """Run the network forward."""
    outputs, tape = chain.forward(tables, case.network.layers, "", case.values, case.inputs)
    spec = case.network.loss
    return Trace(outputs, tape, spec.scale * factor(spec.reduction, tables.losses[spec.kind].per, outputs.shape))


def loss(case: Case, trace: Trace, tables: Tables = TABLES) -> Any:
    """The reduced loss of a forward pass."""
    return tables.losses[case.network.loss.kind].L(trace.outputs, case.targets).sum() * trace.scale


def backward(case: Case, trace: Trace, tables: Tables = TABLES) -> dict[str, Any]:
    """The gradient of every parameter, and of the inputs where they are real numbers."""
    dy = tables.losses[case.network.loss.kind].dL(trace.outputs, case.targets) * trace.scale
    dx, gradients = chain.backward(tables, trace.tape, dy)
    return gradients | {"inputs": dx} if case.network.input_kind == "real" else gradients


def evaluate(case: Case, tables: Tables = TABLES) -> Answer:
    """The loss and the gradients: the reference's answer, in the case's own number type."""
    trace = forward(case, tables)
    return Answer(loss(case, trace, tables), backward(case, trace, tables))


def kinked(tape: list[chain.Step], tables: Tables = TABLES) -> Iterator[tuple[str, tuple[float, ...], Any]]:
    """Name, kinks and pre-activations of every activation layer that has kinks, nested ones included."""
    for step in tape:
        if step.scope.spec.kind == "parallel":
            for inner in step.saved[1]:
                yield from kinked(inner, tables)
        elif step.scope.spec.kind == "activation":
            kinks = tables.activations[step.scope.options["function"]].kinks
            if kinks:
                yield step.scope.name, kinks, step.saved[0]
