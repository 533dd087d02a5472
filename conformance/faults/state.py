"""What is kept from one call to the next, and what is written where the caller can see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ..reference import Answer, Case, Engine, Tables, evaluate, forward
from ..reference.chain import Step
from .core import Fault, Faults, Look, is_dense, stateful, sweep

Gradients = Mapping[str, Any]
Memory = dict[Any, Any]


def buffers(case: Case) -> tuple[Any, ...]:
    """Which memory a case falls into: a program allocates its buffers once per network, batch size and dtype."""
    return case.network, case.inputs.shape, case.dtype


def remembering(wrong: Callable[[Gradients, Gradients], tuple[Gradients, Gradients]]) -> Any:
    """wrong(g, last) -> (answered, kept); `last` is what was kept for the same buffers, zeros at first."""
    def start() -> Callable[[Case, Answer], Answer]:
        memory: Memory = {}

        def change(case: Case, answer: Answer) -> Answer:
            g = answer.gradients
            last = memory.get(buffers(case)) or {name: np.zeros_like(value) for name, value in g.items()}
            answered, memory[buffers(case)] = wrong(g, last)
            return Answer(answer.loss, answered)
        return change

    return stateful(start)


def add(g: Gradients, last: Gradients) -> tuple[Gradients, Gradients]:
    total = {name: value if name == "inputs" else last[name] + value for name, value in g.items()}
    return total, total


def heavy_ball(g: Gradients, last: Gradients) -> tuple[Gradients, Gradients]:
    step = {name: 0.9 * last[name] + value for name, value in g.items()}
    return step, step


def multiplied(g: Gradients, last: Gradients) -> tuple[Gradients, Gradients]:
    return {name: last[name] * value for name, value in g.items()}, g


def counting() -> Callable[[Case, Answer], Answer]:
    calls = 0

    def change(case: Case, answer: Answer) -> Answer:
        nonlocal calls
        calls += 1
        return Answer(answer.loss, {name: (2 - calls % 2) * g for name, g in answer.gradients.items()})
    return change


def stale(tables: Tables) -> Engine:
    """dW = last_xᵀ delta, last_x the layer's input in the call before that fell into the same buffers."""
    memory: Memory = {}

    def engine(case: Case) -> Answer:
        last, now = memory.get(buffers(case), {}), {}

        def step(right: Any, tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
            dx, gradients = right(tape, i, dy)
            if is_dense(tape[i]):
                scope, x = tape[i]
                now[scope.name] = x
                gradients = {**gradients, "weight": rows(last.get(scope.name, x)).T @ rows(dy)}
            return dx, gradients

        answer = sweep(step)(tables)(case)
        memory[buffers(case)] = now
        return answer

    return engine


def rows(x: Any) -> Any:
    return x.reshape(-1, x.shape[-1])


def in_place(change: Callable[[Case, Gradients], None]) -> Callable[[Tables], Engine]:
    """The right answer; then the caller's arrays are changed."""
    def make(tables: Tables) -> Engine:
        def engine(case: Case) -> Answer:
            answer = evaluate(case, tables)
            change(case, answer.gradients)
            return answer
        return engine

    return make


def update_parameters(case: Case, g: Gradients) -> None:
    for name, value in case.parameters.items():
        value -= 0.1 * g[name]


def update_inputs(case: Case, g: Gradients) -> None:
    if "inputs" in g:
        case.inputs[...] -= 0.1 * g["inputs"]


# --- where they show --------------------------------------------------------------------------------------------


def other(case: Case) -> Case:
    """The question asked between: other numbers in arrays of the same shapes."""
    return case.but(inputs=-case.inputs / 2, parameters={name: value / 2 for name, value in case.parameters.items()})


def one_apart(look: Look, *wrong: Callable[[Any, Any], Any], but: str = "") -> bool:
    """Whether one of these wrong answers shows: wrong(g, o), g the gradient of the case, o that of the other one."""
    g, o = look.spread.truth.gradients, evaluate(other(look.wide)).gradients
    return any(look.apart(name, line(g[name], o[name])) for line in wrong for name in g if name != but)


def changed(look: Look, names: tuple[str, ...]) -> bool:
    """Whether a tenth of the gradient, taken off, changes an array of the case."""
    arrays = {**look.case.parameters, "inputs": look.case.inputs}
    g = look.spread.truth.gradients
    return any(np.any(arrays[n] - (0.1 * g[n]).astype(look.case.dtype) != arrays[n]) for n in names if n in g)


def stale_shows(look: Look) -> bool:
    """Whether dW = xᵀ delta is another with the inputs x of the question asked between."""
    tape = forward(other(look.wide)).tape
    return any(look.apart(level.weight, tape[int(level.name)].saved.T @ look.deltas[int(level.name)])
               for level in look.levels)


row = partial(Fault, "state")
FAULTS: Faults = {
    "gradients-accumulate": row(
        "the second answer is the first one doubled: the gradients of the call before are still in the buffers",
        "self.dW += x.T @ delta", "self.dW = x.T @ delta", "micrograd#102, sebgao/cTensor#5, nnabla#532",
        remembering(add), lambda look: one_apart(look, lambda g, o: 2 * g, lambda g, o: 3 * g + o, but="inputs")),
    "stale-cache": row(
        "right at first and when a question is repeated; after another batch the weights are wrong, the biases right",
        "dW = self.x.T @ delta; self.x = x", "self.x = x; dW = self.x.T @ delta",
        "layers that save their input after it was used", stale, stale_shows),
    "parameters-updated-in-place": row(
        "the caller's parameters are others after the call: the update is part of the backward pass",
        "W -= rate * dW; return dW", "return dW", "one-function training loops; textbook backward passes",
        in_place(update_parameters), lambda look: changed(look, tuple(look.case.parameters))),
    "inputs-changed-in-place": row(
        "the caller's inputs are others after the call: the next call on the same batch gives something else",
        "x -= rate * dx; return dx", "return dx", "updates that run over every array with a gradient",
        in_place(update_inputs), lambda look: changed(look, ("inputs",))),
    "momentum-left-over": row(
        "the first answer is right, the second 1.9 times as large: what comes back is the step, not the gradient",
        "v = 0.9 * v + dW; return v", "v = 0.9 * v + dW; return dW", "optimisers written into the backward pass",
        remembering(heavy_ball),
        lambda look: one_apart(look, lambda g, o: 1.9 * g, lambda g, o: g + 0.9 * (o + 0.9 * 1.9 * g))),
    "momentum-multiplied": row(
        "the first answer is zero, later ones are products of gradients: momentum multiplied in where it is added",
        "return last * dW", "return dW; the momentum is added: step = dW + momentum * last",
        "`main * alpha * momentum` in a well-known forum answer",
        remembering(multiplied), lambda look: one_apart(look, lambda g, o: 0 * g)),
    "every-second-call-differs": row(
        "the same question has two answers in turn: every second call gives twice the gradient",
        "dW = buffers[calls % 2].T @ delta", "dW = x.T @ delta", "double buffers of which one is not cleared",
        stateful(counting), lambda look: one_apart(look, lambda g, o: 2 * g)),
}
