"""K evaluations side by side, in one pass through the reference's own lines.

A `Stacked` array looks like one example of `shape`; its `raw` array (K, *shape) holds K of them. NumPy's operators and
functions act on each, so that central differences of every parameter, or many perturbed runs, cost one forward.
A subclass that overrides `_done` sees every rounding operation and its result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import numbers

Axis = int | tuple[int, ...] | None


def _shifted(axis: Axis, ndim: int) -> Axis:
    """The axis of `raw` that is `axis` of the one example."""
    if axis is None:
        return tuple(range(1, ndim))
    if isinstance(axis, tuple):
        return tuple(_one_shifted(a) for a in axis)
    return _one_shifted(axis)


def _one_shifted(axis: int) -> int:
    return axis + 1 if axis >= 0 else axis


def _raised(x: Any, ndim: int) -> Any:
    """`x` ready to broadcast with arrays of `ndim` axes per example."""
    if not isinstance(x, Stacked):
        return x
    raw = x.raw
    missing = ndim + 1 - raw.ndim
    return raw.reshape(raw.shape[0], *(1,) * missing, *raw.shape[1:]) if missing > 0 else raw


def _operator(ufunc: np.ufunc) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    return lambda self, other: self._apply(ufunc, self, other), lambda self, other: self._apply(ufunc, other, self)


class Stacked:
    """K arrays of one shape; see the module's text."""

    __slots__ = ("raw",)

    def __init__(self, raw: Any):
        self.raw = raw

    def _done(self, operation: Any, result: Any, terms: int = 1) -> Any:
        """Wrap the result of one operation; `terms` counts the numbers that went into each sum."""
        return type(self)(result)

    def _before(self, operand: Any, terms: int) -> Any:
        """What becomes of an operand of a sum or product over several terms."""
        return operand

    def _apply(self, ufunc: np.ufunc, *operands: Any) -> Any:
        ndim = max(x.raw.ndim - 1 if isinstance(x, Stacked) else getattr(x, "ndim", 0) for x in operands)
        raised = [_raised(x, ndim) for x in operands]
        if ufunc is not np.matmul:
            return self._done(ufunc, ufunc(*raised))
        terms, last = raised[0].shape[-1], 1 if isinstance(operands[1], Stacked) else 0
        raised[last] = self._before(raised[last], terms)
        return self._done(ufunc, np.matmul(*raised), terms)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        return self._apply(ufunc, *operands)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return FUNCTIONS[function](*args, **kwargs) if function in FUNCTIONS else NotImplemented

    __add__, __radd__ = _operator(np.add)
    __sub__, __rsub__ = _operator(np.subtract)
    __mul__, __rmul__ = _operator(np.multiply)
    __truediv__, __rtruediv__ = _operator(np.true_divide)
    __matmul__, __rmatmul__ = _operator(np.matmul)
    __gt__, __lt__ = _operator(np.greater)[0], _operator(np.less)[0]

    def __neg__(self) -> Any:
        return self._like(-self.raw)

    def _like(self, raw: Any) -> Any:
        """The same numbers in another arrangement: nothing is rounded."""
        return self._done(None, raw)

    def __getitem__(self, index: Any) -> Any:
        return self._like(self.raw[(slice(None), *index) if isinstance(index, tuple) else (slice(None), index)])

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.raw.shape[1:])

    @property
    def ndim(self) -> int:
        return int(self.raw.ndim) - 1

    @property
    def T(self) -> Any:  # noqa: N802
        return self._like(self.raw.transpose(0, *range(self.raw.ndim - 1, 0, -1)))

    def reshape(self, *shape: int) -> Any:
        return self if shape == (-1, self.raw.shape[-1]) and self.raw.ndim == 3 else self._like(
            self.raw.reshape(self.raw.shape[0], *shape))

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Any:
        raw, axes = self.raw, _shifted(axis, self.raw.ndim)
        terms = int(np.prod([raw.shape[a] for a in axes])) if isinstance(axes, tuple) else raw.shape[axes]
        return self._done(np.add.reduce, self._before(raw, terms).sum(axis=axes, keepdims=keepdims), terms)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Any:
        return self._like(self.raw.max(axis=_shifted(axis, self.raw.ndim), keepdims=keepdims))

    def log1p(self) -> Any:
        return self._done(np.log1p, numbers.log1p(self.raw))

    def erf(self) -> Any:
        return self._done(numbers.erf, numbers.erf(self.raw))

    def erfc(self) -> Any:
        return self._done(numbers.erfc, numbers.erfc(self.raw))


def _where(condition: Any, a: Any, b: Any) -> Any:
    parts = (condition, a, b)
    one = next(x for x in parts if isinstance(x, Stacked))
    ndim = max(x.ndim for x in parts if hasattr(x, "ndim"))
    return one._like(np.where(*(_raised(x, ndim) for x in parts)))


def _concatenate(arrays: Any, axis: int = 0) -> Any:
    one = next(x for x in arrays if isinstance(x, Stacked))
    count = max(x.raw.shape[0] for x in arrays if isinstance(x, Stacked))
    raws = [x.raw if isinstance(x, Stacked) else np.broadcast_to(x, (count, *x.shape)) for x in arrays]
    return one._like(np.concatenate(raws, axis=_one_shifted(axis)))


FUNCTIONS: dict[Any, Callable[..., Any]] = {np.where: _where, np.concatenate: _concatenate}
