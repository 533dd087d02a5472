"""JAX's gather and scatter in NumPy: which entries of the operand each window stands for.

The letters are those of XLA's documentation, "Gather" and "Scatter": a row of start indices places
one window; batch axes count the windows, offset axes the entries within one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..trial import Array

Places = tuple[tuple[Array, ...], Array]


def gather(operand: Array, indices: Array, *, dimension_numbers: Any, slice_sizes: Any,
           mode: Any, fill_value: Any = None, **_: Any) -> Array:
    """The windows of the operand, the offset axes where the dimension numbers put them."""
    numbers = dimension_numbers
    places, inside = _places(operand.shape, indices, slice_sizes, numbers.start_index_map,
                             numbers.collapsed_slice_dims, numbers.operand_batching_dims,
                             numbers.start_indices_batching_dims, _name(mode) == "CLIP")
    found = operand[places]
    if not inside.all():
        found = np.where(inside, found, _filler(operand, fill_value))
    return _with_offsets_at(found, numbers.offset_dims)


def scatter_into(operand: Array, indices: Array, updates: Array, *, dimension_numbers: Any,
                 mode: Any, **_: Any) -> tuple[Places, Array]:
    """The places of the operand, which of them are inside, and the updates in their order."""
    numbers = dimension_numbers
    window = numbers.update_window_dims
    inserted = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    sizes, extents = [], iter(updates.shape[axis] for axis in window)
    for axis in range(operand.ndim):
        sizes.append(1 if axis in inserted else next(extents))
    places = _places(operand.shape, indices, sizes, numbers.scatter_dims_to_operand_dims,
                     numbers.inserted_window_dims, numbers.operand_batching_dims,
                     numbers.scatter_indices_batching_dims, _name(mode) == "CLIP")
    batch = [axis for axis in range(updates.ndim) if axis not in window]
    return places, updates.transpose([*batch, *window])


def scatter_add(operand: Array, indices: Array, updates: Array, **params: Any) -> Array:
    """The operand with the updates added; what lies outside is dropped."""
    (places, inside), updates = scatter_into(operand, indices, updates, **params)
    result = operand.copy()
    inside = np.broadcast_to(inside, updates.shape)
    spots = tuple(np.broadcast_to(place, updates.shape)[inside] for place in places)
    np.add.at(result, spots, updates[inside])
    return result


def scatter(operand: Array, indices: Array, updates: Array, **params: Any) -> Array:
    """The operand with the updates in place of its own entries."""
    (places, inside), updates = scatter_into(operand, indices, updates, **params)
    result = operand.copy()
    inside = np.broadcast_to(inside, updates.shape)
    spots = tuple(np.broadcast_to(place, updates.shape)[inside] for place in places)
    result[spots] = updates[inside]
    return result


def _places(shape: tuple[int, ...], indices: Array, sizes: Any, index_map: Any, collapsed: Any,
            batching: Any, index_batching: Any, clip: bool) -> Places:
    """For each axis of the operand, the entry's index; an array of batch and then offset axes.

    The second part tells which windows lie inside; those outside are placed at the edge.
    """
    rows = indices.shape[:-1]
    kept = [axis for axis in range(len(shape)) if axis not in (*collapsed, *batching)]
    extents = [sizes[axis] for axis in kept]
    inside = np.ones(rows, bool)
    places: list[Array] = []
    for axis, length in enumerate(shape):
        start = np.zeros(rows, np.int64)
        if axis in batching:
            start = _along(rows, index_batching[batching.index(axis)])
        elif axis in index_map:
            start = np.asarray(indices[..., index_map.index(axis)], np.int64)
            last = length - sizes[axis]
            inside &= True if clip else (start >= 0) & (start <= last)
            start = np.clip(start, 0, last)
        start = start.reshape(rows + (1,) * len(kept))
        places.append(start + _along(extents, kept.index(axis)) if axis in kept else start)
    return tuple(places), inside.reshape(rows + (1,) * len(kept))


def _along(shape: Any, axis: int) -> Array:
    """0, 1, 2, ... along one axis of the shape."""
    counted = np.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return np.broadcast_to(counted, tuple(shape))


def _with_offsets_at(found: Array, offsets: Any) -> Array:
    first = found.ndim - len(offsets)
    return np.moveaxis(found, range(first, found.ndim), offsets) if len(offsets) else found


def _filler(operand: Array, fill_value: Any) -> Any:
    """What stands for an entry outside: JAX's default is NaN, the least or the largest integer."""
    if fill_value is not None:
        return fill_value
    if operand.dtype.kind == "f":
        return np.nan
    if operand.dtype.kind == "b":
        return True
    limits = np.iinfo(operand.dtype)
    return limits.min if operand.dtype.kind == "i" else limits.max


def _name(mode: Any) -> str:
    return str(getattr(mode, "name", mode))
