"""Steps computed one after the other, by NumPy in float64; a rule may change what each gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..trial import Array
from .calling import placed
from .primitives import PRIMITIVES
from .tracing import Step, Traced, as_numpy

# What becomes of the operands and results of a step: rule(step, operands, results) -> results.
Rule = Callable[[Step, list[Array], list[Array]], list[Array]]
# What stands in a slot for the constants: constant(slot's value) -> value.
Constant = Callable[[Array], Array]


def compute(traced: Traced, inputs: Sequence[Array], rule: Rule | None = None,
            constant: Constant | None = None) -> list[Any]:
    """All slots of the trace, for these inputs. Flags of floating-point errors stay silent."""
    slots = filled(traced, inputs, constant)
    advance(slots, traced.steps, rule)
    return slots


def filled(traced: Traced, inputs: Sequence[Array], constant: Constant | None = None) -> list[Any]:
    """The slots with the inputs and the constants in them."""
    slots: list[Any] = [None] * traced.slots
    for slot, value in traced.constants.items():
        slots[slot] = value if constant is None else constant(value)
    for slot, value in zip(traced.inputs, inputs, strict=True):
        slots[slot] = value
    return slots


def advance(slots: list[Any], steps: Sequence[Step], rule: Rule | None = None) -> None:
    """Computes these steps in their order, into their slots."""
    with np.errstate(all="ignore"):
        _Computer(rule).advance(slots, steps)


def results(traced: Traced, slots: Sequence[Any]) -> list[Array]:
    """What the traced function gives, out of all slots."""
    return [slots[slot] for slot in traced.outputs]


class _Computer:
    def __init__(self, rule: Rule | None) -> None:
        self.rule = rule

    def advance(self, slots: list[Any], steps: Sequence[Step]) -> None:
        for step in steps:
            operands = [slots[slot] for slot in step.inputs]
            for slot, value in zip(step.outputs, self.step(step, operands), strict=True):
                slots[slot] = value

    def whole(self, traced: Traced, inputs: Sequence[Array]) -> list[Array]:
        slots = filled(traced, inputs)
        self.advance(slots, traced.steps)
        return results(traced, slots)

    def step(self, step: Step, operands: list[Array]) -> list[Array]:
        if step.bodies:
            return CONTROL[step.name](self, step, operands)
        found = evaluated(step, operands)
        return found if self.rule is None else self.rule(step, operands, found)

    def branch(self, step: Step, operands: list[Array]) -> list[Array]:
        which = min(max(int(operands[0]), 0), len(step.bodies) - 1)
        return self.whole(step.bodies[which], operands[1:])

    def repeat(self, step: Step, operands: list[Array]) -> list[Array]:
        asked, done = step.params["cond_nconsts"], step.params["body_nconsts"]
        state = operands[asked + done:]
        test, body = step.bodies
        while bool(self.whole(test, [*operands[:asked], *state])[0]):
            state = self.whole(body, [*operands[asked:asked + done], *state])
        return state

    def scan(self, step: Step, operands: list[Array]) -> list[Array]:
        fixed, carried = step.params["num_consts"], step.params["num_carry"]
        first, state = operands[:fixed], operands[fixed:fixed + carried]
        rows = operands[fixed + carried:]
        order = range(step.params["length"])
        order = order[::-1] if step.params["reverse"] else order
        made: dict[int, list[Array]] = {}
        for i in order:
            found = self.whole(step.bodies[0], [*first, *state, *(row[i] for row in rows)])
            state, made[i] = found[:carried], found[carried:]
        return state + _stacked(made, step, carried)


CONTROL: dict[str, Callable[[_Computer, Step, list[Array]], list[Array]]] = {
    "cond": _Computer.branch, "while": _Computer.repeat, "scan": _Computer.scan}


def _stacked(made: dict[int, list[Array]], step: Step, carried: int) -> list[Array]:
    """The rows that a scan made, one array for each of its outputs."""
    if made:
        return [np.stack(rows) for rows in zip(*(made[i] for i in sorted(made)), strict=True)]
    kinds = [var.aval for var in step.equation.outvars[carried:]]
    return [as_numpy(np.zeros(kind.shape, kind.dtype)) for kind in kinds]


def evaluated(step: Step, operands: Sequence[Array]) -> list[Array]:
    """What the step gives, by NumPy where it has a row, else by JAX itself in 64 bits."""
    known = PRIMITIVES.get(step.name)
    found = by_jax(step, operands) if known is None else known(*operands, **step.params)
    return list(found) if isinstance(found, (list, tuple)) else [found]


def by_jax(step: Step, operands: Sequence[Any]) -> list[Array]:
    """The step computed by JAX in 64 bits on the CPU; one compilation for each shape."""
    with placed():
        found = bound(step.equation)(*operands)
        return [as_numpy(each) for each in found]


def bound(equation: Any) -> Callable[..., list[Any]]:
    """The equation as a function of its operands, with every real number in float64."""
    primitive = equation.primitive
    taken = primitive.get_bind_params(equation.params)
    functions, params = taken if isinstance(taken, tuple) else ((), taken)  # before jax 0.10
    params = {name: _wide(value) for name, value in params.items()}

    def call(*operands: Any) -> list[Any]:
        found = primitive.bind(*functions, *operands, **params)
        return list(found) if primitive.multiple_results else [found]
    return call


def _wide(value: Any) -> Any:
    """float64 for the dtype of a real number, anything else as it is."""
    is_dtype = isinstance(value, np.dtype) or (isinstance(value, type)
                                               and issubclass(value, np.generic))
    return np.dtype(np.float64) if is_dtype and jnp.issubdtype(value, np.floating) else value


def as_real(value: Any) -> bool:
    """Whether it is an array of real numbers."""
    return bool(getattr(getattr(value, "dtype", None), "kind", "") == "f")
