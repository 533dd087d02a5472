"""Running error analysis: an array that carries a bound of its error, through the reference's own lines.

Independent of the order of summation: γ_n = n u / (1 - n u). Higham, Accuracy and Stability of Numerical Algorithms
(2002), sections 3.1 and 3.3. Comparisons are three-valued: where the error leaves the sign open, `where` takes the
hull of both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..reference import numbers
from .perturbed import TINY, UNIT

ELEMENTARY_UNITS = 8.0
Array = Any


def gamma(n: int, u: float) -> float:
    """γ_n: the relative error of a sum of n products, in any order."""
    return n * u / (1.0 - n * u)


def _nearest(v: Array, e: Array) -> Array:
    """The least magnitude within e of v."""
    return np.maximum(np.abs(v) - e, 0.0)


def _sech2(m: Array) -> Array:
    q = np.exp(-2.0 * m)
    return 4.0 * q / ((1.0 + q) * (1.0 + q))


def _quotient(e: Array, least: Array) -> Array:
    """e / least, infinite where the divisor may vanish."""
    return np.where(least > 0, e / np.where(least > 0, least, 1.0), np.where(e > 0, np.inf, 0.0))


# ufunc: (value, error of the argument) -> error passed on, before the function's own rounding
PASSED_ON: dict[Any, Callable[[Array, Array, Array], Array]] = {
    np.exp: lambda x, e, y: y * np.expm1(e),
    np.log: lambda x, e, y: _quotient(e, x - e),
    np.log1p: lambda x, e, y: _quotient(e, 1.0 + x - e),
    np.tanh: lambda x, e, y: e * _sech2(_nearest(x, e)),
    numbers.erf: lambda x, e, y: e * 1.13 * np.exp(-_nearest(x, e) ** 2),
    numbers.erfc: lambda x, e, y: e * 1.13 * np.exp(-_nearest(x, e) ** 2),
}


class Perhaps:
    """A comparison whose answer may be open: `yes` at the computed values, `open` where the errors could turn it."""

    def __init__(self, yes: Array, open_: Array):
        self.yes, self.open = yes, open_
        self.ndim = yes.ndim

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _where(*args) if function is np.where else NotImplemented


class Bounded:
    """value ± error of one shape, in arithmetic of unit roundoff u."""

    __slots__ = ("dtype_name", "error", "value")

    def __init__(self, value: Array, error: Array, dtype_name: str):
        self.value, self.error, self.dtype_name = value, error, dtype_name

    @property
    def u(self) -> float:
        return UNIT[self.dtype_name]

    def _of(self, x: Any) -> tuple[Array, Array]:
        """Value and error of an operand; a constant owes its own rounding unless it is a short binary fraction."""
        if isinstance(x, Bounded):
            return x.value, x.error
        exact = isinstance(x, np.ndarray) or float(x) * 1024.0 == int(float(x) * 1024.0)
        return x, 0.0 if exact else abs(x) * self.u

    def _new(self, value: Array, error: Array, rounded: float = 1.0) -> Bounded:
        rounding = rounded * self.u * (np.abs(value) + error) + TINY[self.dtype_name] if rounded else 0.0
        return Bounded(value, error + rounding, self.dtype_name)

    def _add(self, a: Any, b: Any) -> Bounded:
        (x, e), (y, f) = self._of(a), self._of(b)
        return self._new(x + y, e + f)

    def _multiply(self, a: Any, b: Any) -> Bounded:
        (x, e), (y, f) = self._of(a), self._of(b)
        return self._new(x * y, np.abs(x) * f + e * np.abs(y) + e * f)

    def _divide(self, a: Any, b: Any) -> Bounded:
        (x, e), (y, f) = self._of(a), self._of(b)
        value = x / y
        return self._new(value, _quotient(e + np.abs(value) * f, np.abs(y) - f))

    def _matmul(self, a: Any, b: Any) -> Bounded:
        (x, e), (y, f) = self._of(a), self._of(b)
        e, f = np.broadcast_to(e, x.shape), np.broadcast_to(f, y.shape)
        ax, ay = np.abs(x), np.abs(y)
        n = x.shape[-1]
        error = ax @ f + e @ ay + e @ f + gamma(n, self.u) * ((ax + e) @ (ay + f))
        return self._new(x @ y, error + n * TINY[self.dtype_name], 0.0)

    def __add__(self, other: Any) -> Bounded:
        return self._add(self, other)

    __radd__ = __add__

    def __mul__(self, other: Any) -> Bounded:
        return self._multiply(self, other)

    __rmul__ = __mul__

    def __neg__(self) -> Bounded:
        return self._new(-self.value, self.error, 0.0)

    def __sub__(self, other: Any) -> Bounded:
        return self._add(self, -other)

    def __rsub__(self, other: Any) -> Bounded:
        return self._add(-self, other)

    def __truediv__(self, other: Any) -> Bounded:
        return self._divide(self, other)

    def __rtruediv__(self, other: Any) -> Bounded:
        return self._divide(other, self)

    def __matmul__(self, other: Any) -> Bounded:
        return self._matmul(self, other)

    def __rmatmul__(self, other: Any) -> Bounded:
        return self._matmul(other, self)

    def __gt__(self, other: Any) -> Perhaps:
        return _compare(self - other)

    def __lt__(self, other: Any) -> Perhaps:
        return _compare(-(self - other))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        if ufunc in PASSED_ON:
            return self._elementary(ufunc)
        return OPERATORS[ufunc](self, *operands) if ufunc in OPERATORS else NotImplemented

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.concatenate:
            return _concatenate(*args, **kwargs)
        return _where(*args) if function is np.where else NotImplemented

    def _elementary(self, function: Any) -> Bounded:
        y = function(self.value)
        return self._new(y, PASSED_ON[function](self.value, self.error, y), ELEMENTARY_UNITS)

    def erf(self) -> Bounded:
        return self._elementary(numbers.erf)

    def erfc(self) -> Bounded:
        return self._elementary(numbers.erfc)

    def _moved(self, move: Callable[[Array], Array]) -> Bounded:
        error = np.broadcast_to(self.error, self.value.shape)
        return Bounded(move(self.value), move(error), self.dtype_name)

    @property
    def T(self) -> Bounded:  # noqa: N802
        return self._moved(lambda a: a.T)

    def reshape(self, *shape: int) -> Bounded:
        return self._moved(lambda a: a.reshape(*shape))

    def __getitem__(self, index: Any) -> Bounded:
        return self._moved(lambda a: a[index])

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        return int(self.value.ndim)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Bounded:
        value = self.value.sum(axis=axis, keepdims=keepdims)
        error = np.broadcast_to(self.error, self.value.shape)
        terms = self.value.size // max(np.size(value), 1)
        magnitudes = (np.abs(self.value) + error).sum(axis=axis, keepdims=keepdims)
        return self._new(value, error.sum(axis=axis, keepdims=keepdims) + gamma(terms, self.u) * magnitudes, 0.0)

    def max(self, axis: Any = None, keepdims: bool = False) -> Bounded:
        error = np.broadcast_to(self.error, self.value.shape)
        return self._new(self.value.max(axis=axis, keepdims=keepdims), error.max(axis=axis, keepdims=keepdims), 0.0)


OPERATORS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: Bounded._add, np.multiply: Bounded._multiply, np.true_divide: Bounded._divide, np.matmul: Bounded._matmul,
    np.subtract: lambda self, a, b: self._add(a, -b),
    np.greater: lambda self, a, b: _compare(self._add(a, -b)),
    np.less: lambda self, a, b: _compare(self._add(b, -a)),
}


def _compare(difference: Bounded) -> Perhaps:
    return Perhaps(difference.value > 0, np.abs(difference.value) < difference.error)


def _where(condition: Any, a: Any, b: Any) -> Any:
    """a or b; their hull where the condition is open."""
    one = next((x for x in (a, b) if isinstance(x, Bounded)), None)
    if one is None:
        raise TypeError("where: no bounded operand")
    yes, open_ = (condition.yes, condition.open) if isinstance(condition, Perhaps) else (condition, False)
    (x, e), (y, f) = one._of(a), one._of(b)
    value = np.where(yes, x, y)
    hull = np.maximum(np.abs(x - value) + e, np.abs(y - value) + f)
    return one._new(value, np.where(open_, hull, np.where(yes, e, f)), 0.0)


def _concatenate(arrays: Any, axis: int = 0) -> Bounded:
    one = next(x for x in arrays if isinstance(x, Bounded))
    pairs = [one._of(x) for x in arrays]
    errors = [np.broadcast_to(e, v.shape) for v, e in pairs]
    return one._new(np.concatenate([v for v, _ in pairs], axis=axis), np.concatenate(errors, axis=axis), 0.0)
