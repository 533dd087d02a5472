"""The chain rule between layers: the wrong weights, the wrong inputs, or no error handed down."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ...reference import Answer, Case, Pass, Tables
from ...reference.kinds import Array, Rule, Step, rows
from .. import core
from ..core import Fault, Faults, Make, Number
from ..ways import (
    Line,
    Wrong,
    answered,
    at_sites,
    at_some,
    first_layer,
    gradients,
    passing,
    per_case,
    with_lines,
)

row = partial(Fault, "propagation")
numbered = partial(core.numbered, "propagation")


def square(w: Array) -> bool:
    return bool(w.shape[0] == w.shape[1])


def where_square(line: Callable[[Pass], Array]) -> Line:
    """line(s) where a site has as many inputs as units: elsewhere the shapes would not fit."""
    return lambda s, right: line(s) if square(s.W) else right


# --- clipped ------------------------------------------------------------------------------------


def clip(engine: Callable[[float], Make]) -> Number:
    """The number of a mistake about clipping."""
    return Number("threshold", 1.0, engine, 1e-3, 1e2)


def clipped(g: Array, threshold: float) -> Array:
    return np.clip(g, -threshold, threshold)


def clipping_errors(threshold: float) -> Make:
    """No error exceeds the threshold at any site."""
    return passing(lambda case, s: s._replace(delta=clipped(s.delta, threshold)), "dW", "db", "dx")


def clipping_error_norms(threshold: float) -> Make:
    """No error has a larger norm than the threshold where it comes to a layer, over the batch."""
    def rule(right: Rule) -> Rule:
        return right._replace(backward=lambda p, saved, dy: right.backward(
            p, saved, dy * scaled_down(dy, threshold)))

    return Wrong(lambda tables: tables._replace(
        layers={kind: rule(right) for kind, right in tables.layers.items()}))


def clipping_gradients(threshold: float) -> Make:
    return gradients(lambda name, g: clipped(g, threshold))


def clipping_norms(threshold: float) -> Make:
    return gradients(lambda name, g: g * scaled_down(g, threshold))


def clipping_global_norm(threshold: float) -> Make:
    """One factor for the gradients of all parameters; that of the inputs stays."""
    def wrong(case: Case, answer: Answer) -> Answer:
        of = {name: g for name, g in answer.gradients.items() if name != "inputs"}
        k = scaled_down(np.concatenate([np.ravel(g) for g in of.values()] or [np.zeros(1)]),
                        threshold)
        return Answer(answer.loss, {**answer.gradients, **{name: k * g for name, g in of.items()}})

    return answered(wrong)


def scaled_down(g: Array, threshold: float) -> Array:
    """What brings the norm of an array down to the threshold; 1 where it is not above."""
    largest = np.abs(g).max(initial=0.0)
    norm = largest * np.sqrt(((g / (largest or 1)) ** 2).sum())
    return np.asarray(threshold / norm if norm > threshold else 1.0, g.dtype)


# --- updated too early --------------------------------------------------------------------------


def updated_early(rate: float) -> Make:
    """The error goes down through weights that have learned already."""
    return at_sites(dx=lambda s, dx: s.delta @ (s.W - rate * (s.x.T @ s.delta)).T)


# --- the network's input ------------------------------------------------------------------------


def network_input(case: Case, x: Array) -> Array:
    """The network's input in place of a site's own, where it is as large; x: (rows, n)."""
    x0 = rows(case.inputs) if case.network.real else x
    return x0 if x0.shape == x.shape else x


def forward_of_input(case: Case, tables: Tables) -> Tables:
    """Every site computes x0 W + b, x0 the network's input, where that is as large as its own."""
    right = tables.affine.y
    return tables._replace(affine=tables.affine._replace(
        y=lambda x, W, b: right(network_input(case, x), W, b)))


# --- what is on both sides of an activation -----------------------------------------------------


def of_preactivation(case: Case, tables: Tables) -> Tables:
    """dW = zᵀ delta, z what the function before the layer was taken of.

    The first layer of a branch has the layer before it that its branches have.
    """
    taken_of: dict[str, Array] = {}

    def sweep(tape: list[Step], i: int, dy: Array) -> tuple[Array, dict[str, Array]]:
        name = tape[i].scope.name
        around = name.rsplit(".", 2)[0]
        if i and tape[i - 1].scope.spec.function is not None:
            scope, saved = tape[i - 1]
            z, = scope.rule.arguments(scope, saved)
            taken_of[name] = rows(z)
        elif not i and around in taken_of:
            taken_of[name] = taken_of[around]
        return tables.sweep(tape, i, dy)

    def line(s: Pass, right: Array) -> Array:
        z: Array = taken_of.get(s.layer, s.x)
        return tables.affine.dW(s._replace(x=z)) if z.shape == s.x.shape else right

    return with_lines(tables, {"dW": line})._replace(sweep=sweep)


def own_output(case: Case, tables: Tables) -> Tables:
    """dW = (x W + b)ᵀ delta where a site has as many inputs as units."""
    def line(s: Pass) -> Array:
        return tables.affine.dW(s._replace(x=tables.affine.y(s.x, s.W, s.b)))

    return with_lines(tables, {"dW": where_square(line)})


# --- the table ----------------------------------------------------------------------------------

DX, DW, DB = "dx = delta @ W.T", "dW = x.T @ delta", "db = delta.sum(axis=0)"
ANSWER = "the stack-exchange answer on the gradient of bias terms"

FAULTS: Faults = {
    "weights-updated-before-delta": numbered(
        "the last layer is right, and every layer below is off by an amount that grows with the "
        "learning rate",
        "W -= rate * dW; dx = delta @ W.T", "dx = delta @ W.T; W -= rate * dW",
        "data-science-from-scratch#31, Toy-Neural-Network-JS#72, synaptic, neataptic",
        Number("rate", 0.5, updated_early, 1e-5, 100.0)),
    "weight-not-transposed": row(
        "the last layer is right, and the layers below are wrong wherever a weight matrix is "
        "square",
        "dx = delta @ W", DX,
        "many recurrent networks written by hand; it runs only where W is square",
        at_sites(dx=where_square(lambda s: s.delta @ s.W))),
    "weight-gradient-transposed": row(
        "the weight gradient is that of the transposed matrix, and only a square one hides it from "
        "the shapes",
        "dW = delta.T @ x", DW, "libraries that mix (inputs, units) with (units, inputs)",
        at_sites(dW=lambda s, dW: dW.T if square(dW) else dW)),
    "hidden-error-without-weights": row(
        "every unit of the layer below gets the same error: the sum of delta, without the weights",
        "dx = delta.sum(axis=1, keepdims=True)", DX, ANSWER,
        at_sites(dx=lambda s, dx: s.delta.sum(axis=-1, keepdims=True) + 0.0 * s.x)),
    "hidden-error-is-sum-of-weight-gradient": row(
        "every example hands the same error down: the weight gradient summed over the units",
        "dx = dW.sum(axis=1)", DX, ANSWER,
        at_sites(dx=lambda s, dx: (s.x.T @ s.delta).sum(axis=1) + 0.0 * s.x)),
    "network-input-in-later-layer": row(
        "the weight gradient of a later layer is made with the network's input in place of the "
        "layer's own",
        "dW_2 = x.T @ delta_2", "dW_2 = y_1.T @ delta_2", ANSWER,
        passing(lambda case, s: s._replace(x=network_input(case, s.x)), "dW")),
    "weight-gradient-of-preactivation": row(
        "the weight gradients above an activation are wrong, and the biases are right: z was taken "
        "for the activated y",
        "dW_2 = z_1.T @ delta_2", "dW_2 = y_1.T @ delta_2",
        "classes that keep z under the name of the layer's input",
        per_case(of_preactivation)),
    "weight-gradient-of-own-output": row(
        "the weight gradient is made with what the layer gives in place of what it takes, where "
        "both are equally wide",
        "dW = (x @ W + b).T @ delta",
        DW, "lines copied from the forward pass into the backward pass",
        per_case(own_output)),
    "forward-input-in-later-layer": row(
        "the loss itself is another one: a later layer multiplies the network's input, and not the "
        "output of the layer below",
        "z_2 = x.dot(W_2)", "z_2 = y_1.dot(W_2)", ANSWER, per_case(forward_of_input)),
    "stops-after-one-layer": row(
        "only the last layer learns, and every gradient below it is zero",
        "dx = 0", DX, "axon#646",
        at_sites(dx=lambda s, dx: 0.0 * dx)),
    "delta-doubled-per-layer": row(
        "the gradients are 1, 2, 4, ... times the right ones from the last layer down",
        "dx = 2 * delta @ W.T", DX, "nn.h",
        at_sites(dx=lambda s, dx: 2.0 * dx)),
    "delta-clipped": numbered(
        "the gradients are right while the errors are small, and wrong in the whole network below "
        "a layer where one exceeds the threshold",
        "delta = delta.clip(-threshold, threshold)", "delta stays as it is", "FANN",
        clip(clipping_errors)),
    "delta-clipped-by-norm": numbered(
        "the gradients are right while the errors are small, and too small in the whole network "
        "below a layer where the error of the batch has a norm above the threshold",
        "delta *= min(1, threshold / np.linalg.norm(delta))", "delta stays as it is",
        "neuralnetlib", clip(clipping_error_norms)),
    "gradient-clipped": numbered(
        "no entry of any gradient exceeds a threshold, so that the direction of the gradient "
        "changes silently",
        "dW = dW.clip(-threshold, threshold)",
        "dW stays as it is; clipping belongs to the update", "FANN",
        clip(clipping_gradients)),
    "gradient-clipped-by-norm": numbered(
        "every gradient whose norm exceeds a threshold is scaled down to it, each array by itself",
        "dW *= min(1, threshold / np.linalg.norm(dW))",
        "dW stays as it is; clipping belongs to the update", "Keras's clipnorm, written by hand",
        clip(clipping_norms)),
    "gradient-clipped-by-global-norm": numbered(
        "all gradients of the parameters are scaled down by one factor where their common norm "
        "exceeds a threshold",
        "norm = np.sqrt(sum((g**2).sum() for g in gradients)); g *= min(1, threshold / norm)",
        "g stays as it is; clipping belongs to the update",
        "torch's clip_grad_norm_, written by hand", clip(clipping_global_norm)),
    "weights-averaged-biases-summed": row(
        "the weight gradients are 1/N of what they should be, N the batch size, and the biases are "
        "right",
        "dW = x.T @ delta / N; db = delta.sum(axis=0)", f"{DW}; {DB}",
        "kvfrans/notes#5, the other way round",
        at_sites(dW=lambda s, dW: dW / len(s.delta))),
    "first-layer-gradient-skipped": row(
        "the weights of the first layer never change, because their gradient is zero",
        "for layer in layers[1:]: layer.dW = x.T @ delta",
        "for layer in layers: layer.dW = x.T @ delta", "loops that end one layer too early",
        at_some(first_layer, dW=lambda s, dW: 0.0 * dW)),
    "inputs-gradient-wrong-sign": row(
        "all parameters are right, and the gradient of the inputs has the wrong sign",
        "return -dx", "return dx",
        "code written for target - output, where only the parameters were looked at",
        gradients(lambda name, g: -g if name == "inputs" else g)),
}
