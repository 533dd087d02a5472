"""NumPy's operators and methods for a type that is no NumPy array: functions of `numbers`' list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import getitem
from typing import Any, ClassVar

import numpy as np


def _operator(ufunc: np.ufunc) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """The operator that is this ufunc, with the array on its left and on its right."""
    return (lambda self, other: self.ufuncs[ufunc](self, ufunc, self, other),
            lambda self, other: self.ufuncs[ufunc](self, ufunc, other, self))


class ArrayLike:
    """An array type given by two tables.

    `ufuncs`: NumPy's ufunc -> handler(one, ufunc, *operands), `one` being an operand of the type.
    `functions`: any other function of the list -> handler(*args, **options) with NumPy's arguments.
    What is in neither raises TypeError.
    """

    __slots__ = ()

    ufuncs: ClassVar[Mapping[Any, Callable[..., Any]]]
    functions: ClassVar[Mapping[Any, Callable[..., Any]]]
    shape: Any

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        if method != "__call__" or options or ufunc not in self.ufuncs:
            return NotImplemented
        return self.ufuncs[ufunc](self, ufunc, *operands)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        handler = self.functions.get(function)
        return NotImplemented if handler is None else handler(*args, **options)

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError(f"{type(self).__name__} is no plain array, and cannot become one")

    __add__, __radd__ = _operator(np.add)
    __sub__, __rsub__ = _operator(np.subtract)
    __mul__, __rmul__ = _operator(np.multiply)
    __truediv__, __rtruediv__ = _operator(np.true_divide)
    __matmul__, __rmatmul__ = _operator(np.matmul)
    __pow__, _ = _operator(np.power)
    __gt__, _ = _operator(np.greater)
    __lt__, _ = _operator(np.less)
    __ge__, _ = _operator(np.greater_equal)
    __le__, _ = _operator(np.less_equal)
    __eq__, _ = _operator(np.equal)
    __hash__ = None  # type: ignore[assignment]

    def __neg__(self) -> Any:
        return self.ufuncs[np.negative](self, np.negative, self)

    def __getitem__(self, index: Any) -> Any:
        return self.functions[getitem](self, index)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=int))

    @property
    def T(self) -> Any:  # noqa: N802
        return self.functions[np.transpose](self)

    def transpose(self, *axes: Any) -> Any:
        return self.functions[np.transpose](self, _several(axes) or None)

    def swapaxes(self, i: int, j: int) -> Any:
        return self.functions[np.swapaxes](self, i, j)

    def reshape(self, *shape: Any) -> Any:
        return self.functions[np.reshape](self, _several(shape))

    def squeeze(self, axis: Any = None) -> Any:
        return self.functions[np.squeeze](self, axis)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        return self.functions[np.sum](self, axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        return self.functions[np.mean](self, axis, keepdims=keepdims)

    def cumsum(self, axis: int) -> Any:
        return self.functions[np.cumsum](self, axis)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        return self.functions[np.max](self, axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        return self.functions[np.min](self, axis, keepdims=keepdims)

    def argmax(self, axis: int, keepdims: bool = False) -> Any:
        return self.functions[np.argmax](self, axis, keepdims=keepdims)


def _several(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The axes or sizes of a method that takes them one by one or as one tuple."""
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], tuple | list) else given
