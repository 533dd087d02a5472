"""Answers that rounding leaves open: comparisons, and the place of a largest entry, of bounded
numbers.

A program in finite precision compares computed numbers, so it may take the other side of a branch
wherever the errors reach across. The bound must then hold for both sides, so a comparison has
three answers: yes, no, or open, and `np.where` of an open one takes the hull: the value of the
side that the computed numbers take, and an error that reaches to the far end of the other. A
largest entry is the same with more than two sides: every entry that errors may make the largest
is a candidate.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

Array = Any


class Perhaps:
    """A comparison: `yes` at the computed values, `open` where errors could turn it.

    `one` is a bounded operand: its type knows what np.where of an open comparison is.
    """

    __slots__ = ("one", "open", "yes")

    def __init__(self, yes: Array, open_: Array, one: Any):
        self.yes, self.open, self.one = yes, open_, one

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return self.one.__array_function__(function, types, args, options)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.yes.shape)

    @property
    def ndim(self) -> int:
        return int(self.yes.ndim)

    def __getitem__(self, index: Any) -> Perhaps:
        return Perhaps(self.yes[index], self.open[index], self.one)


class Largest:
    """np.argmax whose answer may be open.

    `first` holds the indices at the computed values, `candidates` (*first.shape, n) whether each of
    the n entries could be the largest. It may be indexed, compared with integers by ==, and given
    to np.take_along_axis; nothing else.
    """

    __slots__ = ("candidates", "first", "one")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, first: Array, candidates: Array, one: Any):
        self.first, self.candidates, self.one = first, candidates, one

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return self.one.__array_function__(function, types, args, options)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.first.shape)

    @property
    def ndim(self) -> int:
        return int(self.first.ndim)

    def __getitem__(self, index: Any) -> Largest:
        parts = index if isinstance(index, tuple) else (index,)
        here = parts if any(i is Ellipsis for i in parts) else (*parts, Ellipsis)
        return Largest(self.first[index], self.candidates[(*here, slice(None))], self.one)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, a: Any, b: Any) -> Any:
        """integers == largest, either way round."""
        return self.__eq__(b if a is self else a) if ufunc is np.equal else NotImplemented

    def __eq__(self, index: Any) -> Any:
        """Whether each index is that of the largest: open where it is one of several candidates."""
        yes = np.equal(self.first, index)
        candidates = np.broadcast_to(self.candidates, (*yes.shape, self.candidates.shape[-1]))
        index = np.broadcast_to(index, yes.shape)
        may = np.take_along_axis(candidates, index[..., None], -1)[..., 0]
        return Perhaps(yes, may & (candidates.sum(axis=-1) > 1), self.one)


def hull(value: Array, open_: Array, decided: Array, *others: tuple[Array, Array]) -> Array:
    """The error of `value` where it may be any of `others` (value, error); `decided` elsewhere."""
    if not np.any(open_):
        return decided
    far = reduce(np.maximum, [np.abs(x - value) + e for x, e in others])
    return np.where(open_, far, decided)
