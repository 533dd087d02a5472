"""What is kept from one call to the next, and what is written where the caller can see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ..reference import Answer, Case, Engine, Pass, Tables, evaluate
from .core import Fault, Faults, Make, Way, at_sites, stateful

Gradients = Mapping[str, Any]
Memory = dict[Any, Any]
Update = Callable[[Gradients, Gradients], tuple[Gradients, Gradients]]


def buffers(case: Case) -> tuple[Any, ...]:
    """Which memory a case falls into: a program allocates its buffers once per network, batch size and dtype."""
    return case.network, case.inputs.shape, case.dtype


def remembering(update: Update) -> Make:
    """update(g, last) -> (answered, kept); `last` is what was kept for the same buffers, zeros at first."""
    def start() -> Callable[[Case, Answer], Answer]:
        memory: Memory = {}

        def change(case: Case, answer: Answer) -> Answer:
            g = answer.gradients
            last = memory.get(buffers(case)) or {name: np.zeros_like(value) for name, value in g.items()}
            answered, memory[buffers(case)] = update(g, last)
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
    """dW = last_xᵀ delta, last_x the site's input in the call before that fell into its buffers."""
    memory: Memory = {}

    def line(s: Pass, dW: Any, way: Way) -> Any:
        key = (*buffers(way.case), s.layer, s.weight)
        last, memory[key] = memory.get(key, s.x), s.x
        return last.T @ s.delta

    return at_sites(dW=line)(tables)


def in_place(arrays: Callable[[Case], Gradients]) -> Callable[[Tables], Engine]:
    """The right answer; then the caller's arrays lose a tenth of their gradients."""
    def make(tables: Tables) -> Engine:
        def engine(case: Case) -> Answer:
            answer = evaluate(case, tables)
            for name, array in arrays(case).items():
                array -= 0.1 * answer.gradients[name]
            return answer
        return engine

    return make


# --- the table -------------------------------------------------------------------------------------


def real_inputs(case: Case) -> Gradients:
    return {"inputs": case.inputs} if case.network.real else {}


row = partial(Fault, "state")
FAULTS: Faults = {
    "gradients-accumulate": row(
        "the second answer is the first one doubled: the gradients of the call before are still in the buffers",
        "self.dW += x.T @ delta", "self.dW = x.T @ delta", "micrograd#102, sebgao/cTensor#5, nnabla#532",
        remembering(add)),
    "stale-cache": row(
        "right at first and when a question is repeated; after another batch the weights are wrong, the biases right",
        "dW = self.x.T @ delta; self.x = x", "self.x = x; dW = self.x.T @ delta",
        "layers that save their input after it was used", stale),
    "parameters-updated-in-place": row(
        "the caller's parameters are others after the call: the update is part of the backward pass",
        "W -= rate * dW; return dW", "return dW", "one-function training loops; textbook backward passes",
        in_place(lambda case: case.parameters)),
    "inputs-changed-in-place": row(
        "the caller's inputs are others after the call: the next call on the same batch gives something else",
        "x -= rate * dx; return dx", "return dx", "updates that run over every array with a gradient",
        in_place(real_inputs)),
    "momentum-left-over": row(
        "the first answer is right, the second 1.9 times as large: what comes back is the step, not the gradient",
        "v = 0.9 * v + dW; return v", "v = 0.9 * v + dW; return dW", "optimisers written into the backward pass",
        remembering(heavy_ball)),
    "momentum-multiplied": row(
        "the first answer is zero, later ones are products of gradients: momentum multiplied in where it is added",
        "return last * dW", "return dW; the momentum is added: step = dW + momentum * last",
        "`main * alpha * momentum` in a well-known forum answer",
        remembering(multiplied)),
    "every-second-call-differs": row(
        "the same question has two answers in turn: every second call gives twice the gradient",
        "dW = buffers[calls % 2].T @ delta", "dW = x.T @ delta", "double buffers of which one is not cleared",
        stateful(counting)),
}
