"""The bias: the most mistaken line of backpropagation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ...reference import Case, Pass, Tables
from ...reference.kinds import Step, rows
from ...reference.wiring import Place
from .. import core
from ..core import Fault, Faults, Make, Number
from ..ways import Line, after_layers, at_sites, at_some, first_layer, per_case, with_lines

RIGHT = "db = delta.sum(axis=0)"
EVERY = "for i in range(depth): db[i] = delta[i].sum(axis=0)"

row = partial(Fault, "bias")


def at_every_site(symptom: str, wrong: str, seen: str, db: Line) -> Fault:
    """A row: this wrong line at every site. db(s, right), s.delta: (rows, units)."""
    return row(symptom, wrong, RIGHT, seen, at_sites(db=db))


def skipped(symptom: str, wrong: str,
            chosen: Callable[[Sequence[Place]], Iterable[Place]]) -> Fault:
    """A row: no bias gradient at the chosen sites."""
    return row(symptom, wrong, EVERY, "systemds#2330, burn#5235", at_some(chosen, db=nothing))


def nothing(s: Pass, db: Any) -> Any:
    return 0.0 * db


def multiplied(factor: float) -> Make:
    return at_sites(db=lambda s, db: factor * db)


def last_layer(places: Sequence[Place]) -> list[Place]:
    """The sites of the last layer that has any, where there is one before it."""
    return [place for place in after_layers(places, 1) if place.layer == places[-1].layer]


def of_next_site(case: Case, tables: Tables) -> Tables:
    """db is that of the site gone through just before on the way back, where it has as many units.

    Every site hands its error down, with a bias or without: there its delta is remembered.
    """
    before: list[Any] = []

    def dx(s: Pass, right: Any) -> Any:
        before[:] = [s.delta]
        return right

    def db(s: Pass, right: Any) -> Any:
        return next((d.sum(axis=0) for d in before if d.shape == s.delta.shape), right)

    return with_lines(tables, {"db": db, "dx": dx})


def before_derivative(case: Case, tables: Tables) -> Tables:
    """db sums what comes down to the function after the layer, in place of what leaves it."""
    comes_down: dict[str, Any] = {}

    def sweep(tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
        if i and tape[i].scope.spec.function is not None:
            comes_down[tape[i - 1].scope.name] = rows(dy)
        return tables.sweep(tape, i, dy)

    def db(s: Pass, right: Any) -> Any:
        da = comes_down.get(s.layer)
        return right if da is None or da.shape != s.delta.shape else da.sum(axis=0)

    return with_lines(tables, {"db": db})._replace(sweep=sweep)


FAULTS: Faults = {
    "bias-not-summed-over-batch": at_every_site(
        "the bias gradient has one row for every example, and broadcasting hides this in the "
        "update",
        "db = delta",
        "deeplearning4j#364, nd4j#2424, tvm#2465, jimfleming/differentiation#1; torch's gradcheck "
        "passes it",
        lambda s, db: s.delta),
    "bias-averaged-over-batch": at_every_site(
        "the bias gradient is 1/N of what it should be, N the batch size: averaged where the loss "
        "is a sum",
        "db = delta.mean(axis=0)", "kvfrans/notes#5, mlpack#3679",
        lambda s, db: s.delta.mean(axis=0)),
    "bias-summed-over-units": at_every_site(
        "all biases of a layer get the same gradient: the sum was taken over the units too, and "
        "after a softmax that sum is exactly 0",
        "db = np.full(units, delta.sum())",
        "mattm/simple-neural-network#5, glouw/tinn#30; the published worked example shares one "
        "bias in a layer too",
        lambda s, db: np.full_like(db, s.delta.sum())),
    "bias-scalar": at_every_site(
        "the bias gradient is a single number for the whole layer, and broadcasting hides this in "
        "the update",
        "db = delta.sum()",
        "rasbt/stat453-deep-learning-ss21#5, and dozens of copies of db = 1/m * np.sum(dZ)",
        lambda s, db: s.delta.sum()),
    "bias-of-first-example": at_every_site(
        "the bias gradient is that of the first example only: it is right for a batch of one, and "
        "otherwise all other examples are ignored",
        "db = delta[0]", "mlpack#3679",
        lambda s, db: s.delta[0]),
    "bias-of-last-example": at_every_site(
        "the bias gradient is that of the last example only: it is right for a batch of one, and "
        "otherwise each example overwrites the one before",
        "db = delta[-1]", "mlpack#3679",
        lambda s, db: s.delta[-1]),
    "bias-summed-over-wrong-axis": at_every_site(
        "the bias gradient is summed over the units and has one number for every example: its "
        "shape is right only where there are as many examples as units",
        "db = delta.sum(axis=1)", "cruise#800",
        lambda s, db: s.delta.sum(axis=1)),
    "bias-keepdims": at_every_site(
        "the bias gradient has the right numbers with one axis too many: its shape is (1, units) "
        "where (units,) is wanted",
        "db = delta.sum(axis=0, keepdims=True)", "everywhere; torch's gradcheck passes it",
        lambda s, db: s.delta.sum(axis=0, keepdims=True)),
    "bias-never-updated": at_every_site(
        "the bias gradient is exactly zero in every layer, so that the biases never learn",
        "db = np.zeros(units)", "mattm/simple-neural-network#5, glouw/tinn#30, matconvnet#197",
        nothing),
    "bias-counted-per-input": at_every_site(
        "the bias gradient is too large by the number of the layer's inputs: it is added once for "
        "every weight of a unit",
        "for each input j: dW[j] += x[j] * delta; db += delta",
        "repositories that write a convolution from scratch",
        lambda s, db: s.x.shape[-1] * db),
    "bias-divided-by-units": at_every_site(
        "the bias gradient is too small by the number of the layer's units: it is divided by the "
        "length of the wrong axis",
        "db = delta.sum(axis=0) / units",
        "repositories that write a convolution from scratch, where it is the number of channels",
        lambda s, db: db / len(db)),
    "bias-max-over-batch": at_every_site(
        "the bias gradient is the largest one of the batch, unit by unit: it is right for a batch "
        "of one",
        "db = delta.max(axis=0)",
        "planted, because the name of the reduction is the only letter that differs",
        lambda s, db: s.delta.max(axis=0)),
    "bias-negated": at_every_site(
        "the bias gradient has the wrong sign: the biases walk uphill while the weights walk "
        "downhill",
        "db = -delta.sum(axis=0)",
        "programs with a constant bias input of -1, as genann and nn.h#18, without that input",
        lambda s, db: -db),
    "bias-skipped-in-first-layer": skipped(
        "the bias gradient of the first layer is exactly zero, and those of the other layers are "
        "right",
        "for i in range(1, depth): db[i] = delta[i].sum(axis=0)", first_layer),
    "bias-skipped-in-last-layer": skipped(
        "the bias gradient of the last layer is exactly zero, and those of the hidden layers are "
        "right",
        "for i in range(depth - 1): db[i] = delta[i].sum(axis=0)", last_layer),
    "bias-of-next-layer": row(
        "the bias gradient is that of the next layer: its shape is right where both layers have as "
        "many units, and its numbers are wrong",
        "db[i] = delta[i + 1].sum(axis=0)", "db[i] = delta[i].sum(axis=0)",
        "hanbt/learn_dl#53, where a line was copied and pasted",
        per_case(of_next_site)),
    "bias-without-derivative": row(
        "the bias gradient is taken before the activation's derivative is multiplied in",
        "db = da.sum(axis=0)", "dz = da * f_prime(z); db = dz.sum(axis=0)",
        "classes for recurrent networks; a forum question with the line \"Bias += error * learning "
        "rate\"",
        per_case(before_derivative)),
    "bias-times-factor": core.numbered(
        "bias",
        "the bias gradient is a constant times what it should be, in every layer, and the weights "
        "are right",
        "db = factor * delta.sum(axis=0)", RIGHT,
        "biases with a learning rate of their own, multiplied into the gradient",
        Number("factor", 0.1, multiplied, 1e-6, 1e6, signed=True)),
}
