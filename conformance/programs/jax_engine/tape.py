"""The plain form's forward as a tape: its values, and the backward pass step by step.

The derivative of each step is traced once, by jax.vjp of the step alone, and computed by NumPy. A
backward pass is linear in what flows: changing what flows through one edge changes the gradients of
the inputs by what the difference becomes on its way from there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np

from ..trial import Array, Arrays, Trial
from .calling import given, outputs_of, placed
from .computing import advance, as_real, bound, compute, filled, results
from .lines import home_of
from .tracing import Step, Traced, trace

Function = Callable[..., Any]
Flow = dict[int, Array]
Edge = tuple[int, int]  # the index of a step, and which of its operands
# What flows through an edge instead: of what would, and of the gradients of the step's results.
Hook = Callable[[Array, Sequence[Array | None]], Array]


class Tape:
    """One trial of a plain form. names: the slots of the inputs that are wanted, by name."""

    def __init__(self, plain: Function, trial: Trial) -> None:
        self.trial = trial
        present = {name: value for name, value in trial.inputs.items() if value is not None}
        keys: list[int] = []

        def forward(*arrays: Any) -> list[Any]:
            inputs = {**dict.fromkeys(trial.inputs), **dict(zip(present, arrays, strict=True))}
            outputs = outputs_of(plain(*inputs.values(), **trial.options))
            keys[:] = [i for i, each in enumerate(outputs) if each is not None]
            return [outputs[i] for i in keys]

        with placed():
            arrays = [given(value, "float64" if value.is_real else None)
                      for value in present.values()]
            self.traced = trace(forward, *arrays, home=home_of(plain), forward=True)
        self.arguments = [np.asarray(each) for each in arrays]
        self.inputs = dict(zip(present, self.traced.inputs, strict=True))
        self.names = {name: self.inputs[name] for name in trial.wanted}
        self.outputs = dict(zip(keys, self.traced.outputs, strict=True))
        self.slots = compute(self.traced, self.arguments)
        self.derivatives: dict[int, Traced | None] = {}

    @property
    def steps(self) -> list[Step]:
        return self.traced.steps

    def cotangents(self) -> list[tuple[int, int, Array]]:
        """Of each output that has one: its number, its slot, and the cotangent."""
        found = []
        for number, slot in self.outputs.items():
            value = self.trial.cotangents[number]
            if value is not None and self.slots[slot].dtype.kind == "f":
                found.append((number, slot, np.asarray(value.numbers, np.float64)))
        return found

    @cached_property
    def reaching(self) -> list[bool]:
        """Of each slot, whether its value hangs on a wanted input."""
        reach = [False] * self.traced.slots
        for slot in self.names.values():
            reach[slot] = True
        for step in self.steps:
            if any(reach[slot] for slot in step.inputs):
                for slot in step.outputs:
                    reach[slot] = True
        return reach

    def is_edge(self, step: Step, position: int) -> bool:
        """Whether a gradient flows to that operand of the step."""
        slot = step.inputs[position]
        return bool(self.reaching[slot]) and as_real(self.slots[slot])

    @cached_property
    def uses(self) -> dict[int, list[Edge]]:
        """By slot, the edges that leave from it: the index of the step, and the operand."""
        found: dict[int, list[Edge]] = defaultdict(list)
        for index, step in enumerate(self.steps):
            for position, slot in enumerate(step.inputs):
                if self.is_edge(step, position):
                    found[slot].append((index, position))
        return found

    @cached_property
    def maker(self) -> dict[int, int]:
        """By slot, the index of the step that gives it."""
        return {slot: index for index, step in enumerate(self.steps) for slot in step.outputs}

    def derivative(self, step: Step, upstreams: Sequence[Array | None],
                   operands: Mapping[int, Array] | None = None,
                   slots: Sequence[Any] | None = None) -> list[Array]:
        """What flows to each real operand, in their order, for the gradients of the results.

        operands: other values in the place of some.
        """
        slots = self.slots if slots is None else slots
        values = [slots[slot] for slot in step.inputs]
        for position, value in (operands or {}).items():
            values[position] = value
        traced = self._traced(step)
        if traced is None:
            return [np.zeros_like(value) for value in values if as_real(value)]
        flowing = [np.zeros_like(slots[slot]) if each is None else each
                   for slot, each in zip(step.outputs, upstreams, strict=True)
                   if as_real(slots[slot])]
        return results(traced, compute(traced, [*values, *flowing]))

    def _traced(self, step: Step) -> Traced | None:
        """The derivative of a step as steps; None where it has no real results."""
        if step.number not in self.derivatives:
            self.derivatives[step.number] = self._trace(step)
        return self.derivatives[step.number]

    def _trace(self, step: Step) -> Traced | None:
        operands = [self.slots[slot] for slot in step.inputs]
        made = [self.slots[slot] for slot in step.outputs]
        if not any(map(as_real, made)):
            return None
        real = [i for i, each in enumerate(operands) if as_real(each)]

        def back(*given: Any) -> list[Any]:
            fixed, flowing = list(given[:len(operands)]), list(given[len(operands):])

            def call(*values: Any) -> list[Any]:
                for i, value in zip(real, values, strict=True):
                    fixed[i] = value
                return [each for each, was in zip(bound(step.equation)(*fixed), made, strict=True)
                        if as_real(was)]
            _, pull = jax.vjp(call, *(fixed[i] for i in real))
            return list(pull(flowing))

        with placed():
            return trace(back, *operands, *(each for each in made if as_real(each)))

    def backward(self, flow: Flow, hooks: Mapping[Edge, Hook] | None = None,
                 slots: Sequence[Any] | None = None, below: int | None = None) -> Flow:
        """The gradients of all slots, for those of some.

        hooks: what flows through some edges instead. slots: other values than the tape's own.
        below: the index of the step that the gradients stand before; all steps without it.
        """
        flow = dict(flow)
        for index in range(len(self.steps) if below is None else below)[::-1]:
            upstreams = [flow.get(slot) for slot in self.steps[index].outputs]
            if any(each is not None for each in upstreams) and self.has_edges[index]:
                for position, gradient in self.pulled(index, upstreams, slots):
                    hook = (hooks or {}).get((index, position))
                    slot = self.steps[index].inputs[position]
                    made = gradient if hook is None else hook(gradient, upstreams)
                    flow[slot] = flow[slot] + made if slot in flow else made
        return flow

    @cached_property
    def has_edges(self) -> list[bool]:
        return [any(self.is_edge(step, i) for i in range(len(step.inputs))) for step in self.steps]

    def pulled(self, index: int, upstreams: Sequence[Array | None],
               slots: Sequence[Any] | None = None) -> list[tuple[int, Array]]:
        """What flows through each edge of a step, by operand."""
        step = self.steps[index]
        real = [i for i, slot in enumerate(step.inputs) if as_real(self.slots[slot])]
        found = self.derivative(step, upstreams, slots=slots)
        return [(i, each) for i, each in zip(real, found, strict=True) if self.is_edge(step, i)]

    @cached_property
    def roots(self) -> list[frozenset[str]]:
        """Of each slot, the wanted inputs that its value hangs on."""
        found: list[frozenset[str]] = [frozenset()] * self.traced.slots
        for name, slot in self.names.items():
            found[slot] = frozenset((name,))
        for step in self.steps:
            union = frozenset().union(*(found[slot] for slot in step.inputs))
            for slot in step.outputs:
                found[slot] = union
        return found

    def gradients(self, flow: Flow) -> Arrays:
        """The gradients of the wanted inputs, out of those of all slots."""
        return {name: np.array(flow[slot]) if slot in flow else np.zeros_like(self.slots[slot])
                for name, slot in self.names.items()}

    def with_value(self, slot: int, value: Array) -> list[Any]:
        """All slots once one of them has another value."""
        slots = filled(self.traced, self.arguments)
        index = self.maker.get(slot, -1)
        slots[:] = [self.slots[i] if self.maker.get(i, -1) <= index else None
                    for i in range(len(slots))]
        slots[slot] = value
        advance(slots, self.steps[index + 1:])
        return slots
