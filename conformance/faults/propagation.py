"""The chain rule between layers: the wrong weights, the wrong inputs, or nothing handed down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..reference import Answer, Case, Engine, Pass, Tables, evaluate
from ..reference.kinds import Step, rows
from .core import Fault, Faults, Line, Make, Way, at_sites, at_the_end, is_affine, sweep

Instead = Callable[[Pass, Way], Any]


def square(w: Any) -> bool:
    return bool(w.shape[0] == w.shape[1])


def of(instead: Instead) -> Line:
    """dW = insteadᵀ delta where instead(s, way) has the shape of x; it is None where it has not."""
    def line(s: Pass, dW: Any, way: Way) -> Any:
        x = instead(s, way)
        return dW if x is None else x.T @ s.delta

    return line


def network_input(s: Pass, way: Way) -> Any:
    """The network's input at a later site that takes as many numbers."""
    x = rows(way.case.inputs)
    return x if way.case.network.real and way.position(s) and x.shape == s.x.shape else None


def preactivation(s: Pass, way: Way) -> Any:
    """z of the layer below, where there is a function between."""
    z = way.argument.get(s.layer)
    return None if z is None else rows(z)


def own_output(s: Pass, way: Way) -> Any:
    """x W + b, where that has as many numbers as x."""
    if not square(s.W):
        return None
    return s.x @ s.W if s.b is None else s.x @ s.W + s.b


def forward_of_input(tables: Tables) -> Engine:
    """Every site after the first computes x0 W + b, x0 the network's input, where that is as wide."""
    def engine(case: Case) -> Answer:
        calls, x0 = 0, rows(case.inputs)

        def y(x: Any, W: Any, b: Any) -> Any:
            nonlocal calls
            calls += 1
            wrong = case.network.real and calls > 1 and x.shape == x0.shape
            return tables.affine.y(x0 if wrong else x, W, b)

        return evaluate(case, tables._replace(affine=tables.affine._replace(y=y)))

    return engine


def within_one(gradient: Any) -> Any:
    """Every entry between -1 and 1."""
    return np.clip(gradient, -1.0, 1.0)


def clip_delta(right: Any, tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
    found: tuple[Any, dict[str, Any]] = right(tape, i, within_one(dy) if is_affine(tape[i]) else dy)
    return found


# --- the table -------------------------------------------------------------------------------------

DX, DW = "dx = delta @ W.T", "dW = x.T @ delta"
ANSWER = "the stack-exchange answer on the gradient of bias terms"


def row(symptom: str, wrong: str, right: str, seen: str, make: Make) -> Fault:
    """A row of this family."""
    return Fault("propagation", symptom, wrong, right, seen, make)


def handed_down(dx: Line) -> Make:
    """A wrong error handed down by every site; its own gradients stay right."""
    return at_sites(dx=dx)


FAULTS: Faults = {
    "weights-updated-before-delta": row(
        "the last layer is right, every layer below is off by an amount that grows with the learning rate",
        "W -= rate * dW; dx = delta @ W.T", "dx = delta @ W.T; W -= rate * dW",
        "data-science-from-scratch#31, Toy-Neural-Network-JS#72, synaptic, neataptic",
        handed_down(lambda s, dx, way: s.delta @ (s.W - 0.5 * (s.x.T @ s.delta)).T)),
    "weight-not-transposed": row(
        "the last layer is right, the layers below are wrong wherever a weight matrix is square",
        "dx = delta @ W", DX, "many hand-written recurrent networks; it runs only where W is square",
        handed_down(lambda s, dx, way: s.delta @ s.W if square(s.W) else dx)),
    "weight-gradient-transposed": row(
        "the weight gradient is that of the transposed matrix: only a square one hides it from the shapes",
        "dW = delta.T @ x", DW, "libraries that mix (inputs, units) with (units, inputs)",
        at_sites(dW=lambda s, dW, way: dW.T if square(dW) else dW)),
    "hidden-error-without-weights": row(
        "every unit of the layer below gets the same error: the sum of delta, without the weights",
        "dx = delta.sum(axis=1, keepdims=True)", DX, ANSWER,
        handed_down(lambda s, dx, way: s.delta.sum(axis=-1, keepdims=True) + 0.0 * s.x)),
    "hidden-error-is-sum-of-weight-gradient": row(
        "every example sends the same error down: the weight gradient summed over the units",
        "dx = dW.sum(axis=1)", DX, ANSWER,
        handed_down(lambda s, dx, way: (s.x.T @ s.delta).sum(axis=1) + 0.0 * s.x)),
    "network-input-in-later-layer": row(
        "a later layer's weight gradient is made with the network's input instead of the layer's own",
        "dW_2 = x.T @ delta_2", "dW_2 = y_1.T @ delta_2", ANSWER, at_sites(dW=of(network_input))),
    "weight-gradient-of-preactivation": row(
        "weight gradients above an activation are wrong, biases are right: z was used for the activated y",
        "dW_2 = z_1.T @ delta_2", "dW_2 = y_1.T @ delta_2", "classes that keep z under the name of the layer's input",
        at_sites(dW=of(preactivation))),
    "weight-gradient-of-own-output": row(
        "the weight gradient is made with what the layer gives instead of what it takes, where both are equally wide",
        "dW = (x @ W + b).T @ delta", DW, "copy-paste between forward and backward", at_sites(dW=of(own_output))),
    "forward-input-in-later-layer": row(
        "the loss itself is another: a later layer multiplies the network's input, not the output of the layer below",
        "z_2 = x.dot(W_2)", "z_2 = y_1.dot(W_2)", ANSWER, forward_of_input),
    "stops-after-one-layer": row(
        "only the last layer learns: every gradient below it is zero",
        "dx = 0", DX, "axon#646",
        handed_down(lambda s, dx, way: 0.0 * dx)),
    "delta-doubled-per-layer": row(
        "gradients are 1, 2, 4, ... times the right ones from the last layer down",
        "dx = 2 * delta @ W.T", DX, "nn.h",
        handed_down(lambda s, dx, way: 2.0 * dx)),
    "delta-clipped": row(
        "right while the errors are small, wrong in the whole network below where one exceeds 1",
        "delta = delta.clip(-1, 1)", "delta stays as it is", "FANN", sweep(clip_delta)),
    "gradient-clipped": row(
        "no entry of any gradient exceeds 1: the direction changes silently",
        "dW = dW.clip(-1, 1)", "dW stays as it is; clipping belongs to the update", "FANN",
        at_the_end(lambda case, g: {name: within_one(value) for name, value in g.items()})),
    "weights-averaged-biases-summed": row(
        "the weight gradients are 1/N of what they should be, the biases are right, N the batch size",
        "dW = x.T @ delta / N; db = delta.sum(axis=0)", "dW = x.T @ delta; db = delta.sum(axis=0)",
        "kvfrans/notes#5 the other way round",
        at_sites(dW=lambda s, dW, way: dW / way.case.batch)),
    "first-layer-gradient-skipped": row(
        "the first layer's weights never change: their gradient is zero",
        "for layer in layers[1:]: layer.dW = x.T @ delta", "for layer in layers: layer.dW = x.T @ delta",
        "loops that end one layer too early",
        at_sites(dW=lambda s, dW, way: dW if way.position(s) else 0.0 * dW)),
    "inputs-gradient-wrong-sign": row(
        "all parameters are right, the gradient of the inputs has the wrong sign",
        "return -dx", "return dx", "code written for target - output, where only the parameters were looked at",
        at_the_end(lambda case, g: {"inputs": -g["inputs"]} if "inputs" in g else {})),
}
