"""How a gradient is changed by a mistake: functions of NumPy arrays, one for each row of a kind.

Each yields variants: what tells one from another ("axis 0"), and a function that gives the changed
array, or None where it does not apply. Nothing is computed until that is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .mutants import Place

Array = Any
Values = Mapping[str, Array]
Variants = Iterator[tuple[str, Callable[[], Array | None]]]
BLOCKS = (2, 4, 8, 16, 32, 64, 128, 256, 512)
ROWS = 400   # the most rows that are added up one by one
VALUES = 24  # the most other values that are tried in a call


def none(*_: Any) -> Variants:
    """No variant: the framework makes this kind's."""
    return iter(())


def zero(gradient: Array, values: Values) -> Variants:
    yield "", partial(np.zeros_like, gradient)


# --- the upstream gradient ----------------------------------------------------------------------


def ones(upstream: Array) -> Variants:
    yield "", partial(np.ones_like, upstream)


def first_entry(upstream: Array) -> Variants:
    if upstream.size > 1:
        yield "", lambda: np.full_like(upstream, upstream.reshape(-1)[0])


def first_rows(upstream: Array) -> Variants:
    """The first slice along an axis in the place of every slice."""
    for axis, size in enumerate(upstream.shape):
        if size > 1 and upstream.size > size:
            yield f"axis {axis}", partial(_one_for_all, upstream, axis)


def _one_for_all(array: Array, axis: int) -> Array:
    return np.broadcast_to(np.take(array, [0], axis), array.shape).copy()


def mean(upstream: Array) -> Variants:
    if upstream.size > 1:
        yield "", lambda: np.full_like(upstream, upstream.mean())


def squared(upstream: Array) -> Variants:
    yield "", lambda: upstream * upstream


def _kept(array: Array, axis: int, keep: Any) -> Array:
    """Zero but for what is kept along an axis."""
    new = np.zeros_like(array)
    at = (slice(None),) * axis + (keep,)
    new[at] = array[at]
    return new


def first_only(upstream: Array) -> Variants:
    for axis, size in enumerate(upstream.shape):
        if size > 1:
            yield f"the first of axis {axis}", partial(_kept, upstream, axis, slice(0, 1))
            yield f"the last of axis {axis}", partial(_kept, upstream, axis, slice(size - 1, size))


def blocks(upstream: Array) -> Variants:
    """What a loop over blocks, or a loop that ends too early, leaves out."""
    for axis, size in enumerate(upstream.shape):
        yield from _left_out(f"axis {axis}", size, partial(_kept, upstream, axis))
    if upstream.ndim > 2:
        rows = upstream.reshape(-1, upstream.shape[-1])
        yield from _left_out("the rows", len(rows), lambda keep: _kept(
            rows, 0, keep).reshape(upstream.shape))
        yield ("all rows but as many as axis 0 has", lambda: _kept(
            rows, 0, slice(0, len(upstream))).reshape(upstream.shape))


def _left_out(where: str, size: int, kept: Callable[[slice], Array]) -> Variants:
    """Variants by blocks of so many of what is counted in `size`; kept: with the rest 0."""
    for block in BLOCKS:
        whole = size - size % block
        if size % block:
            yield (f"what is beyond the last whole block of {block} along {where}",
                   partial(kept, slice(0, whole)))
        if size > block:
            yield (f"what is beyond the first {block} along {where}",
                   partial(kept, slice(0, block)))
            yield f"the first {block} along {where}", partial(kept, slice(block, None))
            if size % block:
                yield (f"what is beyond the last whole block of {block} along {where}, where "
                       "there is a whole one", partial(kept, slice(0, whole)))
    if size > 1:
        yield f"the first along {where}", partial(kept, slice(1, None))
        yield f"the last along {where}", partial(kept, slice(0, size - 1))


def cut(place: Place) -> Variants:
    """What is beyond as many as some size of the program, along an axis of the gradient."""
    for name, n in place.sizes.items():
        for axis, size in enumerate(place.gradient.shape):
            if 0 < n < size:
                yield (f"what is beyond {name} along axis {axis}",
                       partial(_kept, place.gradient, axis, slice(0, n)))


def triangles(array: Array, values: Values | None = None) -> Variants:
    """What is above or below the diagonal is 0."""
    if array.ndim >= 2 and 1 not in array.shape[-2:]:
        yield "is taken below the diagonal alone", partial(np.tril, array)
        yield "is taken above the diagonal alone", partial(np.triu, array)


def group_counts(place: Place) -> Iterator[tuple[str, int]]:
    """Numbers of groups that an axis may fall into, by name: sizes, options, ratios of shapes."""
    yield from place.sizes.items()
    for axis, (n, m) in enumerate(zip(place.upstream.shape, place.operand.shape, strict=False)):
        if m and n % m == 0 and n != m:
            yield f"a group (axis {axis})", n // m


def groups(place: Place) -> Variants:
    """Of every group of neighbours one alone; groups interleaved; one group's numbers for all."""
    for name, each in group_counts(place):
        for axis, size in enumerate(place.upstream.shape):
            if each and size % each == 0:
                for detail, made in _grouped(place.upstream, axis, each):
                    yield (detail.format(name=name, axis=axis), partial(
                        _with_upstream, place, made))
        for axis, size in enumerate(place.gradient.shape):
            if each and size % each == 0:
                yield (f"{name} interleaved groups along axis {axis}",
                       partial(_interleaved, place.gradient, axis, each))


def _grouped(upstream: Array, axis: int, each: int) -> Variants:
    yield "the first of every {name} along axis {axis}", partial(
        _kept, upstream, axis, slice(0, None, each))
    yield "the last of every {name} along axis {axis}", partial(
        _kept, upstream, axis, slice(each - 1, None, each))


def _with_upstream(place: Place, made: Callable[[], Array]) -> Array | None:
    found: Array | None = place.derivative(upstream=made())
    return found


def operands_grouped(place: Place) -> Variants:
    """An operand's groups interleaved, or the first one's numbers for all."""
    for i, operand in enumerate(place.operands):
        for name, each in place.sizes.items() if operand.dtype.kind == "f" else ():
            for axis, size in enumerate(operand.shape):
                if each and size % each == 0:
                    its = f"its {ordinal(i)} operand"
                    yield f"{its} as if all of {name} groups along axis {axis} were the first", (
                        partial(_with, place, i, partial(_first_group, operand, axis, each)))
                    yield f"{its} in {name} interleaved groups along axis {axis}", partial(
                        _with, place, i, partial(_interleaved, operand, axis, each))


def _interleaved(array: Array, axis: int, count: int) -> Array:
    order = np.arange(array.shape[axis]).reshape(count, -1).T.reshape(-1)
    return np.take(array, order, axis)


# --- a gradient on its way ----------------------------------------------------------------------


def transposed(gradient: Array, values: Values) -> Variants:
    if gradient.ndim >= 2 and gradient.shape[-1] == gradient.shape[-2] > 1:
        yield "", lambda: gradient.swapaxes(-1, -2).copy()
    elif gradient.ndim >= 2 and 1 not in gradient.shape[-2:]:
        flat = gradient.swapaxes(-1, -2)
        yield "", lambda: np.ascontiguousarray(flat).reshape(gradient.shape)


def reordered(gradient: Array, values: Values) -> Variants:
    return _reordered(gradient)


def _reordered(gradient: Array) -> Variants:
    for axis, size in enumerate(gradient.shape):
        if size > 1:
            yield f"reversed along axis {axis}", partial(np.flip, gradient, axis)
            yield f"moved on by one along axis {axis}", partial(_moved, gradient, axis, 1)
            yield f"moved back by one along axis {axis}", partial(_moved, gradient, axis, -1)
        if size > 2:
            yield f"rolled by one along axis {axis}", partial(np.roll, gradient, 1, axis)
            yield f"rolled back by one along axis {axis}", partial(np.roll, gradient, -1, axis)


def _moved(array: Array, axis: int, by: int) -> Array:
    """Shifted along an axis, zero where nothing comes from."""
    size = array.shape[axis]
    new = np.zeros_like(array)
    before = (slice(None),) * axis
    if by > 0:
        new[(*before, slice(1, None))] = array[(*before, slice(0, size - 1))]
    else:
        new[(*before, slice(0, size - 1))] = array[(*before, slice(1, None))]
    return new


def scaled(gradient: Array, values: Values) -> Variants:
    """Times a value of the program once more, or not times it: a factor is twice there or missing.
    """
    for name, value in values.items():
        if value.ndim and _fits(value.shape, gradient.shape):
            yield f"multiplied by {name} (or not divided by it)", partial(
                np.multiply, gradient, value)
            yield f"divided by {name} (or not multiplied by it)", partial(
                _divided, gradient, value)


def _divided(gradient: Array, value: Array) -> Array:
    with np.errstate(all="ignore"):
        return gradient / value


def _fits(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether an array broadcasts to a shape."""
    less = len(whole) - len(shape)
    return less >= 0 and all(a in (1, b) for a, b in zip(shape, whole[less:], strict=True))


# --- one operand of one call --------------------------------------------------------------------


def straight(place: Place) -> Variants:
    """The upstream gradient as it is, summed to the operand's shape where that was broadcast."""
    if place.upstream.ndim >= place.operand.ndim:
        yield "", lambda: reduced(place.upstream, place.operand.shape)


def reduced(array: Array, shape: tuple[int, ...]) -> Array | None:
    """Summed over the axes along which `shape` was broadcast; None where it was not."""
    less = array.ndim - len(shape)
    if less:
        array = array.sum(axis=tuple(range(less)))
    axes = tuple(i for i, (a, b) in enumerate(zip(array.shape, shape, strict=True)) if a != b)
    if any(shape[i] != 1 for i in axes):
        return None
    return array.sum(axis=axes, keepdims=True) if axes else array


def own_factors(place: Place) -> Variants:
    """A constant that belongs to the derivative of this very call is left out, or put in."""
    times = math.prod(place.operand.shape) / max(math.prod(place.result.shape), 1)
    if place.operation == "mean" and times > 1:
        yield "the division by n", lambda: place.gradient * times
    if place.operation == "sum" and times > 1:
        yield "that it is a sum (it is divided by n)", lambda: place.gradient / times
    if 0 < times < 1 and _is_broadcast(place):
        yield "that it sums what was broadcast (it takes the mean)", lambda: place.gradient * times
    if place.operation in ("pow", "square", "integer_pow") and np.array_equal(
            place.result, place.operand * place.operand):
        yield "the 2 of the square", lambda: place.gradient / 2
    if place.operation in MINUS and (place.position == MINUS[place.operation]):
        yield "the minus sign", lambda: -place.gradient


# The operand whose derivative has a minus sign.
MINUS = {"sub": 1, "neg": 0, "div": 1, "reciprocal": 0, "rsqrt": 0, "__rsub__": 0, "rsub": 0}


def _is_broadcast(place: Place) -> bool:
    return _fits(place.operand.shape, place.result.shape)


# Derivatives that are written in terms of the result, taken of the operand instead.
OF_THE_RESULT: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda y: y * (1 - y), "logistic": lambda y: y * (1 - y),
    "tanh": lambda y: 1 - y * y, "exp": lambda y: y, "sqrt": lambda y: 0.5 / y,
    "rsqrt": lambda y: -0.5 * y**3, "reciprocal": lambda y: -y * y,
}
# What the derivative is when a step of its own is forgotten.
TERMS: dict[str, dict[str, Callable[[Array, Array], Array]]] = {
    "sigmoid": {"y": lambda x, y: y, "1 - y": lambda x, y: 1 - y},
    "logistic": {"y": lambda x, y: y, "1 - y": lambda x, y: 1 - y},
    "tanh": {"1 - y": lambda x, y: 1 - y, "1 + y^2": lambda x, y: 1 + y * y},
    "log": {"x": lambda x, y: x},
    "softmax": {"the diagonal of the Jacobian": lambda x, y: y * (1 - y)},
    "sqrt": {"1 / y": lambda x, y: 1 / y},
    "rsqrt": {"y^3": lambda x, y: y**3, "y": lambda x, y: y, "-y^2 / 2": lambda x, y: -y * y / 2},
    "relu": {"1 for x below 0": lambda x, y: (x < 0) * 1.0},
    "abs": {"1": lambda x, y: np.ones_like(x)},
}


def formulas(place: Place) -> Variants:
    """A derivative in terms of the result is taken of the operand, or that at x taken at f(x)."""
    formula = OF_THE_RESULT.get(place.operation)
    if formula is not None:
        yield "formula of the result at the operand", lambda: place.upstream * formula(
            place.operand)
    if place.result.shape == place.operand.shape:
        yield "result for the operand", lambda: place.derivative(
            operands={place.position: place.result})


def terms(place: Place) -> Variants:
    if place.upstream.shape == place.operand.shape:
        for name, factor in TERMS.get(place.operation, {}).items():
            yield name, partial(_times, place, factor)


def _times(place: Place, factor: Callable[[Array, Array], Array]) -> Array:
    return place.upstream * factor(place.operand, place.result)


def masks(place: Place) -> Variants:
    """A mask that the call takes is all true, all false, or the other way round."""
    for i, mask in enumerate(place.operands):
        if mask.dtype == bool:
            made = {"the mask is left out": np.ones_like(mask),
                    "the mask is taken as false everywhere": np.zeros_like(mask),
                    "the mask is inverted": ~mask}
            for name, new in made.items():
                yield name, partial(place.derivative, operands={i: new})


def maxima(place: Place) -> Variants:
    """Where several entries are equal to the maximum: to each, or to the first or last of them."""
    known = place.operation in ("amax", "amin", "max", "min", "reduce_max", "reduce_min")
    if known and place.result.size < place.operand.size:
        yield "every entry that is equal to it", partial(_to_all, place)
        yield "all entries", partial(_to_all, place, always=True)


def _to_all(place: Place, always: bool = False) -> Array | None:
    one = place.derivative(upstream=np.ones_like(place.upstream))
    spread = _spread_like(place)
    if one is None or spread is None:
        return None
    wide, top = spread
    return wide if always else np.where(place.operand == top, wide, 0.0)


def _spread_like(place: Place) -> tuple[Array, Array] | None:
    """The upstream gradient and the result, broadcast over the axes that the call reduced."""
    shape = place.operand.shape
    kept = place.result.shape
    if len(kept) != len(shape):
        axes = [i for i in range(len(shape)) if shape[:i] + shape[i + 1:] == kept]
        if len(axes) != 1 and kept != ():
            return None
        kept = (1,) * len(shape) if kept == () else (*shape[:axes[0]], 1, *shape[axes[0] + 1:])
    if not _fits(kept, shape):
        return None
    return (np.broadcast_to(place.upstream.reshape(kept), shape),
            np.broadcast_to(place.result.reshape(kept), shape))


def other_values(place: Place) -> Variants:
    """An operand is another value of the program that has its shape."""
    for i, operand in enumerate(place.operands):
        if operand.dtype.kind == "f":
            fitting = [name for name, value in place.values.items()
                       if value.shape == operand.shape and value is not operand]
            for name in fitting[:VALUES]:
                yield (f"{name} in the place of its {ordinal(i)} operand",
                       partial(place.derivative, operands={i: place.values[name]}))


def ordinal(i: int) -> str:
    return ("first", "second", "third", "fourth")[i] if i < 4 else f"{i + 1}th"


def divisors(place: Place) -> Variants:
    """A divisor that is one number for all: a size or an option of the program, or its square."""
    if place.operation == "div" and len(place.operands) == 2:
        for name, n in place.sizes.items():
            for words, value in ((name, n), (f"{name}^2", n * n)):
                yield f"divides by {words} everywhere", partial(
                    place.derivative, operands={1: np.full_like(place.operands[1], value)})


def strides(place: Place) -> Variants:
    """Slices of the gradient begin where as long slices as the result's would."""
    indexed = any(each.dtype.kind in "iu" for each in place.operands)
    if indexed and place.gradient.ndim >= 2 and place.upstream.ndim >= 2:
        yield "", partial(_strided, place.gradient, place.upstream.shape[1])


def _strided(gradient: Array, stride: int) -> Array:
    rows = gradient.reshape(len(gradient) * gradient.shape[1], -1)
    flat = np.zeros_like(rows)
    for b, each in enumerate(gradient.reshape(len(gradient), gradient.shape[1], -1)):
        to = np.minimum(b * stride + np.arange(len(each)), len(flat) - 1)
        np.add.at(flat, to, each)
    return flat.reshape(gradient.shape)


def first_indices(place: Place) -> Variants:
    """Indices of the first slice stand for those of all: a stride that is not advanced."""
    for i, index in enumerate(place.operands):
        if index.dtype.kind in "iu":
            for axis, size in enumerate(index.shape):
                if size > 1:
                    yield (f"the first slice along axis {axis}", partial(
                        place.derivative, operands={i: _one_for_all(index, axis)}))
            yield "the entry before", partial(place.derivative,
                                              operands={i: np.maximum(index - 1, 0)})


def operands_transposed(place: Place) -> Variants:
    for i, operand in enumerate(place.operands):
        square = operand.ndim >= 2 and operand.shape[-1] == operand.shape[-2] > 1
        if square and operand.dtype.kind == "f":
            yield f"the {ordinal(i)} operand", partial(
                place.derivative, operands={i: operand.swapaxes(-1, -2)})


def operands_reordered(place: Place) -> Variants:
    """An operand's axis reversed, moved on, or its groups interleaved or the first one repeated."""
    for i, operand in enumerate(place.operands):
        if operand.dtype.kind != "f" or operand.ndim == 0:
            continue
        for detail, made in _reorderings(operand):
            yield (f"its {ordinal(i)} operand {detail}",
                   partial(_with, place, i, made))


def _with(place: Place, i: int, made: Callable[[], Array]) -> Array | None:
    found: Array | None = place.derivative(operands={i: np.ascontiguousarray(made())})
    return found


def _reorderings(operand: Array) -> Variants:
    yield from _reordered(operand)
    yield from triangles(operand)
    for axis, size in enumerate(operand.shape):
        if size > 1:
            yield f"with the first slice along axis {axis} for all", partial(
                _one_for_all, operand, axis)
    yield "with its largest entry for all", lambda: np.full_like(operand, operand.max())


def _first_group(array: Array, axis: int, count: int) -> Array:
    first = np.take(array, range(array.shape[axis] // count), axis)
    return np.concatenate([first] * count, axis)


# --- roundings and sums -------------------------------------------------------------------------


def rounded(place: Place) -> Variants:
    yield "", lambda: place.storage.rounded(place.gradient)


def derivative_rounded(place: Place) -> Variants:
    """The derivative alone, before the upstream gradient is multiplied in."""
    yield "", partial(_derivative_rounded, place)


def _derivative_rounded(place: Place) -> Array | None:
    derivative = place.derivative(upstream=np.ones_like(place.upstream))
    if derivative is None:
        return None
    if place.upstream.shape == place.operand.shape:
        return place.storage.rounded(derivative) * place.upstream
    spread = _spread_like(place)
    return None if spread is None else place.storage.rounded(derivative) * spread[0]


def operands_rounded(place: Place) -> Variants:
    for i, operand in enumerate(place.operands):
        if operand.dtype.kind == "f":
            yield f"its {ordinal(i)} operand", partial(
                _with, place, i, partial(place.storage.rounded, operand))
    yield "the upstream gradient", lambda: place.derivative(
        upstream=place.storage.rounded(place.upstream))


def _contributions(place: Place, axis: int) -> Iterator[Array]:
    """What every slice of the upstream gradient along an axis contributes, from the first on."""
    for i in range(place.upstream.shape[axis]):
        part = place.derivative(upstream=_kept(place.upstream, axis, slice(i, i + 1)))
        if part is not None:
            yield part


def _summing(place: Place) -> Iterator[int]:
    """The axes over whose slices the gradient may be a sum."""
    for axis, size in enumerate(place.upstream.shape):
        if 1 < size <= ROWS and place.operand.shape != place.upstream.shape:
            yield axis


def summed_in_storage(place: Place) -> Variants:
    """Every partial sum is rounded, from the first slice along an axis to the last."""
    for axis in _summing(place):
        yield f"along axis {axis}", partial(_summed, place, axis, place.storage.rounded)


def _summed(place: Place, axis: int, rounded: Callable[[Array], Array]) -> Array:
    total = np.zeros_like(place.operand)
    for part in _contributions(place, axis):
        total = rounded(total + rounded(part))
    return total


def overwritten(place: Place) -> Variants:
    """The last contribution that is not 0 stays; or the first."""
    indices = any(each.dtype.kind in "iu" for each in place.operands)
    for axis in _summing(place) if indices else ():
        yield f"the last along axis {axis} stays", partial(_overwritten, place, axis)
        yield f"the first along axis {axis} stays", partial(_overwritten, place, axis, True)


def _overwritten(place: Place, axis: int, first: bool = False) -> Array:
    total = np.zeros_like(place.operand)
    for part in _contributions(place, axis):
        free = (total == 0) if first else True
        total = np.where((part != 0) & free, part, total)
    return total
