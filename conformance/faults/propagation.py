"""The chain rule between layers: the wrong weights, the wrong inputs, or no error handed down at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..reference import TABLES, Answer, Case, Engine, Rule, Tables, chain, evaluate
from ..reference.chain import Step
from ..reference.layers.rule import Scope
from .core import Fault, Faults, Look, Wrong, at_the_end, handed_down, is_dense, own, quiet, sweep

Line = Callable[[list[Step], int, Any], Any]


def flat(x: Any) -> Any:
    """Every example, and time step, one row."""
    return x.reshape(-1, x.shape[-1])


def of_input(instead: Line) -> Wrong:
    """dW = insteadᵀ delta in the layers where instead(tape, i, x) is not None."""
    def change(tape: list[Step], i: int, dy: Any, right: dict[str, Any]) -> dict[str, Any]:
        x = instead(tape, i, tape[i].saved)
        return {} if x is None else {"weight": flat(x).T @ flat(dy)}

    return own(change)


def square(w: Any) -> bool:
    return bool(w.shape[0] == w.shape[1])


def network_input(tape: list[Step], i: int, x: Any) -> Any:
    """The network's input in a later layer that takes as many numbers."""
    return tape[0].saved if i and is_dense(tape[0]) and tape[0].saved.shape == x.shape else None


def preactivation(tape: list[Step], i: int, x: Any) -> Any:
    """z of the layer below, where there is an activation between."""
    return tape[i - 1].saved[0] if i and tape[i - 1].scope.spec.kind == "activation" else None


def own_output(tape: list[Step], i: int, x: Any) -> Any:
    """x W + b, where that has as many numbers as x."""
    p = tape[i].scope
    return p.tables.layers["dense"].forward(p, x)[0] if square(p["weight"]) else None


# --- the forward pass -------------------------------------------------------------------------------------------


def forward_of_input(tables: Tables) -> Engine:
    """Every dense layer after the first computes x0 W + b, x0 the network's input, where it has the right width."""
    def change(rule: Rule, x0: Any) -> Rule:
        def forward(p: Scope, x: Any) -> tuple[Any, Any]:
            return rule.forward(p, x0 if p.name != "0" and x.shape == x0.shape else x)[0], x
        return rule._replace(forward=forward)

    def engine(case: Case) -> Answer:
        layers = {**tables.layers, "dense": change(tables.layers["dense"], case.inputs)}
        return evaluate(case, tables._replace(layers=layers))

    return engine


def forward_shows(look: Look, line: Callable[[Step, Any, Any], tuple[Any, Any]]) -> bool:
    """Whether a wrong forward shows in the loss, or in the right backward over what it saved.

    line(step, x, x0) -> (y, saved) of a layer, x0 the network's input.
    """
    x0 = x = look.wide.inputs
    tape, row = [], TABLES.losses[look.case.network.loss.kind]
    with np.errstate(all="ignore"):
        for step in look.tape:
            x, saved = line(step, x, x0)
            tape.append(step._replace(saved=saved))
        loss = row.L(x, look.wide.targets).sum() * look.trace.scale
        dx, gradients = chain.backward(TABLES, tape, row.dL(x, look.wide.targets) * look.trace.scale)
    gradients |= {"inputs": dx} if look.case.network.input_kind == "real" else {}
    return look.loss_apart(loss) or any(look.apart(name, wrong) for name, wrong in gradients.items())


def layer(step: Step, x: Any) -> tuple[Any, Any]:
    """The right line: the output of a layer, and what it saves."""
    found: tuple[Any, Any] = TABLES.layers[step.scope.spec.kind].forward(step.scope, x)
    return found


def of_network_input(step: Step, x: Any, x0: Any) -> tuple[Any, Any]:
    """The network's input times the weights of a layer as wide."""
    return layer(step, x0 if is_dense(step) and x.shape == x0.shape else x)[0], layer(step, x)[1]


# --- delta clipped ----------------------------------------------------------------------------------------------


def clipped(dy: Any) -> Any:
    return np.clip(dy, -1.0, 1.0)


def clip_delta(right: Any, tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
    found: tuple[Any, dict[str, Any]] = right(tape, i, clipped(dy) if is_dense(tape[i]) else dy)
    return found


def clipping_shows(look: Look) -> bool:
    """What clipping takes away from the delta of each dense layer, pushed down."""
    def taken(i: int, dy: Any) -> Any:
        return clipped(dy) - dy if i >= 0 and is_dense(look.tape[i]) else 0.0 * dy

    last = len(look.tape) - 1
    return look.shows(look.pushed(last, taken(last, look.deltas[last]),
                                  lambda k, dy: taken(k - 1, TABLES.sweep(look.tape, k, dy)[0])))


# --- the table --------------------------------------------------------------------------------------------------

DX, DW = "dx = delta @ W.T", "dW = x.T @ delta"
ANSWER = "the stack-exchange answer on the gradient of bias terms"


def row(symptom: str, wrong: str, right: str, seen: str, way: Wrong) -> Fault:
    """A row of this family."""
    make, visible = way
    return Fault("propagation", symptom, wrong, right, seen, quiet(make), visible)


FAULTS: Faults = {
    "weights-updated-before-delta": row(
        "the last layer is right, every layer below is off by an amount that grows with the learning rate",
        "W -= rate * dW; dx = delta @ W.T", "dx = delta @ W.T; W -= rate * dW",
        "data-science-from-scratch#31, Toy-Neural-Network-JS#72, synaptic, neataptic",
        handed_down(lambda w, x, dy, dx: dy @ (w - 0.5 * (flat(x).T @ flat(dy))).T)),
    "weight-not-transposed": row(
        "the last layer is right, the layers below are wrong wherever a weight matrix is square",
        "dx = delta @ W", DX, "many hand-written recurrent networks; it runs only where W is square",
        handed_down(lambda w, x, dy, dx: dy @ w if square(w) else dx)),
    "weight-gradient-transposed": row(
        "the weight gradient is that of the transposed matrix: only a square one hides it from the shapes",
        "dW = delta.T @ x", DW, "libraries that mix (inputs, units) with (units, inputs)",
        own(lambda tape, i, dy, g: {"weight": g["weight"].T} if square(g["weight"]) else {})),
    "hidden-error-without-weights": row(
        "every unit of the layer below gets the same error: the sum of delta, without the weights",
        "dx = delta.sum(axis=1, keepdims=True)", DX, ANSWER,
        handed_down(lambda w, x, dy, dx: dy.sum(axis=-1, keepdims=True) + 0.0 * x)),
    "hidden-error-is-sum-of-weight-gradient": row(
        "every example sends the same error down: the weight gradient summed over the units",
        "dx = dW.sum(axis=1)", DX, ANSWER,
        handed_down(lambda w, x, dy, dx: (flat(x).T @ flat(dy)).sum(axis=1) + 0.0 * x)),
    "network-input-in-later-layer": row(
        "a later layer's weight gradient is made with the network's input instead of the layer's own",
        "dW_2 = x.T @ delta_2", "dW_2 = y_1.T @ delta_2", ANSWER, of_input(network_input)),
    "weight-gradient-of-preactivation": row(
        "weight gradients above an activation are wrong, biases are right: z was used for the activated y",
        "dW_2 = z_1.T @ delta_2", "dW_2 = y_1.T @ delta_2", "classes that keep z under the name of the layer's input",
        of_input(preactivation)),
    "weight-gradient-of-own-output": row(
        "the weight gradient is made with what the layer gives instead of what it takes, where both are equally wide",
        "dW = (x @ W + b).T @ delta", DW, "copy-paste between forward and backward", of_input(own_output)),
    "forward-input-in-later-layer": row(
        "the loss itself is another: a later layer multiplies the network's input, not the output of the layer below",
        "z_2 = x.dot(W_2)", "z_2 = y_1.dot(W_2)", ANSWER, (
            forward_of_input, lambda look: forward_shows(look, of_network_input))),
    "stops-after-one-layer": row(
        "only the last layer learns: every gradient below it is zero",
        "dx = 0", DX, "axon#646",
        handed_down(lambda w, x, dy, dx: 0.0 * dx)),
    "delta-doubled-per-layer": row(
        "gradients are 1, 2, 4, ... times the right ones from the last layer down",
        "dx = 2 * delta @ W.T", DX, "nn.h",
        handed_down(lambda w, x, dy, dx: 2.0 * dx)),
    "delta-clipped": row(
        "right while the errors are small, wrong in the whole network below where one exceeds 1",
        "delta = delta.clip(-1, 1)", "delta stays as it is", "FANN", (sweep(clip_delta), clipping_shows)),
    "gradient-clipped": row(
        "no entry of any gradient exceeds 1: the direction changes silently",
        "dW = dW.clip(-1, 1)", "dW stays as it is; clipping belongs to the update", "FANN",
        at_the_end(lambda case, g: {name: clipped(value) for name, value in g.items()})),
    "weights-averaged-biases-summed": row(
        "the weight gradients are 1/N of what they should be, the biases are right, N the batch size",
        "dW = x.T @ delta / N; db = delta.sum(axis=0)", "dW = x.T @ delta; db = delta.sum(axis=0)",
        "kvfrans/notes#5 the other way round",
        own(lambda tape, i, dy, g: {"weight": g["weight"] / len(dy)})),
    "first-layer-gradient-skipped": row(
        "the first layer's weights never change: their gradient is zero",
        "for layer in layers[1:]: layer.dW = x.T @ delta", "for layer in layers: layer.dW = x.T @ delta",
        "loops that end one layer too early",
        own(lambda tape, i, dy, g: {"weight": 0.0 * g["weight"]} if tape[i].scope.name == "0" else {})),
    "inputs-gradient-wrong-sign": row(
        "all parameters are right, the gradient of the inputs has the wrong sign",
        "return -dx", "return dx", "code written for target - output, where only the parameters were looked at",
        at_the_end(lambda case, g: {"inputs": -g["inputs"]} if "inputs" in g else {})),
}
