"""K evaluations side by side, in one pass through the reference's own lines.

A `Stacked` array looks like one example of `shape`; its `raw` array (K, *shape) holds K of them.
NumPy's operators and functions act on each, so that central differences of every parameter, or
many perturbed runs, cost one forward.

Three rules make a handler. Axes: axis i of the one example is axis i + 1 of `raw`, and a negative
one is the same in both. Broadcasting: where operands have different numbers of axes, NumPy lines
them up from the right, and a raw array would have its axis of samples taken for one of the
example's; so axes of size 1 are put behind that axis first (`_raised`), and a plain array, which
has no axis of samples, is left as it is. Indexing: arrays of integers with a slice between them
move to the front of NumPy's result, before the samples too; there the samples are put last, where
no index reaches them, and brought back afterwards.

A subclass sees rounding through two methods, and needs no other. `_done(operation, result,
terms)` is given the result of every operation that rounds; `_before(operand, terms)` is given one
operand of every sum and product-sum. `terms` is how many numbers were added up for each entry of
the result: 1 where nothing was, the length of the inner axis in a matrix product, the size of the
axes that a sum runs over, and for `scatter_add` an array, one number for each entry, because so
many terms may have landed there and none elsewhere. What rounds nothing goes through `_like`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import getitem
from typing import Any

import numpy as np

from . import numbers
from .arraylike import ArrayLike
from .numbers import Counts

Axis = int | tuple[int, ...] | None
EXACT = (Counts.REARRANGEMENT, Counts.CHOICE, Counts.COMPARISON, Counts.INDEX)


class Stacked(ArrayLike):
    """K arrays of one shape; see the module's text."""

    __slots__ = ("raw",)

    def __init__(self, raw: Any):
        self.raw = raw

    def _done(self, operation: Any, result: Any, terms: Any = 1) -> Any:
        """Wrap the result of one operation that rounds."""
        return type(self)(result)

    def _before(self, operand: Any, terms: Any) -> Any:
        """What becomes of an operand of a sum or product over several terms."""
        return operand

    def _like(self, raw: Any) -> Any:
        """Wrap a result that is exact."""
        return type(self)(raw)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.raw.shape[1:])

    @property
    def ndim(self) -> int:
        return int(self.raw.ndim) - 1


# --- where the samples go -----------------------------------------------------------------------


def _one_shifted(axis: int) -> int:
    return axis + 1 if axis >= 0 else axis


def _shifted(axis: Axis, ndim: int) -> int | tuple[int, ...]:
    """The axis of `raw` that is `axis` of the one example; every axis but the first for None."""
    if axis is None:
        return tuple(range(1, ndim))
    if isinstance(axis, tuple):
        return tuple(_one_shifted(a) for a in axis)
    return _one_shifted(axis)


def _raised(x: Any, ndim: int) -> Any:
    """`x` ready to broadcast with arrays of `ndim` axes per example."""
    if not isinstance(x, Stacked):
        return x
    raw = x.raw
    missing = ndim + 1 - raw.ndim
    return raw.reshape(raw.shape[0], *(1,) * missing, *raw.shape[1:]) if missing > 0 else raw


def _together(*operands: Any) -> list[Any]:
    """The operands' raw arrays, ready to broadcast with each other."""
    ndim = max(x.raw.ndim - 1 if isinstance(x, Stacked) else getattr(x, "ndim", 0)
               for x in operands)
    return [_raised(x, ndim) for x in operands]


def _pair(a: Any, b: Any) -> Any:
    """The same for two: most are of one shape, or one of them is a number, and need no raising."""
    if isinstance(a, Stacked):
        if isinstance(b, Stacked):
            return (a.raw, b.raw) if a.raw.ndim == b.raw.ndim else _together(a, b)
        return (a.raw, b) if isinstance(b, float) else _together(a, b)
    return (a, b.raw) if isinstance(a, float) else _together(a, b)


def _every(arrays: Iterable[Any]) -> tuple[Stacked, list[Any]]:
    """One of the arrays that is stacked, and all of them with an axis of samples."""
    one = _stacked(arrays)
    count = max(x.raw.shape[0] for x in arrays if isinstance(x, Stacked))
    return one, [x.raw if isinstance(x, Stacked) else np.broadcast_to(x, (count, *np.shape(x)))
                 for x in arrays]


def _stacked(operands: Iterable[Any]) -> Stacked:
    return next(x for x in operands if isinstance(x, Stacked))


# --- operations that round ----------------------------------------------------------------------


def _rounded(one: Stacked, ufunc: np.ufunc, a: Any, b: Any) -> Any:
    return one._done(ufunc, ufunc(*_pair(a, b)))


def _rounded_unary(one: Stacked, ufunc: np.ufunc, a: Any) -> Any:
    return one._done(ufunc, ufunc(one.raw))


def _power(one: Stacked, ufunc: np.ufunc, x: Any, n: Any) -> Any:
    """Its `terms` are the roundings of repeated multiplication; none at all for n = 0 and 1."""
    roundings = numbers.roundings(n)
    result = ufunc(x.raw, float(n))
    return x._done(ufunc, result, roundings) if roundings else x._like(result)


def _matmul(one: Stacked, ufunc: np.ufunc, a: Any, b: Any) -> Any:
    left, right = _pair(a, b)
    if min(a.ndim, b.ndim) < 2:
        raise ValueError("matmul: wants operands of two axes or more")
    terms = left.shape[-1]
    left, right = _one_before(one, left, right, b, terms)
    with np.errstate(invalid="ignore"):
        return one._done(ufunc, np.matmul(left, right), terms)


def _one_before(one: Stacked, left: Any, right: Any, b: Any, terms: int) -> tuple[Any, Any]:
    """Both operands of a product-sum; a stacked one, the second if it is, with what it owes."""
    if isinstance(b, Stacked):
        return left, one._before(right, terms)
    return one._before(left, terms), right


def _einsum(subscripts: str, a: Any, b: Any) -> Any:
    """Two operands and an explicit output; "Z" is the samples' letter."""
    one, terms = _stacked((a, b)), numbers.contracted(subscripts, a, b)
    inputs, _, output = subscripts.partition("->")
    parts = ["Z" * isinstance(x, Stacked) + part
             for part, x in zip(inputs.split(","), (a, b), strict=True)]
    left, right = (x.raw if isinstance(x, Stacked) else x for x in (a, b))
    left, right = _one_before(one, left, right, b, terms)
    return one._done(np.einsum, np.einsum(f"{','.join(parts)}->Z{output}", left, right), terms)


def _sum(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    raw, axes = a.raw, _shifted(axis, a.raw.ndim)
    terms = numbers.terms_of(raw.shape, axes)
    return a._done(np.sum, a._before(raw, terms).sum(axis=axes, keepdims=keepdims), terms)


def _mean(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return _sum(a, axis, keepdims) / numbers.terms_of(a.shape, axis)


def _cumsum(a: Any, axis: int) -> Any:
    """A sum of its own for every entry: the k-th has k terms, and the first is exact."""
    ahead = (slice(None),) * (axis % a.ndim)
    first = a[(*ahead, slice(0, 1))]
    more = [_sum(a[(*ahead, slice(0, n))], axis, True) for n in range(2, a.shape[axis] + 1)]
    return _concatenate([first, *more], axis)


def _scatter_add(shape: tuple[int, ...], index: Any, v: Any) -> Any:
    """Every entry has as many terms as were sent to it."""
    index = index if isinstance(index, tuple) else (index,)
    terms = np.zeros(shape, dtype=int)
    np.add.at(terms, index, 1)
    raw = v._before(np.broadcast_to(v.raw, (v.raw.shape[0], *terms[index].shape)), terms[index])
    result = np.zeros((*shape, raw.shape[0]), raw.dtype)
    np.add.at(result, _before_the_last(index), np.moveaxis(raw, 0, -1))
    return v._done(numbers.scatter_add, np.moveaxis(result, -1, 0), terms)


# --- operations that do not ---------------------------------------------------------------------


def _chosen(one: Stacked, ufunc: np.ufunc, a: Any, b: Any) -> Any:
    return one._like(ufunc(*_pair(a, b)))


def _negated(one: Stacked, ufunc: np.ufunc, a: Any) -> Any:
    return one._like(ufunc(one.raw))


def _where(condition: Any, a: Any, b: Any) -> Any:
    return _stacked((condition, a, b))._like(np.where(*_together(condition, a, b)))


def _before_the_last(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """The index for an array with one more axis at its end, which it leaves alone."""
    return (*index, slice(None)) if any(i is Ellipsis for i in index) else index


def _adjacent(index: tuple[Any, ...]) -> bool:
    """Whether no slice, None or Ellipsis parts the integers and arrays of an index."""
    moves = (slice, type(None), type(Ellipsis))
    at = [k for k, i in enumerate(index) if not isinstance(i, moves)]
    return not at or at[-1] - at[0] + 1 == len(at)


def _getitem(a: Any, index: Any) -> Any:
    index = index if isinstance(index, tuple) else (index,)
    if _adjacent(index):
        return a._like(a.raw[(slice(None), *index)])
    last = np.moveaxis(a.raw, 0, -1)
    return a._like(np.moveaxis(last[_before_the_last(index)], -1, 0))


def _put(a: Any, index: Any, v: Any) -> Any:
    index = index if isinstance(index, tuple) else (index,)
    one, raws = _every((a, v))
    before, value = (np.moveaxis(raw, 0, -1) for raw in raws)
    result = np.array(before, dtype=np.result_type(before, value))
    result[_before_the_last(index)] = value
    return one._like(np.moveaxis(result, -1, 0))


def _concatenate(arrays: Any, axis: int = 0) -> Any:
    one, raws = _every(arrays)
    return one._like(np.concatenate(raws, axis=_one_shifted(axis)))


def _stack(arrays: Any, axis: int = 0) -> Any:
    one, raws = _every(arrays)
    return one._like(np.stack(raws, axis=_one_shifted(axis)))


def _take_along_axis(a: Any, indices: Any, axis: int) -> Any:
    one, (raw, at) = _every((a, indices))
    return one._like(np.take_along_axis(raw, at, _one_shifted(axis)))


def _transposed(raw: Any, axes: Any = None) -> Any:
    axes = range(raw.ndim - 1, 0, -1) if axes is None else _shifted(tuple(axes), raw.ndim)
    return raw.transpose(0, *axes)


def _squeezed(raw: Any, axis: Axis = None) -> Any:
    if axis is None:
        axis = tuple(a for a in range(raw.ndim - 1) if raw.shape[a + 1] == 1)
    return np.squeeze(raw, _shifted(axis, raw.ndim))


def _broadcast(raw: Any, shape: Any) -> Any:
    return np.broadcast_to(_raised(Stacked(raw), len(shape)), (raw.shape[0], *shape))


def _padded(raw: Any, pad_width: Any, *, constant_values: float = 0.0) -> Any:
    """Constant padding only."""
    width = np.broadcast_to(pad_width, (raw.ndim - 1, 2)).tolist()
    return np.pad(raw, [(0, 0), *width], constant_values=constant_values)


# function: the same of a raw array
MOVES: dict[Any, Callable[..., Any]] = {
    np.transpose: _transposed,
    np.swapaxes: lambda raw, i, j: raw.swapaxes(_one_shifted(i), _one_shifted(j)),
    np.moveaxis: lambda raw, source, to: np.moveaxis(raw, _one_shifted(source), _one_shifted(to)),
    np.reshape: lambda raw, shape: raw.reshape(
        raw.shape[0], *(shape if isinstance(shape, tuple) else (shape,))),
    np.expand_dims: lambda raw, axis: np.expand_dims(raw, _shifted(axis, raw.ndim)),
    np.squeeze: _squeezed,
    np.flip: lambda raw, axis=None: np.flip(raw, _shifted(axis, raw.ndim)),
    np.take: lambda raw, indices, axis: np.take(raw, indices, _one_shifted(axis)),
    np.broadcast_to: _broadcast,
    np.pad: _padded,
    np.zeros_like: np.zeros_like,
    np.ones_like: np.ones_like,
    np.max: lambda raw, axis=None, keepdims=False: raw.max(
        axis=_shifted(axis, raw.ndim), keepdims=keepdims),
    np.min: lambda raw, axis=None, keepdims=False: raw.min(
        axis=_shifted(axis, raw.ndim), keepdims=keepdims),
    np.argmax: lambda raw, axis, keepdims=False: raw.argmax(
        axis=_one_shifted(axis), keepdims=keepdims),
}


def _move(move: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, *args, **options: a._like(move(a.raw, *args, **options))


def _elementwise(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda a: a._done(function, function(a.raw))


def _handler(row: numbers.Operation) -> Callable[..., Any]:
    """Of a ufunc that is like all others of its kind."""
    if row.counts in EXACT:
        return _chosen
    return _rounded if row.function.nin == 2 else _rounded_unary


Stacked.ufuncs = {
    **{row.function: _handler(row) for row in numbers.OPERATIONS.values()
       if isinstance(row.function, np.ufunc)},
    np.negative: _negated, np.power: _power, np.matmul: _matmul,
}
Stacked.functions = {
    **{function: _move(move) for function, move in MOVES.items()},
    **{function: _elementwise(function) for function in (numbers.erf, numbers.erfc, numbers.log1p)},
    getitem: _getitem, np.where: _where, np.concatenate: _concatenate, np.stack: _stack,
    np.take_along_axis: _take_along_axis, numbers.put: _put, numbers.scatter_add: _scatter_add,
    np.sum: _sum, np.mean: _mean, np.cumsum: _cumsum, np.einsum: _einsum,
}
