"""The bias: the most mistaken line of backpropagation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..reference import Case, Pass
from ..reference.kinds import rows
from ..reference.wiring import wired
from .core import Fault, Faults, Line, Way, at_sites, at_the_end

RIGHT = "db = delta.sum(axis=0)"


def in_every_layer(symptom: str, wrong: str, seen: str, db: Line) -> Fault:
    """A row: this wrong line at every affine site."""
    return in_every_layer_as(symptom, wrong, RIGHT, seen, db)


def in_every_layer_as(symptom: str, wrong: str, right: str, seen: str, db: Line) -> Fault:
    """The same, where the right line needs other words."""
    return Fault("bias", symptom, wrong, right, seen, at_sites(db=db))


def at_one_end(symptom: str, wrong: str, right: str, seen: str, at: int, sites: int) -> Fault:
    """A row: no bias gradient at the first (0) or last (-1) site of networks with so many sites."""
    def nothing(case: Case, g: dict[str, Any]) -> dict[str, Any]:
        places = wired(case.network).places
        bias = places[at].bias if len(places) >= sites else ""
        return {bias: 0.0 * g[bias]} if bias else {}

    return Fault("bias", symptom, wrong, right, seen, at_the_end(nothing))


def upstream(s: Pass, db: Any, way: Way) -> Any:
    """What enters the function behind the layer, summed, in place of what leaves it."""
    da = way.before_function.get(s.layer)
    return db if da is None else rows(da).sum(axis=0)


def next_one(s: Pass, db: Any, way: Way) -> Any:
    """The next site's delta, summed, where both have as many rows and units."""
    later = way.places[way.position(s) + 1:]
    delta = way.entering.get(later[0].layer) if later else None
    same = delta is not None and rows(delta).shape == s.delta.shape
    return rows(delta).sum(axis=0) if same else db


FAULTS: Faults = {
    "bias-not-summed-over-batch": in_every_layer(
        "the bias gradient has one row per example; broadcasting hides it in the update",
        "db = delta",
        "deeplearning4j#364, nd4j#2424, tvm#2465, jimfleming/differentiation#1; torch's gradcheck passes it",
        lambda s, db, way: s.delta),
    "bias-averaged-over-batch": in_every_layer(
        "the bias gradient is 1/N of what it should be, N the batch size: averaged where the loss is a sum",
        "db = delta.mean(axis=0)", "kvfrans/notes#5, mlpack#3679",
        lambda s, db, way: s.delta.mean(axis=0)),
    "bias-summed-over-units": in_every_layer(
        "all biases of a layer get one number, the sum over the units too (exactly 0 after a softmax)",
        "db = np.full(units, delta.sum())",
        "mattm/simple-neural-network#5, glouw/tinn#30; the published worked example shares one bias in a layer too",
        lambda s, db, way: np.full_like(db, s.delta.sum())),
    "bias-scalar": in_every_layer(
        "the bias gradient is a single number for the whole layer; broadcasting hides it in the update",
        "db = delta.sum()", "rasbt/stat453-deep-learning-ss21#5, and dozens of copies of db = 1/m * np.sum(dZ)",
        lambda s, db, way: s.delta.sum()),
    "bias-of-first-example": in_every_layer(
        "the bias gradient is that of the first example only: right at batch 1, the others are ignored",
        "db = delta[0]", "mlpack#3679",
        lambda s, db, way: s.delta[0]),
    "bias-of-last-example": in_every_layer(
        "the bias gradient is that of the last example only: right at batch 1, each example overwrites the one before",
        "db = delta[-1]", "mlpack#3679",
        lambda s, db, way: s.delta[-1]),
    "bias-summed-over-wrong-axis": in_every_layer(
        "the bias gradient is summed over the units, one number per example: the right shape only when batch = units",
        "db = delta.sum(axis=1)", "cruise#800",
        lambda s, db, way: s.delta.sum(axis=1)),
    "bias-keepdims": in_every_layer(
        "the bias gradient has shape (1, units) for (units,): the right numbers with one axis too many",
        "db = delta.sum(axis=0, keepdims=True)", "everywhere; torch's gradcheck passes it",
        lambda s, db, way: s.delta.sum(axis=0, keepdims=True)),
    "bias-never-updated": in_every_layer(
        "the bias gradient is exactly zero in every layer: the biases never learn",
        "db = np.zeros(units)", "mattm/simple-neural-network#5, glouw/tinn#30, matconvnet#197",
        lambda s, db, way: 0.0 * db),
    "bias-counted-per-input": in_every_layer(
        "the bias gradient is too large by the number of the layer's inputs: added once for every weight of a unit",
        "for each input j: dW[j] += x[j] * delta; db += delta", "conv-from-scratch repositories",
        lambda s, db, way: s.x.shape[-1] * db),
    "bias-divided-by-units": in_every_layer(
        "the bias gradient is too small by the number of the layer's units: averaged over the wrong axis' length",
        "db = delta.sum(axis=0) / units", "conv-from-scratch repositories: the ratio of channels",
        lambda s, db, way: db / len(db)),
    "bias-negated": in_every_layer(
        "the bias gradient has the wrong sign: biases walk uphill while the weights walk downhill",
        "db = -delta.sum(axis=0)", "the bias input of -1 of genann and nn.h#18, without its convention",
        lambda s, db, way: -db),
    "bias-skipped-in-first-layer": at_one_end(
        "the bias gradient of the first layer is exactly zero; the other layers' are right",
        "for i in range(1, depth): db[i] = delta[i].sum(axis=0)",
        "for i in range(depth): db[i] = delta[i].sum(axis=0)",
        "systemds#2330, burn#5235",
        0, 1),
    "bias-skipped-in-last-layer": at_one_end(
        "the bias gradient of the last layer is exactly zero; the hidden layers' are right",
        "for i in range(depth - 1): db[i] = delta[i].sum(axis=0)",
        "for i in range(depth): db[i] = delta[i].sum(axis=0)",
        "systemds#2330, burn#5235",
        -1, 2),
    "bias-of-next-layer": in_every_layer_as(
        "the bias gradient is the next layer's: right shape, wrong numbers (where both have as many units)",
        "db[i] = delta[i + 1].sum(axis=0)", "db[i] = delta[i].sum(axis=0)",
        "hanbt/learn_dl#53, copied and pasted",
        next_one),
    "bias-without-derivative": in_every_layer_as(
        "the bias gradient is taken before the activation's derivative: bias += error * learning rate",
        "db = da.sum(axis=0)", "dz = da * f_prime(z); db = dz.sum(axis=0)",
        "several RNN classes; the question \"Bias += error * learning rate\"",
        upstream),
}
