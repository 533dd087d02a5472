"""Backpropagation: one forward, the loss, one walk back. Every number type runs these lines."""

from __future__ import annotations

from typing import Any

from . import chain
from .case import Answer, Case
from .losses import factor
from .tables import TABLES, Tables


def forward(case: Case, tables: Tables = TABLES) -> tuple[Any, list[chain.Step]]:
    """The network's outputs (batch, ...) and the tape."""
    return chain.forward(tables, case.network.layers, "", case.values, case.inputs)


def loss_of(case: Case, outputs: Any, tables: Tables = TABLES) -> Any:
    """The reduced loss of given outputs."""
    spec = case.network.loss
    row = tables.losses[spec.kind]
    return row.L(outputs, case.targets).sum() * (spec.scale * factor(spec.reduction, row.per, outputs.shape))


def evaluate(case: Case, tables: Tables = TABLES) -> Answer:
    """The loss and the gradient of every parameter, and of the inputs where they are real numbers."""
    outputs, tape = forward(case, tables)
    spec = case.network.loss
    row = tables.losses[spec.kind]
    scale = spec.scale * factor(spec.reduction, row.per, outputs.shape)
    dx, gradients = chain.backward(tables, tape, row.dL(outputs, case.targets) * scale)
    if case.network.input_kind == "real":
        gradients["inputs"] = dx
    return Answer(row.L(outputs, case.targets).sum() * scale, gradients)
