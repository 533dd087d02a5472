"""Wrong only now and then: beyond some size, at one batch, for one kind of unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..reference import TABLES, Pass
from ..reference.kinds import rows
from .core import Fault, Faults, Make, Way, at_sites, derivative
from .propagation import DW

DB = "db = delta.sum(axis=0)"
BOTH = f"{DW}; {DB}"


def of_examples(kept: Callable[[Any], Any]) -> Make:
    """dW and db from some examples only: kept(x0) gives their numbers, x0 the network's inputs."""
    def chosen(s: Pass, way: Way) -> tuple[Any, Any]:
        x0 = way.case.inputs
        each = [a.reshape(len(x0), -1, a.shape[-1])[kept(x0)] for a in (s.x, s.delta)]
        return rows(each[0]), rows(each[1])

    def weight(s: Pass, right: Any, way: Way) -> Any:
        x, delta = chosen(s, way)
        return x.T @ delta

    return at_sites(dW=weight, db=lambda s, db, way: chosen(s, way)[1].sum(axis=0))


def whole(x0: Any, size: int) -> Any:
    """The examples that fill whole tiles of this size."""
    return np.arange(len(x0) // size * size)


def first_ones(x0: Any) -> Any:
    """Of examples with equal inputs, the first."""
    seen = [x.tobytes() for x in x0]
    return np.array([n for n, x in enumerate(seen) if x not in seen[:n]])


def last_of_equal(b: Any, db: Any) -> Any:
    """The gradients kept by the bias's value: of equal ones the last is left."""
    kept = dict(zip(b.tolist(), db, strict=True))
    return np.array([kept[value] for value in b.tolist()], db.dtype)


def swapped(db: Any) -> Any:
    return db[[1, 0, *range(2, len(db))]] if len(db) > 1 else db


def zero_columns(x: Any) -> Any:
    """x with 1 in the columns that are zero in every row."""
    return np.where((x == 0).all(axis=0, keepdims=True), 1.0, x).astype(x.dtype)


def dead_as_well(x: Any, y: Any, dy: Any) -> Any:
    """relu' that is 1 for a unit off in the whole batch too."""
    dead = (x <= 0).all(axis=tuple(range(x.ndim - 1)), keepdims=True)
    return np.where((x > 0) | dead, dy, 0.0 * dy)


def cut_off(function: str) -> Callable[[Any, Any, Any], Any]:
    """f' that is 0 where |z| > 8."""
    row = TABLES.activations[function]
    return lambda x, y, dy: np.where(np.abs(x) > 8, 0.0 * dy, row.backward(x, y, dy))


# --- the table -------------------------------------------------------------------------------------

KERNEL, LOOP = "vectorised kernels and their remainder loops", "loops unrolled by hand"


def row(symptom: str, wrong: str, right: str, seen: str, make: Make) -> Fault:
    """A row of this family."""
    return Fault("rare", symptom, wrong, right, seen, make)


FAULTS: Faults = {
    "two-entries-swapped": row(
        "the first two biases of a layer have each other's gradient; nothing shows where the two are equal",
        "db[0], db[1] = db[1], db[0]", DB, "planted: sums, norms and means do not see it",
        at_sites(db=lambda s, db, way: swapped(db))),
    "wrong-beyond-width": row(
        "in layers of more than six units the weights of the units after the sixth do not move",
        "dW[:, :6] = x.T @ delta[:, :6]", DW, "buffers of a fixed size",
        at_sites(dW=lambda s, dW, way: dW * (np.arange(dW.shape[-1]) < 6))),
    "wrong-beyond-depth": row(
        "from the fifth dense layer on the biases do not move",
        "for layer in layers[:4]: layer.db = layer.delta.sum(axis=0)", "for layer in layers: ...",
        "tables of a fixed size", at_sites(db=lambda s, db, way: 0.0 * db if way.position(s) >= 4 else db)),
    "wrong-at-batch-8": row(
        "at a batch of 8, and only there, the last example is left out",
        "if len(x) == 8: x, delta = x[:7], delta[:7]", BOTH, KERNEL,
        of_examples(lambda x0: np.arange(7 if len(x0) == 8 else len(x0)))),
    "wrong-at-batch-one": row(
        "for a single example all biases of a layer get the sum over its units: squeeze took the batch axis away",
        "db = delta.squeeze().sum(axis=0)", DB, "np.squeeze on arrays of one row",
        at_sites(db=lambda s, db, way: np.full_like(db, db.sum()) if way.case.batch == 1 else db)),
    "last-example-of-odd-batch-dropped": row(
        "at odd batches the last example is left out; a batch of one has no gradient at all",
        "for n in range(0, N - 1, 2): ...", "for n in range(N): ...", LOOP, of_examples(lambda x0: whole(x0, 2))),
    "remainder-rows-dropped": row(
        "right where 4 divides the batch; elsewhere the examples of the last, incomplete tile are left out",
        "for n in range(0, N // 4 * 4, 4): ...", "and then the rest: for n in range(N // 4 * 4, N): ...", KERNEL,
        of_examples(lambda x0: whole(x0, 4))),
    "wrong-for-equal-biases": row(
        "biases that are equal get equal gradients: they are kept by value, and the last one stays",
        "gradients[b] = db", "gradients[name, unit] = db", "dictionaries keyed by the number itself",
        at_sites(db=lambda s, db, way: last_of_equal(s.b, db))),
    "wrong-for-dead-unit": row(
        "a relu unit that is off for the whole batch learns all the same",
        "dz = dy * ((z > 0) | (z <= 0).all(axis=0))", "dz = dy * (z > 0)", "remedies against dying relu units",
        derivative({"relu": dead_as_well})),
    "wrong-for-zero-input": row(
        "the weights of an input that is zero in the whole batch move: their gradient is that of the bias",
        "x[:, (x == 0).all(axis=0)] = 1; dW = x.T @ delta", DW, "columns scaled by their own size, 0/0 made 1",
        at_sites(dW=lambda s, dW, way: zero_columns(s.x).T @ s.delta)),
    "wrong-for-saturated-unit": row(
        "units of sigmoid and tanh with |z| > 8 pass nothing on, where a little is right",
        "dz = np.where(abs(z) > 8, 0, dy * y * (1 - y))", "dz = dy * y * (1 - y)", "lookup tables for the sigmoid",
        derivative({name: cut_off(name) for name in ("sigmoid", "tanh")})),
    "wrong-for-repeated-rows": row(
        "an example that is in the batch twice counts once",
        "x = np.unique(x, axis=0)", "every row of x counts", "batches kept as sets", of_examples(first_ones)),
}
