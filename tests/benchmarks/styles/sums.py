"""The sum over the rows of (rows, m): the gradient of a bias, and the loss of a batch."""

import functools
import itertools
import math
import statistics

import numpy as np


def _loop(a):
    total = np.zeros(a.shape[1], a.dtype)
    for row in a:
        total += row
    return total


def _pairwise(a):
    if len(a) <= 2:
        return a[0] if len(a) == 1 else a[0] + a[1]
    h = len(a) // 2
    return _pairwise(a[:h]) + _pairwise(a[h:])


def _running_mean(a):
    mean = np.zeros(a.shape[1], a.dtype)
    for k, row in enumerate(a):
        mean = mean + (row - mean) / (k + 1)
    return mean * len(a)


def _compensated(a):
    total, carry = np.zeros(a.shape[1], a.dtype), np.zeros(a.shape[1], a.dtype)
    for row in a:
        y = row - carry
        t = total + y
        carry = (t - total) - y
        total = t
    return total


def _numbers(a):
    result = []
    for column in a.T:
        total = a.dtype.type(0)
        for number in column:
            total = total + number
        result.append(total)
    return np.array(result)


def _batches(a, size=4):
    total = 0.0
    for start in range(0, len(a), size):
        total = total + a[start:start + size].sum(axis=0)
    return total


def _added_at(a):
    total = np.zeros(a.shape[1], a.dtype)
    np.add.at(total, np.tile(np.arange(a.shape[1]), len(a)), a.ravel())
    return total


def _ones(a):
    return np.ones(len(a), a.dtype)


WAYS = {
    "np.sum": lambda a: np.sum(a, axis=0),
    "method": lambda a: a.sum(0),
    "add.reduce": np.add.reduce,
    "keepdims, squeezed": lambda a: a.sum(axis=0, keepdims=True)[0],
    "transposed": lambda a: np.sum(np.ascontiguousarray(a.T), axis=1),
    "Fortran": lambda a: np.asfortranarray(a).sum(axis=0),
    "ones @ a": lambda a: _ones(a) @ a,
    "a.T @ ones": lambda a: np.dot(a.T, _ones(a)),
    "einsum": lambda a: np.einsum("ij->j", a),
    "einsum with ones": lambda a: np.einsum("i,ij->j", _ones(a), a),
    "cumsum": lambda a: np.cumsum(a, axis=0)[-1],
    "accumulate": lambda a: np.add.accumulate(a)[-1],
    "reduceat": lambda a: np.add.reduceat(a, [0])[0],
    "loop": _loop,
    "built-in sum": lambda a: sum(a) + np.zeros(a.shape[1], a.dtype),
    "sum with a start": lambda a: sum(list(a), start=np.zeros(a.shape[1], a.dtype)),
    "reduce": lambda a: functools.reduce(np.add, a),
    "itertools": lambda a: list(itertools.accumulate(a))[-1],
    "fsum": lambda a: np.array([math.fsum(column) for column in a.T.tolist()], a.dtype),
    "floats": lambda a: np.array([sum(column) for column in a.T.tolist()], a.dtype),
    "numbers": _numbers,
    "mean times n": lambda a: a.mean(axis=0) * len(a),
    "average times n": lambda a: np.average(a, axis=0) * len(a),
    "fmean": lambda a: np.array([statistics.fmean(column) * len(a) for column in a.T.tolist()], a.dtype),
    "running mean": _running_mean,
    "pairwise": _pairwise,
    "compensated": _compensated,
    "batches of 4": _batches,
    "batches of 3": lambda a: _batches(a, 3),
    "first and rest": lambda a: a[0] + a[1:].sum(axis=0),
    "nansum": lambda a: np.nansum(a, axis=0),
    "add.at": _added_at,
    "in float64": lambda a: a.sum(axis=0, dtype=np.float64).astype(a.dtype),
    "apply_along_axis": lambda a: np.apply_along_axis(np.sum, 0, a),
    "list of columns": lambda a: np.array([column.sum() for column in a.T]),
    "outer with ones": lambda a: (np.ones((1, len(a)), a.dtype) @ a).ravel(),
    "tensordot": lambda a: np.tensordot(_ones(a), a, axes=1),
    "inner": lambda a: np.inner(a.T, _ones(a)),
    "negated": lambda a: -np.add.reduce(-a),
    "signs apart": lambda a: np.maximum(a, 0).sum(axis=0) + np.minimum(a, 0).sum(axis=0),
    "even and odd": lambda a: a[::2].sum(axis=0) + a[1::2].sum(axis=0),
}


def _by_size(a):
    return np.take_along_axis(a, np.argsort(np.abs(a), axis=0), axis=0)


ORDERS = {
    "in order": lambda a: a,
    "backwards": lambda a: a[::-1],
    "smallest first": _by_size,
    "largest first": lambda a: _by_size(a)[::-1],
    "sorted": lambda a: np.sort(a, axis=0),
    "shuffled": lambda a: np.random.default_rng(len(a)).permutation(a),
}


def summed(way, order, a):
    """Σ over the rows in one style."""
    return WAYS[way](ORDERS[order](a))
