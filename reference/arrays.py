"""Arrays as JSON: dtype, shape and flat numbers, bit for bit."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np

from .checks import MOST, MOST_AXES, DescriptionError, Json, mapping, one_of, refuse_unknown

DTYPES = ("float64", "float32")
ARRAY_DTYPES = (*DTYPES, "int64")
_WORDS = {"nan": float("nan"), "inf": float("inf"), "-inf": -float("inf"), None: float("nan")}


def array_to_json(array: Any) -> dict[str, Json]:
    """dtype, shape and one flat list of shortest round-trip numbers, non-finite ones as strings."""
    array = np.asarray(array)
    if array.dtype == np.float64 and np.isfinite(array).all():
        flat = array.ravel().tolist()
    elif array.dtype.kind == "f":
        flat = [float(str(v)) if np.isfinite(v) else str(float(v)) for v in array.ravel()]
    else:
        flat = [int(v) for v in array.ravel()]
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": flat}


def array_from_json(where: str, data: Json) -> np.ndarray:
    """The inverse of `array_to_json`, bit for bit.

    null is "a non-finite number, lost on the way" and becomes NaN. Raises DescriptionError, with
    `where` for a name, for what is no such array.
    """
    data = mapping(where, data)
    refuse_unknown(where, data, ("dtype", "shape", "data"))
    dtype = one_of(f"{where}: dtype", data.get("dtype"), ARRAY_DTYPES)
    shape, flat = data.get("shape"), data.get("data")
    if not isinstance(shape, list) or len(shape) > MOST_AXES or not all(_length(n) for n in shape):
        raise DescriptionError(f"{where}: shape is {shape!r}, wanted a list of sizes")
    if not isinstance(flat, list) or len(flat) != math.prod(shape):
        raise DescriptionError(f"{where}: data must be a list of {math.prod(shape)} numbers, "
                               f"for shape {shape}")
    if math.prod(n for n in shape if n) > MOST:
        raise DescriptionError(f"{where}: shape is {shape!r}, which is too large: "
                               f"at most {MOST} numbers")
    return _array(where, flat, dtype).reshape(shape)


def _array(where: str, flat: list[Json], dtype: str) -> np.ndarray:
    """The numbers as an array; plain ones of double precision at once, the others one by one."""
    if dtype == "float64" and set(map(type, flat)) <= {int, float}:
        with suppress(OverflowError):
            return np.array(flat, dtype=dtype)
    return np.array([_entry(where, v, dtype) for v in flat], dtype=dtype)


def _length(value: Json) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _entry(where: str, value: Json, dtype: str) -> Json:
    if (value is None or isinstance(value, str)) and value in _WORDS and dtype != "int64":
        return _WORDS[value]
    if type(value) not in ((int,) if dtype == "int64" else (int, float)) or not _fits(value, dtype):
        raise DescriptionError(f"{where}: entry {value!r} is not a {dtype}")
    return value


def _fits(value: float, dtype: str) -> bool:
    try:
        with np.errstate(over="ignore"):
            return math.isinf(np.dtype(dtype).type(value)) == math.isinf(value)
    except OverflowError:
        return False
