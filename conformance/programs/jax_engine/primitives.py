"""JAX's primitives in NumPy and float64: a row for each that people's plain forms are made of.

A primitive without a row is computed by JAX itself (`computing.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..trial import Array
from .windows import gather, scatter, scatter_add

Primitive = Callable[..., Any]


def _each(function: Callable[[float], float]) -> Primitive:
    """A function of one number, entry by entry."""
    return lambda x, **_: np.vectorize(function, otypes=[np.float64])(x)


def _plain(function: Callable[..., Any]) -> Primitive:
    """A function of NumPy that takes the operands alone."""
    return lambda *operands, **_: function(*operands)


def _axes(function: Callable[..., Any]) -> Primitive:
    return lambda x, *, axes, **_: function(x, axis=tuple(axes))


def _running(function: Callable[..., Any]) -> Primitive:
    """A running sum, product or extreme along an axis, from its other end where reversed."""
    def run(x: Array, *, axis: int, reverse: bool = False, **_: Any) -> Array:
        return np.flip(function(np.flip(x, axis), axis), axis) if reverse else function(x, axis)
    return run


def _choice(function: Callable[..., Any]) -> Primitive:
    return lambda x, *, axes, index_dtype, **_: function(x, axis=axes[0]).astype(index_dtype)


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)), by the exponential that cannot overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def divide(x: Array, y: Array) -> Array:
    """x / y; of integers towards 0, as XLA has it."""
    if np.asarray(x).dtype.kind != "f":
        return (np.sign(x) * np.sign(y) * (np.abs(x) // np.maximum(np.abs(y), 1))).astype(x.dtype)
    return x / y


def integer_pow(x: Array, *, y: int, **_: Any) -> Array:
    return x ** float(y) if x.dtype.kind == "f" else x ** y


def convert(x: Array, *, new_dtype: Any, **_: Any) -> Array:
    """Another kind of number; a real one stays float64, whatever width is asked for."""
    kind = np.dtype(new_dtype)
    if kind.kind in "biuc":
        return np.asarray(np.trunc(x) if x.dtype.kind == "f" and kind.kind != "b" else x, kind)
    return np.asarray(x, np.float64)


def iota(*, dtype: Any, shape: Any, dimension: int, **_: Any) -> Array:
    counted = np.arange(shape[dimension])
    counted = counted.reshape([-1 if i == dimension else 1 for i in range(len(shape))])
    return convert(np.broadcast_to(counted, shape), new_dtype=dtype)


def broadcast(x: Array, *, shape: Any, broadcast_dimensions: Any, **_: Any) -> Array:
    sizes = [1] * len(shape)
    for axis, place in enumerate(broadcast_dimensions):
        sizes[place] = x.shape[axis]
    return np.broadcast_to(x.reshape(sizes), shape)


def select(which: Array, *cases: Array, **_: Any) -> Array:
    if len(cases) == 2:
        return np.where(which.astype(bool), cases[1], cases[0])
    which = np.broadcast_to(which, cases[0].shape)
    return np.choose(which, cases) if len(cases) < 32 else np.take_along_axis(
        np.stack(cases), which[None], 0)[0]


def dot_general(x: Array, y: Array, *, dimension_numbers: Any, **_: Any) -> Array:
    """Batch axes first, then the free axes of x and of y, as XLA orders them."""
    (cx, cy), (bx, by) = dimension_numbers
    fx = [axis for axis in range(x.ndim) if axis not in (*cx, *bx)]
    fy = [axis for axis in range(y.ndim) if axis not in (*cy, *by)]
    batch = [x.shape[axis] for axis in bx]
    inner = math.prod(x.shape[axis] for axis in cx)
    rows, columns = [x.shape[axis] for axis in fx], [y.shape[axis] for axis in fy]
    left = x.transpose([*bx, *fx, *cx]).reshape([*batch, math.prod(rows), inner])
    right = y.transpose([*by, *cy, *fy]).reshape([*batch, inner, math.prod(columns)])
    return (left @ right).reshape([*batch, *rows, *columns])


def pad(x: Array, value: Array, *, padding_config: Any, **_: Any) -> Array:
    """Padded, or cut where an edge is negative, with gaps between the entries."""
    spread = [n + max(n - 1, 0) * gap for n, (_, _, gap) in zip(x.shape, padding_config,
                                                               strict=True)]
    result = np.full([low + n + high for n, (low, high, _) in zip(spread, padding_config,
                                                                 strict=True)], value)
    into, out_of = [], []
    for n, count, size, (low, _, gap) in zip(spread, x.shape, result.shape, padding_config,
                                             strict=True):
        places = low + np.arange(count) * (gap + 1)
        kept = np.flatnonzero((places >= 0) & (places < size)) if n else np.arange(0)
        into.append(places[kept])
        out_of.append(kept)
    result[np.ix_(*into)] = x[np.ix_(*out_of)]
    return result


def cut(x: Array, *, start_indices: Any, limit_indices: Any, strides: Any, **_: Any) -> Array:
    strides = strides or (1,) * x.ndim
    return x[tuple(map(slice, start_indices, limit_indices, strides))]


def _starts(x: Array, sizes: Any, starts: Any) -> tuple[slice, ...]:
    found = [min(max(int(start), 0), n - size)
             for start, n, size in zip(starts, x.shape, sizes, strict=True)]
    return tuple(slice(at, at + size) for at, size in zip(found, sizes, strict=True))


def dynamic_slice(x: Array, *starts: Array, slice_sizes: Any, **_: Any) -> Array:
    return x[_starts(x, slice_sizes, starts)]


def dynamic_update_slice(x: Array, update: Array, *starts: Array, **_: Any) -> Array:
    result = x.copy()
    result[_starts(x, update.shape, starts)] = update
    return result


def split(x: Array, *, sizes: Any, axis: int, **_: Any) -> list[Array]:
    return np.split(x, np.cumsum(sizes)[:-1], axis)


def sort(*operands: Array, dimension: int, num_keys: int, **_: Any) -> list[Array]:
    """All operands in the order of the first `num_keys`, equal ones as they stood."""
    if num_keys == 1:
        order = np.argsort(operands[0], axis=dimension, kind="stable")
    else:
        order = np.lexsort(operands[:num_keys][::-1], axis=dimension)
    return [np.take_along_axis(each, order, dimension) for each in operands]


def top_k(x: Array, *, k: int, axis: int = -1, **_: Any) -> list[Array]:
    order = np.argsort(-x, axis=axis, kind="stable").take(range(k), axis)
    return [np.take_along_axis(x, order, axis), order.astype(np.int32)]


def cumlogsumexp(x: Array, axis: int) -> Array:
    return np.logaddexp.accumulate(x, axis)


def rounded(x: Array, *, rounding_method: Any, **_: Any) -> Array:
    """To the nearest whole number, a half away from 0 (method 0) or to the even one (1)."""
    return np.rint(x) if int(rounding_method) == 1 else np.trunc(x + np.copysign(0.5, x))


_OF_OPERANDS: dict[str, Callable[..., Any]] = {
    "add": np.add, "add_any": np.add, "sub": np.subtract, "mul": np.multiply, "div": divide,
    "rem": np.fmod, "pow": np.power, "atan2": np.arctan2, "max": np.maximum, "min": np.minimum,
    "neg": np.negative, "abs": np.abs, "sign": np.sign, "floor": np.floor, "ceil": np.ceil,
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log1p": np.log1p,
    "sqrt": np.sqrt, "rsqrt": lambda x: 1.0 / np.sqrt(x), "cbrt": np.cbrt, "square": np.square,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos,
    "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "logistic": logistic,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "not": np.invert, "is_finite": np.isfinite, "nextafter": np.nextafter,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
}
ELEMENTWISE: dict[str, Primitive] = {name: _plain(function)
                                     for name, function in _OF_OPERANDS.items()}
ELEMENTWISE |= {"erf": _each(math.erf), "erfc": _each(math.erfc), "integer_pow": integer_pow,
                "round": rounded, "select_n": select, "convert_element_type": convert}

MOVED: dict[str, Primitive] = {
    "broadcast_in_dim": broadcast,
    "reshape": lambda x, *, new_sizes, **_: x.reshape(new_sizes),
    "transpose": lambda x, *, permutation, **_: x.transpose(permutation),
    "squeeze": lambda x, *, dimensions, **_: x.squeeze(tuple(dimensions)),
    "expand_dims": lambda x, *, dimensions, **_: np.expand_dims(x, tuple(dimensions)),
    "rev": lambda x, *, dimensions, **_: np.flip(x, tuple(dimensions)),
    "slice": cut, "dynamic_slice": dynamic_slice, "dynamic_update_slice": dynamic_update_slice,
    "concatenate": lambda *x, dimension, **_: np.concatenate(x, dimension),
    "pad": pad, "split": split, "iota": iota, "gather": gather, "scatter": scatter,
    "copy": lambda x, **_: x, "copy_p": lambda x, **_: x, "stop_gradient": lambda x, **_: x,
    "reduce_precision": lambda x, **_: x, "real": lambda x, **_: x,
    "optimization_barrier": lambda *x, **_: list(x), "name": lambda x, **_: x,
}

REDUCED: dict[str, Primitive] = {
    "reduce_sum": _axes(np.sum), "reduce_prod": _axes(np.prod), "reduce_max": _axes(np.max),
    "reduce_min": _axes(np.min), "reduce_and": _axes(np.all), "reduce_or": _axes(np.any),
    "argmax": _choice(np.argmax), "argmin": _choice(np.argmin), "sort": sort, "top_k": top_k,
    "cumsum": _running(np.cumsum), "cumprod": _running(np.cumprod),
    "cummax": _running(np.maximum.accumulate), "cummin": _running(np.minimum.accumulate),
    "cumlogsumexp": _running(cumlogsumexp), "dot_general": dot_general, "scatter-add": scatter_add,
}

PRIMITIVES: dict[str, Primitive] = ELEMENTWISE | MOVED | REDUCED
