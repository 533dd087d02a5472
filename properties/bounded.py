"""Running error analysis: arrays that carry a bound of their error through the reference's lines.

A `Bounded` number is a value and how far it may lie from what exact arithmetic would have given,
for any program that takes the same steps in arithmetic of unit roundoff u. Every operation does
two things: it passes on the errors of its operands, and it adds its own rounding.

Passing on takes the worst case and no average: products multiply the ends of their intervals,
functions use the largest slope that the interval holds (`PASSED_ON`), quotients the divisor
nearest to zero. The own rounding is that of a value anywhere inside its error, and one smallest
normal number for an underflow. A sum of n terms is off by γ(n) Σ|xᵢ| at most, γ(n) = n u / (1 - n
u), in whichever order it is added up: so the bound covers every partial sum. Higham, Accuracy and
Stability of Numerical Algorithms (2002), sections 3.1 and 3.3. Values are computed in float64,
whatever u is.

A constant owes its own rounding unless it is a short binary fraction: 0.1 is another number in
float32. A plain array is data, and exact. Comparisons are three-valued; see `perhaps`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial, reduce
from operator import getitem
from typing import Any

import numpy as np

from ..reference import numbers
from ..reference.arraylike import ArrayLike
from ..reference.numbers import OPERATIONS, Counts
from .perhaps import Largest, Perhaps, hull
from .perturbed import TINY, UNIT

ELEMENTARY_UNITS = 8.0
Array = Any


def gamma(n: Any, u: float) -> Any:
    """γ_n: the relative error of a sum of n products, in any order."""
    return n * u / (1.0 - n * u)


# --- how far an error is passed on --------------------------------------------------------------


def _nearest(v: Array, e: Array) -> Array:
    """The least magnitude within e of v."""
    return np.maximum(np.abs(v) - e, 0.0)


def _sech2(m: Array) -> Array:
    q = np.exp(-2.0 * m)
    return 4.0 * q / ((1.0 + q) * (1.0 + q))


def _quotient(e: Array, least: Array) -> Array:
    """e / least, infinite where the divisor may vanish."""
    return np.where(least > 0, e / np.where(least > 0, least, 1.0), np.where(e > 0, np.inf, 0.0))


# function: (value, error of the argument, result) -> error passed on, before its own rounding
PASSED_ON: dict[Any, Callable[[Array, Array, Array], Array]] = {
    np.exp: lambda x, e, y: y * np.expm1(e),
    np.log: lambda x, e, y: _quotient(e, x - e),
    numbers.log1p: lambda x, e, y: _quotient(e, 1.0 + x - e),
    np.tanh: lambda x, e, y: e * _sech2(_nearest(x, e)),
    numbers.erf: lambda x, e, y: e * 1.13 * np.exp(-_nearest(x, e) ** 2),
    numbers.erfc: lambda x, e, y: e * 1.13 * np.exp(-_nearest(x, e) ** 2),
    np.sin: lambda x, e, y: np.minimum(e, 2.0),
    np.cos: lambda x, e, y: np.minimum(e, 2.0),
    np.sqrt: lambda x, e, y: np.minimum(_quotient(e, y + np.sqrt(_nearest(x, e))), np.sqrt(e)),
}


class Bounded(ArrayLike):
    """value ± error of one shape, in arithmetic of unit roundoff u."""

    __slots__ = ("dtype_name", "error", "value")

    def __init__(self, value: Array, error: Array, dtype_name: str):
        self.value, self.error, self.dtype_name = value, error, dtype_name

    @property
    def u(self) -> float:
        return UNIT[self.dtype_name]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    def _of(self, x: Any) -> tuple[Array, Array]:
        """Value and error of an operand; a constant owes its own rounding unless it is exact."""
        if isinstance(x, Bounded):
            return x.value, x.error
        exact = isinstance(x, np.ndarray) or math.isinf(x) or (x * 1024.0).is_integer()
        return x, 0.0 if exact else abs(x) * self.u

    def _new(self, value: Array, error: Array, rounded: float = 1.0) -> Bounded:
        """A result with so many units of its own rounding, and an underflow."""
        rounding = rounded * self.u * (np.abs(value) + error) + TINY[self.dtype_name]
        return Bounded(value, error + rounding, self.dtype_name)

    def _exact(self, value: Array, error: Array) -> Bounded:
        """A result that is not rounded, or whose rounding is in the error already."""
        if np.shape(error) != np.shape(value):
            error = np.broadcast_to(error, np.shape(value))
        return Bounded(value, error, self.dtype_name)


def _full(value: Array, error: Array) -> tuple[Array, Array]:
    """The pair with an error for every entry."""
    return value, np.full_like(value, error, dtype=float) if np.ndim(error) == 0 else error


def _one(operands: Iterable[Any]) -> Bounded:
    return next(x for x in operands if isinstance(x, Bounded))


# --- operators and elementwise functions --------------------------------------------------------


def _add(one: Bounded, ufunc: np.ufunc, a: Any, b: Any) -> Bounded:
    (x, e), (y, f) = one._of(a), one._of(b)
    return one._new(ufunc(x, y), e + f)


def _multiply(one: Bounded, ufunc: np.ufunc, a: Any, b: Any) -> Bounded:
    (x, e), (y, f) = one._of(a), one._of(b)
    return one._new(x * y, np.abs(x) * f + e * np.abs(y) + e * f)


def _divide(one: Bounded, ufunc: np.ufunc, a: Any, b: Any) -> Bounded:
    (x, e), (y, f) = one._of(a), one._of(b)
    value = x / y
    return one._new(value, _quotient(e + np.abs(value) * f, np.abs(y) - f))


def _power(one: Bounded, ufunc: np.ufunc, a: Any, n: Any) -> Bounded:
    """Multiplied out, and divided for a negative exponent."""
    numbers.roundings(n)
    if n == 0:
        return _ones_like(a)
    product = reduce(partial(_multiply, one, np.multiply), [a] * abs(int(n)))
    return _divide(one, np.true_divide, 1.0, product) if n < 0 else product


def _square(one: Bounded, ufunc: np.ufunc, a: Any) -> Bounded:
    return _multiply(one, np.multiply, a, a)


def _negative(one: Bounded, ufunc: np.ufunc, a: Any) -> Bounded:
    return one._exact(-one.value, one.error)


def _larger(one: Bounded, ufunc: np.ufunc, a: Any, b: Any) -> Bounded:
    """The maximum or minimum of two."""
    (x, e), (y, f) = one._of(a), one._of(b)
    value = ufunc(x, y)
    return one._exact(value, np.maximum(e - _gap(value, x), f - _gap(value, y)))


def _gap(value: Array, x: Array) -> Array:
    """How far an entry is behind the extreme one; its own error reaches the rest of the way."""
    return np.where(np.equal(value, x), 0.0, np.abs(value - x))


def _compare(one: Bounded, ufunc: np.ufunc, a: Any, b: Any) -> Perhaps:
    """As computed; open where the rounded difference could have the other sign."""
    (x, e), (y, f) = one._of(a), one._of(b)
    difference = one._new(x - y, e + f)
    return Perhaps(ufunc(x, y), np.abs(difference.value) < difference.error, one)


def _function(function: Any) -> Callable[..., Bounded]:
    """The handler of a function of one argument."""
    units = ELEMENTARY_UNITS if OPERATIONS[function].counts is Counts.ELEMENTARY else 1.0

    def handler(*operands: Any) -> Bounded:
        a: Bounded = operands[-1]
        y = function(a.value)
        return a._new(y, PASSED_ON[function](a.value, a.error, y), units)
    return handler


# --- sums and products --------------------------------------------------------------------------


def _product_sum(one: Bounded, product: Callable[[Array, Array], Array], a: Any, b: Any,
                 terms: int) -> Bounded:
    """`product`, which may be any bilinear function, of both operands."""
    (x, e), (y, f) = (_full(*one._of(operand)) for operand in (a, b))
    ax, ay = np.abs(x), np.abs(y)
    with np.errstate(invalid="ignore"):
        error = product(ax, f) + product(e, ay) + product(e, f)
        error = error + gamma(terms, one.u) * product(ax + e, ay + f) + terms * TINY[one.dtype_name]
        return one._exact(product(x, y), error)


def _matmul(one: Bounded, ufunc: np.ufunc, a: Any, b: Any) -> Bounded:
    if min(a.ndim, b.ndim) < 2:
        raise ValueError("matmul: wants operands of two axes or more")
    return _product_sum(one, np.matmul, a, b, a.shape[-1])


def _einsum(subscripts: str, a: Any, b: Any) -> Bounded:
    terms = numbers.contracted(subscripts, a, b)
    return _product_sum(_one((a, b)), lambda x, y: np.einsum(subscripts, x, y), a, b, terms)


def _summed(a: Bounded, add: Callable[[Array], Array], terms: Any) -> Bounded:
    """The sum that `add` takes, each entry of so many terms."""
    magnitudes = add(np.abs(a.value) + a.error)
    return a._exact(add(a.value), add(a.error) + gamma(terms, a.u) * magnitudes)


def _sum(a: Bounded, axis: Any = None, keepdims: bool = False) -> Bounded:
    terms = numbers.terms_of(a.shape, axis)
    return _summed(a, lambda x: x.sum(axis=axis, keepdims=keepdims), terms)


def _mean(a: Bounded, axis: Any = None, keepdims: bool = False) -> Bounded:
    count = float(numbers.terms_of(a.shape, axis))
    return _divide(a, np.true_divide, _sum(a, axis, keepdims), count)


def _cumsum(a: Bounded, axis: int) -> Bounded:
    """Entry k has k terms and k - 1 additions: the first is exact."""
    shape = [1] * a.ndim
    shape[axis] = -1
    return _summed(a, lambda x: np.cumsum(x, axis=axis), np.arange(a.shape[axis]).reshape(shape))


def _scatter_add(shape: tuple[int, ...], index: Any, v: Bounded) -> Bounded:
    terms = np.zeros(shape, dtype=int)
    np.add.at(terms, index, 1)
    return _summed(v, lambda x: numbers.scatter_add(shape, index, x), np.maximum(terms - 1, 0))


# --- what moves and chooses ---------------------------------------------------------------------


def _moved(move: Callable[..., Array]) -> Callable[..., Bounded]:
    """What moves values moves their errors alike."""
    return lambda a, *args, **options: a._exact(
        move(a.value, *args, **options), move(a.error, *args, **options))


def _joined(join: Callable[..., Array]) -> Callable[..., Bounded]:
    def handler(arrays: Any, axis: int = 0) -> Bounded:
        one = _one(arrays)
        pairs = [one._of(x) for x in arrays]
        errors = [np.broadcast_to(e, np.shape(v)) for v, e in pairs]
        return one._exact(join([v for v, _ in pairs], axis=axis), join(errors, axis=axis))
    return handler


def _pad(a: Bounded, pad_width: Any, *, constant_values: float = 0.0) -> Bounded:
    """Constant padding only."""
    v, e = a._of(constant_values)
    return a._exact(np.pad(a.value, pad_width, constant_values=v),
                    np.pad(a.error, pad_width, constant_values=e))


def _put(a: Any, index: Any, v: Any) -> Bounded:
    one = _one((a, v))
    (x, e), (y, f) = one._of(a), one._of(v)
    error = np.broadcast_to(e, np.shape(x)).astype(float)
    return one._exact(numbers.put(x, index, y), numbers.put(error, index, f))


def _ones_like(a: Bounded) -> Bounded:
    return a._exact(np.ones_like(a.value), 0.0)


def _zeros_like(a: Bounded) -> Bounded:
    return a._exact(np.zeros_like(a.value), 0.0)


def _where(condition: Any, a: Any, b: Any) -> Bounded:
    """a or b; their hull where the condition is open."""
    one = condition.one if isinstance(condition, Perhaps) else _one((a, b))
    yes, open_ = (
        (condition.yes, condition.open) if isinstance(condition, Perhaps) else (condition, False))
    (x, e), (y, f) = one._of(a), one._of(b)
    value = np.where(yes, x, y)
    return one._exact(value, hull(value, open_, np.where(yes, e, f), (x, e), (y, f)))


def _extreme(function: Callable[..., Array]) -> Callable[..., Bounded]:
    """The largest or smallest entry: off by what the error of any entry reaches beyond it."""
    def handler(a: Bounded, axis: Any = None, keepdims: bool = False) -> Bounded:
        value = function(a.value, axis=axis, keepdims=True)
        error = (a.error - _gap(value, a.value)).max(axis=axis, keepdims=keepdims)
        return a._exact(value.reshape(np.shape(error)), error)
    return handler


def _argmax(a: Bounded, axis: int, keepdims: bool = False) -> Largest:
    """The candidates: every entry whose upper end reaches the largest lower end."""
    gap = _gap(a.value.max(axis=axis, keepdims=True), a.value)
    floor = (gap + a.error).min(axis=axis, keepdims=True)
    candidates = np.moveaxis(gap <= a.error + floor, axis, -1)
    kept = np.expand_dims(candidates, axis % a.ndim) if keepdims else candidates
    return Largest(np.argmax(a.value, axis=axis, keepdims=keepdims), kept, a)


def _take_along_axis(a: Bounded, indices: Any, axis: int) -> Bounded:
    """The entry at each index; of a `Largest`, off by as much as the furthest candidate."""
    one = _one((a, getattr(indices, "one", None)))
    value, error = _full(*one._of(a))
    if not isinstance(indices, Largest):
        return one._exact(np.take_along_axis(value, indices, axis),
                          np.take_along_axis(error, indices, axis))
    pick, far = (np.take_along_axis(x, indices.first, axis) for x in (value, error))
    for j in range(indices.candidates.shape[-1]):
        at = np.full_like(indices.first, j)
        x, e = (np.take_along_axis(part, at, axis) for part in (value, error))
        far = np.maximum(far, hull(pick, indices.candidates[..., j], far, (x, e)))
    return one._exact(pick, far)


Bounded.ufuncs = {
    np.add: _add, np.subtract: _add, np.multiply: _multiply, np.true_divide: _divide,
    np.power: _power, np.square: _square, np.negative: _negative, np.matmul: _matmul,
    np.maximum: _larger, np.minimum: _larger,
    **dict.fromkeys((np.greater, np.less, np.greater_equal, np.less_equal), _compare),
    **{function: _function(function) for function in PASSED_ON
       if isinstance(function, np.ufunc)},
}
MOVES = (getitem, np.transpose, np.swapaxes, np.moveaxis, np.reshape, np.expand_dims, np.squeeze,
         np.flip, np.broadcast_to, np.take)
Bounded.functions = {
    **{function: _moved(function) for function in MOVES},
    **{function: _function(function) for function in PASSED_ON
       if not isinstance(function, np.ufunc)},
    np.concatenate: _joined(np.concatenate), np.stack: _joined(np.stack), np.pad: _pad,
    np.zeros_like: _zeros_like, np.ones_like: _ones_like, numbers.put: _put, np.where: _where,
    np.take_along_axis: _take_along_axis, np.max: _extreme(np.max), np.min: _extreme(np.min),
    np.argmax: _argmax, np.sum: _sum, np.mean: _mean, np.cumsum: _cumsum, np.einsum: _einsum,
    numbers.scatter_add: _scatter_add,
}
