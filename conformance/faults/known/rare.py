"""Wrong only now and then: beyond some size, at one batch, for one kind of unit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ...reference import ACTIVATIONS, Case, Pass
from ...reference.kinds import Array
from ..core import Fault, Faults, Make
from ..ways import after_layers, at_sites, at_some, derivative, passing

row = partial(Fault, "rare")


# --- examples left out --------------------------------------------------------------------------


def of_examples(counts: Callable[[Array], Array]) -> Make:
    """dW and db from some examples only, with all their time steps.

    counts(x0) says for each of the network's inputs, x0: (batch, ...), whether it counts.
    """

    def kept(case: Case, s: Pass) -> Pass:
        each = np.repeat(counts(case.inputs), len(s.x) // case.batch)
        return s._replace(x=s.x[each], delta=s.delta[each]) if len(each) == len(s.x) else s

    return passing(kept, "dW", "db")


def whole_tiles(size: int) -> Callable[[Array], Array]:
    """The examples that fill whole tiles of this size."""
    return lambda x0: np.arange(len(x0)) < len(x0) // size * size


def all_but_last_of_eight(x0: Array) -> Array:
    return np.arange(len(x0)) < (7 if len(x0) == 8 else len(x0))


def first_of_equal(x0: Array) -> Array:
    """Of examples with equal inputs, the first."""
    seen = [x.tobytes() for x in x0]
    return np.array([x not in seen[:n] for n, x in enumerate(seen)])


# --- biases and weights -------------------------------------------------------------------------


def swapped(db: Array) -> Array:
    return db[[1, 0, *range(2, len(db))]] if len(db) > 1 else db


def last_of_equal(b: Array, db: Array) -> Array:
    """The gradients kept by the bias's value: of equal ones the last is left."""
    kept = dict(zip(b.tolist(), db, strict=True))
    return np.array([kept[value] for value in b.tolist()], db.dtype)


def squeezed(s: Pass, db: Array) -> Array:
    """The sum over the units where there is a single row."""
    return np.full_like(db, db.sum()) if len(s.delta) == 1 else db


def cut_off_after(width: int, dW: Array) -> Array:
    """Nothing for the units after the first `width`."""
    return dW * (np.arange(dW.shape[-1]) < width)


def ones_for_zero_columns(x: Array) -> Array:
    """x with 1 in the columns that are zero in every row."""
    return np.where((x == 0).all(axis=0), 1.0, x)


# --- units --------------------------------------------------------------------------------------


def dead_as_well(x: Array, y: Array, dy: Array) -> Array:
    """relu' that is 1 for a unit off in the whole batch too."""
    dead = (x <= 0).all(axis=tuple(range(x.ndim - 1)), keepdims=True)
    return np.where((x > 0) | dead, dy, 0.0 * dy)


def zero_beyond(limit: float, function: str) -> Callable[[Array, Array, Array], Array]:
    """The derivative of a function, but 0 where |z| > limit."""
    right = ACTIVATIONS[function].backward
    return lambda x, y, dy: np.where(np.abs(x) > limit, 0.0 * dy, right(x, y, dy))


# --- the table ----------------------------------------------------------------------------------

DW, DB = "dW = x.T @ delta", "db = delta.sum(axis=0)"
BOTH = f"{DW}; {DB}"
KERNEL, LOOP = "vectorised kernels and their remainder loops", "loops unrolled by hand"

FAULTS: Faults = {
    "two-entries-swapped": row(
        "the first two biases of a layer have each other's gradient, and nothing shows where the "
        "two are equal",
        "db[0], db[1] = db[1], db[0]", DB,
        "planted, because sums, norms and means do not see it",
        at_sites(db=lambda s, db: swapped(db))),
    "wrong-beyond-width": row(
        "in layers of more than six units the weights of the units after the sixth do not move",
        "dW[:, :6] = x.T @ delta[:, :6]", DW, "buffers of a fixed size",
        at_sites(dW=lambda s, dW: cut_off_after(6, dW))),
    "wrong-beyond-depth": row(
        "from the fifth layer with weights on, the biases do not move",
        "for layer in layers[:4]: layer.db = layer.delta.sum(axis=0)", "for layer in layers: ...",
        "tables of a fixed size",
        at_some(lambda places: after_layers(places, 4), db=lambda s, db: 0.0 * db)),
    "wrong-at-batch-8": row(
        "in a batch of 8, and only there, the last example is left out",
        "if len(x) == 8: x, delta = x[:7], delta[:7]", BOTH, KERNEL,
        of_examples(all_but_last_of_eight)),
    "wrong-at-batch-one": row(
        "for a single example all biases of a layer get the sum over its units, because squeeze "
        "took the batch axis away",
        "db = delta.squeeze().sum(axis=0)", DB, "np.squeeze on arrays of one row",
        at_sites(db=squeezed)),
    "last-example-of-odd-batch-dropped": row(
        "in odd batches the last example is left out, so that a batch of one has no gradient at "
        "all",
        "for n in range(0, N - 1, 2): ...", "for n in range(N): ...", LOOP,
        of_examples(whole_tiles(2))),
    "remainder-rows-dropped": row(
        "the gradients are right where 4 divides the batch, and elsewhere the examples of the "
        "last, incomplete tile are left out",
        "for n in range(0, N // 4 * 4, 4): ...",
        "and then the rest: for n in range(N // 4 * 4, N): ...", KERNEL,
        of_examples(whole_tiles(4))),
    "wrong-for-equal-biases": row(
        "biases that are equal get equal gradients, because they are kept by their value and the "
        "last one stays",
        "gradients[b] = db", "gradients[name, unit] = db",
        "dictionaries whose keys are the numbers themselves",
        at_sites(db=lambda s, db: last_of_equal(s.b, db))),
    "wrong-for-dead-unit": row(
        "a relu unit that is off for the whole batch learns all the same",
        "dz = dy * ((z > 0) | (z <= 0).all(axis=0))", "dz = dy * (z > 0)",
        "remedies against dying relu units",
        derivative({"relu": dead_as_well})),
    "wrong-for-zero-input": row(
        "the weights of an input that is zero in the whole batch move, because their gradient is "
        "that of the bias",
        "x[:, (x == 0).all(axis=0)] = 1; dW = x.T @ delta", DW,
        "columns divided by their own size, where 0/0 is made 1",
        passing(lambda case, s: s._replace(x=ones_for_zero_columns(s.x)), "dW")),
    "wrong-for-saturated-unit": row(
        "units of sigmoid and tanh with |z| > 8 hand nothing down, where a little is right",
        "dz = np.where(abs(z) > 8, 0, dy * y * (1 - y))", "dz = dy * y * (1 - y)",
        "lookup tables for the sigmoid",
        derivative({name: zero_beyond(8.0, name) for name in ("sigmoid", "tanh")})),
    "wrong-for-repeated-rows": row(
        "an example that is in the batch twice counts once",
        "x = np.unique(x, axis=0)", "every row of x counts", "batches kept as sets",
        of_examples(first_of_equal)),
}
