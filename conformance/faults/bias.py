"""The bias: the most mistaken line of backpropagation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..properties.identities import levels
from ..reference import Case, Engine, Tables, evaluate
from ..reference.chain import Step
from .core import Fault, Faults, Look, at_the_end, dense, is_dense

RIGHT = "db = delta.sum(axis=0)"
Line = Callable[[Any, Any, Any], Any]


def differs(look: Look, name: str, wrong: Any) -> bool:
    """Whether a wrong bias gradient differs from the true one, in its shape or beyond the tolerance."""
    return np.shape(wrong) != look.gradient(name).shape or look.apart(name, wrong)


def in_every_layer(symptom: str, wrong: str, seen: str, db: Line) -> Fault:
    """A row: this wrong line in every layer. db(x, delta, right); x: (batch, inputs), delta: (batch, units)."""

    def change(p: Any, x: Any, delta: Any, gradients: dict[str, Any], dx: Any) -> tuple[Any, dict[str, Any]]:
        if "bias" in gradients:
            gradients["bias"] = db(x, delta, gradients["bias"])
        return dx, gradients

    def visible(look: Look) -> bool:
        layers = ((level.b, int(level.name)) for level in look.biased)
        return any(differs(look, b, db(look.tape[i].saved, look.deltas[i], look.gradient(b))) for b, i in layers)

    return Fault("bias", symptom, wrong, RIGHT, seen, dense(change), visible)


def in_some_layers(symptom: str, wrong: str, right: str, seen: str, some: Callable[..., dict[str, Any]]) -> Fault:
    """A row: some bias gradients changed. some(case, right gradients) -> the wrong ones."""
    return Fault("bias", symptom, wrong, right, seen, *at_the_end(some))


def of_deltas(symptom: str, wrong: str, right: str, seen: str, db: Callable[..., Any]) -> Fault:
    """A row: another delta summed. db(tape, i, deltas) -> dense layer i's wrong gradient, or None where it is right.

    deltas[k]: dL/d(output of layer k), for every k >= i.
    """

    def engine(tables: Tables) -> Engine:
        deltas: dict[int, Any] = {}

        def step(tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
            dx, gradients = tables.sweep(tape, i, dy)
            deltas[i] = dy
            wrong = db(tape, i, deltas) if "bias" in gradients else None
            return dx, gradients if wrong is None else {**gradients, "bias": wrong}

        return lambda case: evaluate(case, tables._replace(sweep=step))

    def visible(look: Look) -> bool:
        found = {level.b: db(look.tape, int(level.name), look.deltas) for level in look.biased}
        return any(look.apart(name, value) for name, value in found.items() if value is not None)

    return Fault("bias", symptom, wrong, right, seen, engine, visible)


def zeros(case: Case, g: Any, level: int, least_depth: int = 1) -> dict[str, Any]:
    """Nothing for the bias of one layer, where the network has so many layers and this one a bias."""
    chain = levels(case.network)
    return {chain[level].b: 0.0 * g[chain[level].b]} if chain[level].bias and len(chain) >= least_depth else {}


def upstream(tape: list[Step], i: int, deltas: Any) -> Any:
    """What enters the activation after layer i, summed, in place of what leaves it."""
    after = i + 1 < len(tape) and tape[i + 1].scope.spec.kind == "activation"
    return deltas[i + 1].sum(axis=0) if after else None


def next_one(tape: list[Step], i: int, deltas: Any) -> Any:
    """The next dense layer's delta, summed, where both have as many units."""
    later = [k for k in range(i + 1, len(tape)) if is_dense(tape[k])]
    return deltas[later[0]].sum(axis=0) if later and deltas[later[0]].shape == deltas[i].shape else None


FAULTS: Faults = {
    "bias-not-summed-over-batch": in_every_layer(
        "the bias gradient has one row per example; broadcasting hides it in the update",
        "db = delta",
        "deeplearning4j#364, nd4j#2424, tvm#2465, jimfleming/differentiation#1; torch's gradcheck passes it",
        lambda x, delta, db: delta),
    "bias-averaged-over-batch": in_every_layer(
        "the bias gradient is 1/N of what it should be, N the batch size: averaged where the loss is a sum",
        "db = delta.mean(axis=0)", "kvfrans/notes#5, mlpack#3679",
        lambda x, delta, db: delta.mean(axis=0)),
    "bias-summed-over-units": in_every_layer(
        "all biases of a layer get one number, the sum over the units too (exactly 0 after a softmax)",
        "db = np.full(units, delta.sum())",
        "mattm/simple-neural-network#5, glouw/tinn#30; the published worked example shares one bias in a layer too",
        lambda x, delta, db: np.full_like(db, delta.sum())),
    "bias-scalar": in_every_layer(
        "the bias gradient is a single number for the whole layer; broadcasting hides it in the update",
        "db = delta.sum()", "rasbt/stat453-deep-learning-ss21#5, and dozens of copies of db = 1/m * np.sum(dZ)",
        lambda x, delta, db: delta.sum()),
    "bias-of-first-example": in_every_layer(
        "the bias gradient is that of the first example only: right at batch 1, the others are ignored",
        "db = delta[0]", "mlpack#3679",
        lambda x, delta, db: delta[0]),
    "bias-of-last-example": in_every_layer(
        "the bias gradient is that of the last example only: right at batch 1, each example overwrites the one before",
        "db = delta[-1]", "mlpack#3679",
        lambda x, delta, db: delta[-1]),
    "bias-summed-over-wrong-axis": in_every_layer(
        "the bias gradient is summed over the units, one number per example: the right shape only when batch = units",
        "db = delta.sum(axis=1)", "cruise#800",
        lambda x, delta, db: delta.sum(axis=1)),
    "bias-keepdims": in_every_layer(
        "the bias gradient has shape (1, units) for (units,): the right numbers with one axis too many",
        "db = delta.sum(axis=0, keepdims=True)", "everywhere; torch's gradcheck passes it",
        lambda x, delta, db: delta.sum(axis=0, keepdims=True)),
    "bias-never-updated": in_every_layer(
        "the bias gradient is exactly zero in every layer: the biases never learn",
        "db = np.zeros(units)", "mattm/simple-neural-network#5, glouw/tinn#30, matconvnet#197",
        lambda x, delta, db: 0.0 * db),
    "bias-counted-per-input": in_every_layer(
        "the bias gradient is too large by the number of the layer's inputs: added once for every weight of a unit",
        "for each input j: dW[j] += x[j] * delta; db += delta", "conv-from-scratch repositories",
        lambda x, delta, db: x.shape[-1] * db),
    "bias-divided-by-units": in_every_layer(
        "the bias gradient is too small by the number of the layer's units: averaged over the wrong axis' length",
        "db = delta.sum(axis=0) / units", "conv-from-scratch repositories: the ratio of channels",
        lambda x, delta, db: db / len(db)),
    "bias-negated": in_every_layer(
        "the bias gradient has the wrong sign: biases walk uphill while the weights walk downhill",
        "db = -delta.sum(axis=0)", "the bias input of -1 of genann and nn.h#18, without its convention",
        lambda x, delta, db: -db),
    "bias-skipped-in-first-layer": in_some_layers(
        "the bias gradient of the first layer is exactly zero; the other layers' are right",
        "for i in range(1, depth): db[i] = delta[i].sum(axis=0)",
        "for i in range(depth): db[i] = delta[i].sum(axis=0)",
        "systemds#2330, burn#5235",
        lambda case, g: zeros(case, g, 0)),
    "bias-skipped-in-last-layer": in_some_layers(
        "the bias gradient of the last layer is exactly zero; the hidden layers' are right",
        "for i in range(depth - 1): db[i] = delta[i].sum(axis=0)",
        "for i in range(depth): db[i] = delta[i].sum(axis=0)",
        "systemds#2330, burn#5235",
        lambda case, g: zeros(case, g, -1, 2)),
    "bias-of-next-layer": of_deltas(
        "the bias gradient is the next layer's: right shape, wrong numbers (where both have as many units)",
        "db[i] = delta[i + 1].sum(axis=0)", "db[i] = delta[i].sum(axis=0)",
        "hanbt/learn_dl#53, copied and pasted",
        next_one),
    "bias-without-derivative": of_deltas(
        "the bias gradient is taken before the activation's derivative: bias += error * learning rate",
        "db = da.sum(axis=0)", "dz = da * f_prime(z); db = dz.sum(axis=0)",
        "several RNN classes; the question \"Bias += error * learning rate\"",
        upstream),
}
