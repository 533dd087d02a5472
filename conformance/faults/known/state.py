"""What is kept from one call to the next, and what is written where the caller can see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ...reference import Answer, Case, Engine, Pass, Tables, evaluate
from .. import core
from ..core import Fault, Faults, Make, Number
from ..ways import Gradients, stateful, with_lines

Update = Callable[[Gradients, Gradients], tuple[Gradients, Gradients]]


def buffers(case: Case) -> tuple[Any, ...]:
    """Which memory a case falls into: a program has its buffers per network, shape and dtype."""
    return case.network, case.inputs.shape, case.dtype


# --- gradients that are kept --------------------------------------------------------------------


def remembering(update: Update) -> Make:
    """update(g, last) -> (answered, kept); `last` was kept for the same buffers, zeros at first."""

    def start() -> Callable[[Case, Answer], Answer]:
        memory: dict[Any, Gradients] = {}

        def change(case: Case, answer: Answer) -> Answer:
            g = answer.gradients
            last = memory.get(buffers(case), {name: np.zeros_like(v) for name, v in g.items()})
            answered, memory[buffers(case)] = update(g, last)
            return Answer(answer.loss, answered)

        return change

    return stateful(start)


def add(g: Gradients, last: Gradients) -> tuple[Gradients, Gradients]:
    """Parameters have a buffer that is added to, the inputs have none."""
    total = {name: v if name == "inputs" else last[name] + v for name, v in g.items()}
    return total, total


def heavy_ball(momentum: float) -> Make:
    """The step in place of the gradient: what was left of the last one is in it."""
    def update(g: Gradients, last: Gradients) -> tuple[Gradients, Gradients]:
        step = {name: momentum * last[name] + v for name, v in g.items()}
        return step, step

    return remembering(update)


def multiplied(g: Gradients, last: Gradients) -> tuple[Gradients, Gradients]:
    return {name: last[name] * v for name, v in g.items()}, g


def alternating() -> Callable[[Case, Answer], Answer]:
    """Every second answer has twice the gradient."""
    calls = 0

    def change(case: Case, answer: Answer) -> Answer:
        nonlocal calls
        calls += 1
        doubled = {name: (2 - calls % 2) * g for name, g in answer.gradients.items()}
        return Answer(answer.loss, doubled)

    return change


# --- inputs that are kept -----------------------------------------------------------------------


def stale(tables: Tables) -> Engine:
    """dW = last_xᵀ delta, last_x the site's x in the call before that fell into the same buffers.

    Both calls go through the sites in the same order: the first x of one is for the first of the
    other.
    """
    memory: dict[Any, list[Any]] = {}

    def engine(case: Case) -> Answer:
        last, now = iter(memory.get(buffers(case), ())), list[Any]()

        def line(s: Pass, right: Any) -> Any:
            now.append(s.x)
            return tables.affine.dW(s._replace(x=next(last, s.x)))

        answer = evaluate(case, with_lines(tables, {"dW": line}))
        memory[buffers(case)] = now
        return answer

    return engine


# --- arguments that are changed -----------------------------------------------------------------


def in_place(arrays: Callable[[Case], Mapping[str, Any]]) -> Make:
    """The right answer; then the caller's arrays lose a tenth of their gradients."""

    def make(tables: Tables) -> Engine:
        def engine(case: Case) -> Answer:
            answer = evaluate(case, tables)
            for name, array in arrays(case).items():
                array -= 0.1 * answer.gradients[name]
            return answer

        return engine

    return make


def real_inputs(case: Case) -> Mapping[str, Any]:
    return {"inputs": case.inputs} if case.network.real else {}


# --- the table ----------------------------------------------------------------------------------

row = partial(Fault, "state")
FAULTS: Faults = {
    "gradients-accumulate": row(
        "the second answer is the first one doubled, because the gradients of the call before are "
        "still in the buffers",
        "self.dW += x.T @ delta", "self.dW = x.T @ delta",
        "micrograd#102, sebgao/cTensor#5, nnabla#532", remembering(add)),
    "stale-cache": row(
        "the answer is right at first and when a question is repeated, but after another batch the "
        "weights are wrong and the biases right",
        "dW = self.x.T @ delta; self.x = x", "self.x = x; dW = self.x.T @ delta",
        "layers that save their input after it was used", stale),
    "parameters-updated-in-place": row(
        "the caller's parameters are others after the call, because the update is part of the "
        "backward pass",
        "W -= rate * dW; return dW", "return dW",
        "training loops in one function; the backward passes of textbooks",
        in_place(lambda case: case.parameters)),
    "inputs-changed-in-place": row(
        "the caller's inputs are others after the call, so that the next call on the same batch "
        "gives something else",
        "x -= rate * dx; return dx",
        "return dx", "updates that run over every array with a gradient",
        in_place(real_inputs)),
    "momentum-left-over": core.numbered(
        "state",
        "the first answer is right and the second nearly twice as large, because what comes back "
        "is the step and not the gradient",
        "v = momentum * v + dW; return v", "v = momentum * v + dW; return dW",
        "optimisers written into the backward pass",
        Number("momentum", 0.9, heavy_ball, 1e-3, 1.0)),
    "momentum-multiplied": row(
        "the first answer is zero and the later ones are products of gradients, because momentum "
        "is multiplied in where it should be added",
        "return last * dW", "return dW; the momentum is added: step = dW + momentum * last",
        "`main * alpha * momentum` in a well-known forum answer", remembering(multiplied)),
    "every-second-call-differs": row(
        "the same question has two answers in turn, because every second call gives twice the "
        "gradient",
        "dW = buffers[calls % 2].T @ delta", "dW = x.T @ delta",
        "double buffers of which one is not cleared", stateful(alternating)),
}
