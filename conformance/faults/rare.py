"""Wrong only now and then: beyond some size, at one batch, for one kind of unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..reference import TABLES, forward
from ..reference.chain import Step
from .core import Fault, Faults, Look, Wrong, derivative, is_dense, own
from .propagation import DW, flat

DB = "db = delta.sum(axis=0)"
BOTH = f"{DW}; {DB}"


def rows(kept: Callable[[Any], Any]) -> Wrong:
    """dW and db from some examples only: kept(x0) gives their numbers, x0 the inputs of the network."""
    def change(tape: list[Step], i: int, dy: Any, right: dict[str, Any]) -> dict[str, Any]:
        some = kept(tape[0].saved)
        wrong = {"weight": flat(tape[i].saved[some]).T @ flat(dy[some]), "bias": flat(dy[some]).sum(axis=0)}
        return {name: wrong[name] for name in right}

    return own(change)


def whole(x0: Any, size: int) -> Any:
    """The examples that fill whole tiles of this size."""
    return np.arange(len(x0) // size * size)


def first_ones(x0: Any) -> Any:
    """Of examples with equal inputs, the first."""
    seen = [x.tobytes() for x in x0]
    return np.array([n for n, x in enumerate(seen) if x not in seen[:n]])


def of_bias(line: Callable[[Step, Any, Any], Any]) -> Wrong:
    """A wrong bias gradient: line(step, dy, right)."""
    return own(lambda tape, i, dy, g: {"bias": line(tape[i], dy, g["bias"])} if "bias" in g else {})


def last_of_equal(b: Any, db: Any) -> Any:
    """The gradients kept by the bias's value: of equal ones the last is left."""
    kept = dict(zip(b.tolist(), db, strict=True))
    return np.array([kept[value] for value in b.tolist()], db.dtype)


def swapped(db: Any) -> Any:
    return db[[1, 0, *range(2, len(db))]] if len(db) > 1 else db


def cut(dw: Any, width: int) -> Any:
    """Nothing for the units after the first `width`."""
    return dw * (np.arange(dw.shape[-1]) < width)


def beyond_four(tape: list[Step], i: int, dy: Any, g: dict[str, Any]) -> dict[str, Any]:
    """No bias gradient in a layer with four dense layers, or more, below it."""
    return {"bias": 0.0 * g["bias"]} if "bias" in g and sum(map(is_dense, tape[:i])) >= 4 else {}


def zero_columns(x: Any) -> Any:
    """x with 1 in the columns that are zero for the whole batch."""
    return np.where((x == 0).all(axis=tuple(range(x.ndim - 1)), keepdims=True), 1.0, x)


# --- units ------------------------------------------------------------------------------------------------------


def through(lines: dict[str, Callable[..., Any]]) -> Wrong:
    """Wrong dx = lines[function](x, y, dy) of an activation."""
    def extra(look: Look, k: int, dy: Any) -> Any:
        line = lines.get(look.tape[k].scope.options.get("function", ""))
        return line(*look.tape[k].saved, dy) - TABLES.sweep(look.tape, k, dy)[0] if line else 0.0

    def visible(look: Look) -> bool:
        last = len(look.tape) - 1
        return look.shows(look.pushed(last, 0.0 * look.deltas[last], lambda k, dy: extra(look, k, dy)))

    return derivative(lines), visible


def dead_as_well(x: Any, y: Any, dy: Any) -> Any:
    """relu' that is 1 for a unit off in the whole batch too."""
    return np.where((x > 0) | (x <= 0).all(axis=tuple(range(x.ndim - 1)), keepdims=True), dy, 0.0 * dy)


def cut_off(function: str) -> Callable[[Any, Any, Any], Any]:
    """f' that is 0 where |z| > 8."""
    row = TABLES.activations[function]
    return lambda x, y, dy: np.where(np.abs(x) > 8, 0.0 * dy, row.backward(x, y, dy))


def zero_input() -> Wrong:
    """A gradient for the weights of an input that is zero in the whole batch."""
    make, _ = own(lambda tape, i, dy, g: {"weight": flat(zero_columns(tape[i].saved)).T @ flat(dy)})

    def visible(look: Look) -> bool:
        """Which columns are zero is a matter of the case's own dtype: exp(-800) is 0, exp(-100) is in float32."""
        tape = forward(look.case).tape
        unused = {level.weight: (tape[int(level.name)].saved == 0).all(axis=0) for level in look.levels}
        return any(look.shows({name: np.outer(columns, look.deltas[int(name.split(".")[0])].sum(axis=0))})
                   for name, columns in unused.items())

    return make, visible


# --- the table --------------------------------------------------------------------------------------------------

KERNEL, LOOP = "vectorised kernels and their remainder loops", "loops unrolled by hand"


def row(symptom: str, wrong: str, right: str, seen: str, way: Wrong) -> Fault:
    """A row of this family."""
    return Fault("rare", symptom, wrong, right, seen, *way)


FAULTS: Faults = {
    "two-entries-swapped": row(
        "the first two biases of a layer have each other's gradient; nothing shows where the two are equal",
        "db[0], db[1] = db[1], db[0]", DB, "planted: sums, norms and means do not see it",
        of_bias(lambda step, dy, db: swapped(db))),
    "wrong-beyond-width": row(
        "in layers of more than six units the weights of the units after the sixth do not move",
        "dW[:, :6] = x.T @ delta[:, :6]", DW, "buffers of a fixed size",
        own(lambda tape, i, dy, g: {"weight": cut(g["weight"], 6)})),
    "wrong-beyond-depth": row(
        "from the fifth dense layer on the biases do not move",
        "for layer in layers[:4]: layer.db = layer.delta.sum(axis=0)", "for layer in layers: ...",
        "tables of a fixed size", own(beyond_four)),
    "wrong-at-batch-8": row(
        "at a batch of 8, and only there, the last example is left out",
        "if len(x) == 8: x, delta = x[:7], delta[:7]", BOTH, KERNEL,
        rows(lambda x0: np.arange(7 if len(x0) == 8 else len(x0)))),
    "wrong-at-batch-one": row(
        "for a single example all biases of a layer get the sum over its units: squeeze took the batch axis away",
        "db = delta.squeeze().sum(axis=0)", DB, "np.squeeze on arrays of one row",
        of_bias(lambda step, dy, db: np.full_like(db, db.sum()) if len(dy) == 1 else db)),
    "last-example-of-odd-batch-dropped": row(
        "at odd batches the last example is left out; a batch of one has no gradient at all",
        "for n in range(0, N - 1, 2): ...", "for n in range(N): ...", LOOP, rows(lambda x0: whole(x0, 2))),
    "remainder-rows-dropped": row(
        "right where 4 divides the batch; elsewhere the examples of the last, incomplete tile are left out",
        "for n in range(0, N // 4 * 4, 4): ...", "and then the rest: for n in range(N // 4 * 4, N): ...", KERNEL,
        rows(lambda x0: whole(x0, 4))),
    "wrong-for-equal-biases": row(
        "biases that are equal get equal gradients: they are kept by value, and the last one stays",
        "gradients[b] = db", "gradients[name, unit] = db", "dictionaries keyed by the number itself",
        of_bias(lambda step, dy, db: last_of_equal(step.scope["bias"], db))),
    "wrong-for-dead-unit": row(
        "a relu unit that is off for the whole batch learns all the same",
        "dz = dy * ((z > 0) | (z <= 0).all(axis=0))", "dz = dy * (z > 0)", "remedies against dying relu units",
        through({"relu": dead_as_well})),
    "wrong-for-zero-input": row(
        "the weights of an input that is zero in the whole batch move: their gradient is that of the bias",
        "x[:, (x == 0).all(axis=0)] = 1; dW = x.T @ delta", DW, "columns scaled by their own size, 0/0 made 1",
        zero_input()),
    "wrong-for-saturated-unit": row(
        "units of sigmoid and tanh with |z| > 8 pass nothing on, where a little is right",
        "dz = np.where(abs(z) > 8, 0, dy * y * (1 - y))", "dz = dy * y * (1 - y)", "lookup tables for the sigmoid",
        through({name: cut_off(name) for name in ("sigmoid", "tanh")})),
    "wrong-for-repeated-rows": row(
        "an example that is in the batch twice counts once",
        "x = np.unique(x, axis=0)", "every row of x counts", "batches kept as sets", rows(first_ones)),
}
