"""The matrix product x w of (rows, n) and (n, m), and where a bias is added."""

import functools
import itertools
import math
import operator

import numpy as np

SMALL = 3000  # multiplications; more than that, in plain Python, take too long


def _outer(x, w):
    total = np.zeros((x.shape[0], w.shape[1]), x.dtype)
    for k in range(x.shape[1]):
        total += np.outer(x[:, k], w[k])
    return total


def _outer_backwards(x, w):
    total = np.outer(x[:, -1], w[-1])
    for k in reversed(range(x.shape[1] - 1)):
        total = total + np.outer(x[:, k], w[k])
    return total


def _numbers(x, w):
    """Three loops over NumPy's own numbers, in the arrays' dtype."""
    result = np.zeros((x.shape[0], w.shape[1]), x.dtype)
    for i in range(x.shape[0]):
        for j in range(w.shape[1]):
            total = x.dtype.type(0)
            for k in range(x.shape[1]):
                total += x[i, k] * w[k, j]
            result[i, j] = total
    return result


def _floats(x, w):
    columns = list(zip(*w.tolist(), strict=True))
    rows = [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in x.tolist()]
    return np.array(rows, x.dtype).reshape(x.shape[0], w.shape[1])


def _fsum(x, w):
    columns = list(zip(*w.tolist(), strict=True))
    return np.array([[math.fsum(map(operator.mul, row, column)) for column in columns] for row in x.tolist()], x.dtype)


def _reduced(x, w):
    columns = w.T.tolist()
    return np.array([[functools.reduce(lambda s, ab: s + ab[0] * ab[1], zip(row, column, strict=True), 0.0)
                      for column in columns] for row in x.tolist()], x.dtype)


def _starmap(x, w):
    return np.array([[sum(itertools.starmap(operator.mul, zip(row, column, strict=True))) for column in w.T]
                     for row in x], x.dtype).reshape(x.shape[0], w.shape[1])


def _halves(x, w):
    h = x.shape[1] // 2
    return x[:, :h] @ w[:h] + x[:, h:] @ w[h:]


def _blocks(x, w):
    parts = [x[:, k:k + 3] @ w[k:k + 3] for k in range(0, x.shape[1], 3)]
    return np.add.reduce(parts)


def _shuffled(x, w):
    order = np.random.default_rng(x.shape[1]).permutation(x.shape[1])
    return x[:, order] @ w[order]


def _padded(x, w):
    n = -x.shape[1] % 4
    return np.pad(x, ((0, 0), (0, n))) @ np.pad(w, ((0, n), (0, 0)))


def _wide(x, w):
    return (x.astype(np.float64) @ w.astype(np.float64)).astype(x.dtype)


def _longdouble(x, w):
    return (x.astype(np.longdouble) @ w.astype(np.longdouble)).astype(x.dtype)


def _one_by_one(x, w):
    return np.concatenate([x[i:i + 1] @ w for i in range(x.shape[0])])


PLAIN_PYTHON = {"numbers", "floats", "fsum", "reduced", "starmap", "objects", "vdot"}
FORMULAS = {
    "matmul": lambda x, w: x @ w,
    "np.matmul": np.matmul,
    "dot": np.dot,
    "method dot": lambda x, w: x.dot(w),
    "einsum": lambda x, w: np.einsum("ij,jk->ik", x, w),
    "einsum, operands turned": lambda x, w: np.einsum("jk,ij->ik", w, x),
    "einsum, optimized": lambda x, w: np.einsum("ij,jk", x, w, optimize=True),
    "tensordot": lambda x, w: np.tensordot(x, w, axes=1),
    "tensordot of axes": lambda x, w: np.tensordot(w, x, axes=([0], [1])).T,
    "inner": lambda x, w: np.inner(x, w.T),
    "columns": lambda x, w: (w.T @ x.T).T,
    "columns, copied": lambda x, w: np.ascontiguousarray(np.dot(np.ascontiguousarray(w.T), x.T).T),
    "broadcast": lambda x, w: (x[:, :, None] * w[None]).sum(axis=1),
    "broadcast, last axis": lambda x, w: np.add.reduce(np.multiply(x[:, None, :], w.T), axis=-1),
    "cumsum": lambda x, w: np.cumsum(x[:, :, None] * w, axis=1)[:, -1],
    "outer": _outer, "outer, backwards": _outer_backwards,
    "rows": lambda x, w: np.array([row @ w for row in x]),
    "row by column": lambda x, w: np.stack([x @ column for column in w.T], axis=1),
    "apply_along_axis": lambda x, w: np.apply_along_axis(lambda row: row @ w, 1, x),
    "vdot": lambda x, w: np.array([[np.vdot(row, column) for column in w.T] for row in x]),
    "numbers": _numbers, "floats": _floats, "fsum": _fsum, "reduced": _reduced, "starmap": _starmap,
    "objects": lambda x, w: (x.astype(object) @ w.astype(object)).astype(x.dtype),
    "halves": _halves, "blocks": _blocks, "backwards": lambda x, w: x[:, ::-1] @ w[::-1], "shuffled": _shuffled,
    "padded": _padded, "in float64": _wide, "in long double": _longdouble, "one example at a time": _one_by_one,
    "batched": lambda x, w: (x[:, None, :] @ w)[:, 0],
    "matvec": lambda x, w: np.squeeze(w.T[None] @ x[:, :, None], -1),
    "negated twice": lambda x, w: -((-x) @ w),
}


def _strided(a):
    wide = np.zeros((a.shape[0], 2 * a.shape[1]), a.dtype)
    wide[:, ::2] = a
    return wide[:, ::2]


LAYOUTS = {
    "as they are": lambda x, w: (x, w),
    "x Fortran": lambda x, w: (np.asfortranarray(x), w),
    "w Fortran": lambda x, w: (x, np.asfortranarray(w)),
    "both Fortran": lambda x, w: (np.asfortranarray(x), np.asfortranarray(w)),
    "x strided": lambda x, w: (_strided(x), w),
    "w strided": lambda x, w: (x, _strided(w)),
    "x turned twice": lambda x, w: (np.ascontiguousarray(x[::-1])[::-1], w),
}


def product(formula, layout, x, w):
    """x w in one style; forms in plain Python only where the arrays are small."""
    if formula in PLAIN_PYTHON and x.size * w.shape[1] > SMALL:
        formula = "outer"
    return FORMULAS[formula](*LAYOUTS[layout](x, w))


def _in_place(y, b):
    y = np.array(y)
    y += b
    return y


BIAS = {
    "y + b": lambda y, b: y + b,
    "b + y": lambda y, b: b + y,
    "np.add": np.add,
    "in place": _in_place,
    "tiled": lambda y, b: y + np.tile(b, (y.shape[0], 1)),
    "row by row": lambda y, b: np.array([row + b for row in y]),
    "ones times b": lambda y, b: y + np.ones((y.shape[0], 1), y.dtype) @ b[None],
    "y - (-b)": lambda y, b: y - (-b),
}


def augmented(formula, layout, x, w, b):
    """[x 1] [w; b]: the bias as one more row of the weight."""
    return product(formula, layout, np.hstack([x, np.ones((x.shape[0], 1), x.dtype)]), np.vstack([w, b[None]]))
