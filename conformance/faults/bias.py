"""The bias: the most mistaken line of backpropagation."""

from __future__ import annotations

from typing import Any

import numpy as np

from .core import Faults, Fault, Look, bias


def any_bias(look: Look, wrong: Any) -> bool:
    """Whether wrong(db, delta) differs from db in some layer; delta: (batch, units)."""
    return any(look.apart(level.b, wrong(look.gradient(level.b), look.deltas[int(level.name)])) for level in look.biased)


FAULTS: Faults = {
    "bias-not-summed-over-batch": Fault(
        "bias", "the bias gradient has one row per example; broadcasting hides it in the update",
        "db = delta", "db = delta.sum(axis=0)",
        "deeplearning4j#364, nd4j#2424, tvm#2465; torch's gradcheck passes it",
        bias(lambda dy, db: dy), lambda look: bool(look.biased)),
    "bias-averaged-over-batch": Fault(
        "bias", "the bias gradient is 1/N of what it should be, N the batch size: averaged where the loss is a sum",
        "db = delta.mean(axis=0)", "db = delta.sum(axis=0)",
        "kvfrans/notes#5, mlpack#3679",
        bias(lambda dy, db: dy.mean(axis=0)), lambda look: any_bias(look, lambda db, dy: db / len(dy))),
    "bias-summed-over-units": Fault(
        "bias", "all biases of a layer get one number, the sum over the units too (exactly 0 after a softmax)",
        "db = delta.sum()", "db = delta.sum(axis=0)",
        "rasbt/stat453-deep-learning-ss21#5, and every copy of db = 1/m * np.sum(dZ)",
        bias(lambda dy, db: np.full_like(db, dy.sum())), lambda look: any_bias(look, lambda db, dy: np.full_like(db, dy.sum()))),
}
