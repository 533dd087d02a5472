"""Rows that are independent: permuted inputs give permuted answers, and one part of the rows gives
its part of the answer.

Asked only where a program says which symbol its rows are counted by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..judged import Failure
from ..trial import Arrays, Trial, Value
from .asked import Asked
from .comparing import apart, full, lasting, total

Array = Any


def axes(asked: Asked) -> dict[str, int]:
    """The axis of the batch of each input that has one."""
    symbol = asked.claims.batch
    return {each.name: list(each.shape).index(symbol) for each in asked.claims.inputs
            if symbol and symbol in each.shape and asked.trial.inputs[each.name] is not None}


def rows(asked: Asked) -> int:
    """How many rows there are; 0 without a batch."""
    for name, axis in axes(asked).items():
        value = asked.trial.inputs[name]
        assert value is not None
        return int(value.numbers.shape[axis])
    return 0


def taken(asked: Asked, at: Array) -> Trial:
    """The trial of some rows, in that order; outputs have them along their first axis of so many.
    """
    count, along = rows(asked), axes(asked)

    def of(value: Value | None, axis: int | None) -> Value | None:
        if value is None or axis is None:
            return value
        return replace(value, numbers=np.take(value.numbers, at, axis), layout="contiguous")

    given = tuple(of(value, None if value is None else first(value.numbers, count))
                  for value in asked.trial.cotangents)
    return asked.once(cotangents=given, inputs={
        name: of(value, along.get(name)) for name, value in asked.trial.inputs.items()})


def first(array: Array, count: int) -> int | None:
    """The first axis of so many."""
    return next((i for i, size in enumerate(array.shape) if size == count), None)


def _along(asked: Asked, key: str, array: Array, count: int) -> int | None:
    return first(array, count) if key.startswith("output ") else axes(asked).get(key)


def permuted(asked: Asked) -> Iterator[Failure]:
    """Rows in another order: outputs and their gradients in that order, all else as it was."""
    count = rows(asked)
    if count < 2:
        return
    order = asked.rng.permutation(count)
    reply = asked.answer(taken(asked, order))
    arrays = asked.reply.arrays
    due = {key: _rows(array, order, _along(asked, key, array, count))
           for key, array in arrays.items()}
    yield from apart("batch", asked.trial, full(reply, asked.reply), due, lambda: {
        key: 2.0 * _rows(limit, order, _along(asked, key, limit, count))
        for key, limit in asked.allowed.items()}, asked="permuted")


def _rows(array: Array, at: Array, axis: int | None) -> Array:
    return array if axis is None else np.take(array, at, axis)


def split(asked: Asked) -> Iterator[Failure]:
    """Some of the rows alone have the gradients that they have among all."""
    count = rows(asked)
    if count < 2:
        return
    some = np.sort(asked.rng.permutation(count)[:(count + 1) // 2])
    part = asked.at(taken(asked, some))
    due = _some(asked, asked.reply.arrays, some, count)
    yield from apart("batch", asked.trial, {key: part.reply.arrays[key] for key in due
                                            if key in part.reply.arrays}, due,
                     lambda: total(_some(asked, asked.allowed, some, count), part.allowed),
                     asked="split")


def _some(asked: Asked, arrays: Mapping[str, Array], at: Array, count: int) -> Arrays:
    """The rows of arrays that have rows."""
    return {key: np.take(array, at, axis) for key, array in arrays.items()
            if (axis := _along(asked, key, array, count)) is not None}


def _both(asked: Asked) -> Iterator[Failure]:
    yield from permuted(asked)
    yield from split(asked)


check = lasting(_both)
