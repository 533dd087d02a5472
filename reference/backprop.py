"""Backpropagation: one forward, the loss, one walk back. Every number type runs these lines.

All of it is computed with NumPy's floating-point warnings off. The kernels that BLAS picks for some
processors read past the end of short rows and raise the "invalid" flag although every number is
finite and right (numpy#24067, OpenBLAS#1924), and a case that overflows is meant to show it in its
numbers. Whether a result is NaN or infinite is looked at where it is judged.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import chain, regularised
from .case import Answer, Case
from .kinds import Array, Kink, Step, Tables, steps
from .losses import factor
from .tables import TABLES

unwarned = np.errstate(all="ignore")


class Trace(NamedTuple):
    """One forward pass: outputs (batch, ...), the tape, and what multiplies the summed loss."""

    outputs: Any
    tape: list[Step]
    scale: float

    @property
    def kinks(self) -> list[Kink]:
        """Every place where a layer has no derivative, with the argument it met."""
        return [kink for scope, saved in steps(self.tape)
                for kink in scope.rule.kinks(scope, saved)]

    @property
    def arguments(self) -> list[Array]:
        """What the functions that are not affine were taken of."""
        return [x for scope, saved in steps(self.tape) for x in scope.rule.arguments(scope, saved)]


@unwarned
def forward(case: Case, tables: Tables = TABLES) -> Trace:
    """Run the network forward."""
    outputs, tape = chain.forward(tables, case.network.layers, "", case.values, case.inputs)
    return Trace(outputs, tape, scale_of(case, outputs.shape, tables))


def scale_of(case: Case, outputs: tuple[int, ...], tables: Tables = TABLES) -> float:
    """What the sum of the unreduced loss is multiplied by; outputs: their shape (batch, ...)."""
    spec = case.network.loss
    return spec.scale * factor(spec.reduction, tables.losses[spec.kind].per, outputs)


def loss_kinks(case: Case, outputs: Array, tables: Tables = TABLES) -> list[Kink]:
    """Every place where the loss has no derivative, with the argument it met."""
    return regularised.kinks(case, outputs, tables)


@unwarned
def loss(case: Case, trace: Trace, tables: Tables = TABLES) -> Any:
    """The reduced loss of a forward pass, with the penalty where there is one."""
    spec = case.network.loss
    row = tables.losses[spec.kind]
    each = regularised.unreduced(spec, row, trace.outputs, case.targets)
    reduced = regularised.weighted(case, row, each).sum() * trace.scale
    return reduced + regularised.penalty(case) if spec.l2 else reduced


@unwarned
def backward(case: Case, trace: Trace, tables: Tables = TABLES) -> dict[str, Any]:
    """The gradient of every parameter, and of the inputs where they are real numbers."""
    spec = case.network.loss
    row = tables.losses[spec.kind]
    dp = regularised.gradient(spec, row, trace.outputs, case.targets)
    dy = regularised.weighted_gradient(case, row, dp) * (trace.scale * spec.gradient_scale)
    dx, gradients = chain.backward(tables, trace.tape, dy)
    for name, more in regularised.penalty_gradients(case).items():
        gradients[name] = gradients[name] + more * spec.gradient_scale
    return gradients | {"inputs": dx} if case.network.real else gradients


def evaluate(case: Case, tables: Tables = TABLES) -> Answer:
    """The loss and the gradients: the reference's answer, in the case's own number type."""
    trace = forward(case, tables)
    return Answer(loss(case, trace, tables), backward(case, trace, tables))
