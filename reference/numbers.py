"""What a rule may be written with: a list of functions, and the few that NumPy lacks.

A rule runs unchanged over every number type: float32, float64, complex128 (the complex step),
NumPy arrays of high-precision balls, and the array types that stack, perturb or bound. It may use
the functions of `OPERATIONS`, the methods of `METHODS`, and Python's operators for those of them
that have one. Each type supports all of the list, and a test runs every entry through every type.
`Counts` says how an operation rounds: an arithmetic of errors needs to know no more of it.

Not on the list, with reasons: `np.abs` and conjugation, which the complex step cannot
differentiate (use `magnitude`); `np.log1p` (use the one here, for the same reason); assignment to
entries (use `put`), `np.add.at` (use `scatter_add`) and sliding views (use `windows`), which only
an array in memory has. A comparison is good for `np.where` alone, since its answer may be open;
`==` is for indices. `np.matmul` wants operands of two axes or more, `np.einsum` two operands and
an explicit output. A constant must not widen float32: np.where(x > 0, 1.0, 0.0) is float64 in
NumPy, np.where(x > 0, 1.0, np.zeros_like(x)) is not; nor is math.sqrt(5.0) x, while
np.sqrt(5.0) x is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import lru_cache, wraps
from operator import getitem
from typing import Any, NamedTuple

import numpy as np

Index = Any


# --- functions that NumPy lacks -----------------------------------------------------------------


def _overridable(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, except that an operand which is no plain array is asked first.

    Raises TypeError where such an operand is no array at all and has no answer.
    """
    @wraps(function)
    def ask(*args: Any, **options: Any) -> Any:
        for x in args:
            if type(x) is not np.ndarray and hasattr(x, "__array_function__"):
                found = x.__array_function__(ask, (type(x),), args, options)
                if found is not NotImplemented:
                    return found
                if not isinstance(x, np.ndarray):
                    raise TypeError(f"{type(x).__name__} has no {function.__name__}")
        return function(*args, **options)
    return ask


_erf = np.frompyfunc(math.erf, 1, 1)
_erfc = np.frompyfunc(math.erfc, 1, 1)


def _special(x: Any, name: str, of_floats: np.ufunc, slope: float) -> Any:
    """erf or erfc of an array.

    For complex x it is the first-order extension f(a) + i b f'(a), exact for the complex step's
    tiny b; objects are asked for a method of that name.
    """
    if x.dtype == object:
        return np.frompyfunc(lambda v: getattr(v, name)(), 1, 1)(x)
    if np.iscomplexobj(x):
        return of_floats(x.real).astype(float) + 1j * x.imag * slope * np.exp(-x.real**2)
    return of_floats(x).astype(x.dtype)


@_overridable
def erf(x: Any) -> Any:
    """(2/√π) ∫₀ˣ exp(-t²) dt, elementwise."""
    return _special(x, "erf", _erf, 2 / math.sqrt(math.pi))


@_overridable
def erfc(x: Any) -> Any:
    """1 - erf(x), without the cancellation, elementwise."""
    return _special(x, "erfc", _erfc, -2 / math.sqrt(math.pi))


@_overridable
def log1p(x: Any) -> Any:
    """log(1 + x), elementwise.

    For complex x to first order in the imaginary part: NumPy's own loses the digits of a small x.
    """
    if isinstance(x, np.ndarray) and np.iscomplexobj(x):
        return np.log1p(x.real) + 1j * (x.imag / (1.0 + x.real))
    return np.log1p(x)


def magnitude(x: Any) -> Any:
    """|x|, written so that it is analytic on each side of zero, for the complex step."""
    return np.where(x > 0, x, -x)


@_overridable
def put(a: Any, index: Index, v: Any) -> Any:
    """A copy of `a` in which a[index] is v: assignment for types whose arrays cannot be changed.

    Where an index is repeated, which of its values stays is undefined.
    """
    result = np.array(a, dtype=np.result_type(a, v))
    result[index] = v
    return result


@_overridable
def scatter_add(shape: tuple[int, ...], index: Index, v: Any) -> Any:
    """An array of `shape` whose entry i is the sum of the entries of v that `index` sends to i.

    `index` holds integers, slices, or arrays of integers, and v has the shape of result[index]. An
    index may be repeated: its entries of v add up. Entries that none is sent to are exactly zero.
    This is the gradient of x[index], and so of gathering, of embedding and of `windows`.
    """
    result = np.zeros_like(v, shape=shape)
    np.add.at(result, index, v)
    return result


def _starts(size: int, window: int, stride: int, dilation: int) -> Any:
    """(places, window): the indices along an axis that each place of a window sees."""
    places = np.arange(0, size - dilation * (window - 1), stride)
    return places[:, None] + dilation * np.arange(window)


def _grid(*geometry: Sequence[int]) -> tuple[Any, ...]:
    """One index array for each axis; together they broadcast to (*places, *window).

    geometry: sizes, window, stride, dilation.
    """
    return _made_grid(*map(tuple, geometry))


@lru_cache(maxsize=512)
def _made_grid(sizes: Sequence[int], window: Sequence[int], stride: Sequence[int],
               dilation: Sequence[int]) -> tuple[Any, ...]:
    each = [_starts(*one) for one in zip(sizes, window, stride, dilation, strict=True)]
    count = len(each)
    shapes = [[1] * (2 * count) for _ in each]
    for axis, (index, shape) in enumerate(zip(each, shapes, strict=True)):
        shape[axis], shape[count + axis] = index.shape
    return tuple(index.reshape(shape) for index, shape in zip(each, shapes, strict=True))


def windows(x: Any, window: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Any:
    """Every place of a sliding window over the last axes of x, as many axes as `window` has.

    x (..., *sizes) gives (..., *places, *window), with
    (size - dilation (window - 1) - 1) // stride + 1 places along each axis. No padding: use
    `np.pad`.
    """
    count = len(window)
    index = _grid(x.shape[-count:], window, stride, dilation)
    return x[(..., *index)]


def add_windows(y: Any, sizes: Sequence[int], stride: Sequence[int],
                dilation: Sequence[int]) -> Any:
    """The adjoint of `windows`: (..., *places, *window) gives (..., *sizes).

    Each entry is the sum of all entries of y that `windows` copied from its place.
    """
    count = len(sizes)
    lead = y.shape[:-2 * count]
    index = _grid(sizes, y.shape[-count:], stride, dilation)
    return scatter_add((*lead, *sizes), (*(slice(None),) * len(lead), *index), y)


# --- the list -----------------------------------------------------------------------------------


class Counts(Enum):
    """What an operation does to numbers, as far as rounding is concerned."""

    REARRANGEMENT = "moves, copies or negates numbers: exact"
    CHOICE = "every result is one of the operands: exact"
    COMPARISON = "yes or no, at every entry"
    INDEX = "integers: constants, without derivative"
    ROUNDING = "correctly rounded, once"
    POWER = "rounded |n| - 1 times, and once more for a negative n"
    ELEMENTARY = "an elementary function, right to a few units of rounding"
    SUM = "a sum of so many terms, in any order"
    PRODUCT_SUM = "a sum of so many products, in any order"
    COMPOSED = "written with other functions of the list: no type needs to know it"


class Operation(NamedTuple):
    """One function of the list; `underflows` where a product or exponential may."""

    function: Any
    counts: Counts
    underflows: bool = False


def _rows(counts: Counts, *functions: Any, underflows: bool = False) -> Iterable[Operation]:
    return (Operation(function, counts, underflows) for function in functions)


OPERATIONS: dict[Any, Operation] = {row.function: row for row in (
    *_rows(Counts.REARRANGEMENT, np.negative, getitem, np.transpose, np.swapaxes, np.moveaxis,
           np.reshape, np.expand_dims, np.squeeze, np.flip, np.broadcast_to, np.concatenate,
           np.stack, np.pad, np.take, np.take_along_axis, np.zeros_like, np.ones_like, put),
    *_rows(Counts.CHOICE, np.where, np.maximum, np.minimum, np.max, np.min),
    *_rows(Counts.COMPARISON, np.greater, np.less, np.greater_equal, np.less_equal, np.equal),
    *_rows(Counts.INDEX, np.argmax),
    *_rows(Counts.ROUNDING, np.add, np.subtract, np.sqrt),
    *_rows(Counts.ROUNDING, np.multiply, np.true_divide, np.square, underflows=True),
    *_rows(Counts.POWER, np.power, underflows=True),
    *_rows(Counts.ELEMENTARY, np.log, log1p, np.tanh, erf, np.sin, np.cos),
    *_rows(Counts.ELEMENTARY, np.exp, erfc, underflows=True),
    *_rows(Counts.SUM, np.sum, np.mean, np.cumsum, scatter_add),
    *_rows(Counts.PRODUCT_SUM, np.matmul, np.einsum, underflows=True),
    *_rows(Counts.COMPOSED, magnitude, windows, add_windows),
)}

METHODS: dict[str, Any] = {
    "T": np.transpose, "transpose": np.transpose, "swapaxes": np.swapaxes, "reshape": np.reshape,
    "squeeze": np.squeeze, "sum": np.sum, "mean": np.mean, "cumsum": np.cumsum, "max": np.max,
    "min": np.min, "argmax": np.argmax,
}


# --- what the types need to know of an operation -------------------------------------------------


def contracted(subscripts: str, a: Any, b: Any) -> int:
    """How many products each entry of np.einsum(subscripts, a, b) is a sum of."""
    operands, _, output = subscripts.partition("->")
    sizes: dict[str, int] = {}
    for part, x in zip(operands.split(","), (a, b), strict=True):
        for letter, size in _letters(part, x.shape):
            sizes[letter] = max(size, sizes.get(letter, 1))
    return math.prod(size for letter, size in sizes.items() if letter not in output)


def _letters(part: str, shape: tuple[int, ...]) -> Iterable[tuple[str, int]]:
    """The subscripts of one operand with the sizes of their axes; those of an ellipsis left out."""
    before, dots, after = part.partition("...")
    yield from zip(before, shape, strict=not dots)
    yield from zip(after, shape[len(shape) - len(after):], strict=True)


def roundings(n: Any) -> int:
    """How often x ** n is rounded where it is multiplied out: |n| - 1 times, once more to divide.

    Raises TypeError where n is no whole number.
    """
    if not isinstance(n, int | float | np.number) or int(n) != n:
        raise TypeError(f"the exponent is {n!r}, wanted a whole number")
    whole = int(n)
    return abs(whole) - (whole > 0)


def terms_of(shape: tuple[int, ...], axis: Any) -> int:
    """How many entries a reduction over `axis` (one, several or None: all) makes one of."""
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[a] for a in (axis if isinstance(axis, tuple) else (axis,)))
