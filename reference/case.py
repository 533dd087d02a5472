"""A Case is one question, an Answer one reply, an Engine whatever turns the first into the second."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .description import (
    FORMAT,
    MOST,
    MOST_AXES,
    DescriptionError,
    Json,
    Network,
    mapping,
    one_of,
    refuse_deep,
    refuse_unknown,
    this_format,
)

if TYPE_CHECKING:
    from .layers.rule import Shapes
    from .tables import Tables

DTYPES = ("float64", "float32")
ARRAY_DTYPES = (*DTYPES, "int64")
_WORDS = {"nan": float("nan"), "inf": float("inf"), "-inf": -float("inf"), None: float("nan")}


def array_to_json(array: Any) -> dict[str, Json]:
    """dtype, shape and the entries as one flat list of shortest round-trip numbers, non-finite ones as strings."""
    array = np.asarray(array)
    if array.dtype.kind == "f":
        flat = [float(str(v)) if np.isfinite(v) else str(float(v)) for v in array.ravel()]
    else:
        flat = [int(v) for v in array.ravel()]
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": flat}


def array_from_json(where: str, data: Json) -> np.ndarray:
    """The inverse of `array_to_json`, bit for bit; null is "a non-finite number, lost on the way" and becomes NaN."""
    data = mapping(where, data)
    refuse_unknown(where, data, ("dtype", "shape", "data"))
    dtype, shape, flat = one_of(f"{where}: dtype", data.get("dtype"), ARRAY_DTYPES), data.get("shape"), data.get("data")
    if not isinstance(shape, list) or len(shape) > MOST_AXES or not all(_length(n) for n in shape):
        raise DescriptionError(f"{where}: shape is {shape!r}, wanted a list of sizes")
    if not isinstance(flat, list) or len(flat) != math.prod(shape):
        raise DescriptionError(f"{where}: data must be a list of {math.prod(shape)} numbers, for shape {shape}")
    if math.prod(n for n in shape if n) > MOST:
        raise DescriptionError(f"{where}: shape is {shape!r}, which is too large: at most {MOST} numbers")
    return np.array([_entry(where, v, dtype) for v in flat], dtype=dtype).reshape(shape)


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


@dataclass(frozen=True)
class Case:
    """One question: a network with its parameters, inputs (batch, *input_shape) and targets.

    Arrays of real numbers have the case's dtype; index inputs and index targets are int64. `constants` are named
    like parameters, exact and not differentiated (masks, lengths, running statistics).
    """

    network: Network
    parameters: Mapping[str, Any]
    inputs: Any
    targets: Any
    dtype: str = "float64"
    constants: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> Mapping[str, Any]:
        """Parameters and constants by global name: what the layers read."""
        return {**self.parameters, **self.constants} if self.constants else self.parameters

    @property
    def batch(self) -> int:
        return int(self.inputs.shape[0])

    def but(self, **changes: Any) -> Case:
        """This case with some fields replaced; `parameters` updates the named ones only."""
        if "parameters" in changes:
            changes["parameters"] = {**self.parameters, **changes["parameters"]}
        return replace(self, **changes)

    def astype(self, dtype: str) -> Case:
        """The same numbers in another dtype; exact from float32 to float64."""
        if dtype == self.dtype:
            return self
        return self.map(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a, dtype)

    def map(self, change: Callable[[Any], Any], dtype: str | None = None) -> Case:
        """`change` applied to every array."""
        return replace(
            self,
            parameters={k: change(v) for k, v in self.parameters.items()},
            constants={k: change(v) for k, v in self.constants.items()},
            inputs=change(self.inputs), targets=change(self.targets), dtype=dtype or self.dtype,
        )

    def copy(self) -> Case:
        """Fresh, writable arrays."""
        return self.map(np.array)

    @cached_property
    def id(self) -> str:
        """A hash of the content: 12 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Json]:
        return {
            "format": FORMAT,
            "network": self.network.to_json(),
            "dtype": self.dtype,
            "parameters": {k: array_to_json(v) for k, v in self.parameters.items()},
            "constants": {k: array_to_json(v) for k, v in self.constants.items()},
            "inputs": array_to_json(self.inputs),
            "targets": array_to_json(self.targets),
        }

    @staticmethod
    def from_json(data: Json, tables: Tables | None = None) -> Case:
        """Parse a case; DescriptionError names what is unknown, missing or of the wrong shape.

        `tables` (default: the tables of this package) says which kinds exist.
        """
        from .shapes import infer
        from .tables import TABLES

        tables = tables or TABLES
        refuse_deep("case", data)
        data = mapping("case", data)
        keys = ("format", "network", "dtype", "parameters", "constants", "inputs", "targets")
        refuse_unknown("case", data, keys)
        this_format("case", data)
        case = Case(
            Network.from_json(data.get("network"), tables),
            {k: array_from_json(k, v) for k, v in mapping("parameters", data.get("parameters")).items()},
            array_from_json("inputs", data.get("inputs")),
            array_from_json("targets", data.get("targets")),
            one_of("case: dtype", data.get("dtype"), DTYPES),
            {k: array_from_json(k, v) for k, v in mapping("constants", data.get("constants", {})).items()},
        )
        _check(case, infer(case.network, tables), tables)
        return case


def _check(case: Case, wanted: Shapes, tables: Tables) -> None:
    _check_shapes("parameters", case.parameters, {**wanted.parameters, **_each(case, wanted.states)})
    _check_shapes("constants", case.constants, {**wanted.constants, **_each(case, wanted.masks)})
    if case.inputs.ndim < 1 or case.inputs.shape[1:] != case.network.input_shape or not case.batch:
        raise DescriptionError(f"case: inputs of shape {case.inputs.shape}, "
                               f"wanted (batch, *{case.network.input_shape})")
    indexed = case.targets.dtype == "int64" and "index" in tables.losses[case.network.loss.kind].targets
    shape = (case.batch, *(wanted.output[:-1] if indexed else wanted.output))
    if case.targets.shape != shape:
        raise DescriptionError(f"case: targets of shape {case.targets.shape}, wanted {shape}")
    below = {"inputs": case.network.input_kind["index"]} if case.network.input_kind != "real" else {}
    below |= {"targets": wanted.output[-1]} if indexed else {}
    for name, array in {**case.parameters, "inputs": case.inputs, "targets": case.targets}.items():
        _check_numbers(name, array, case.dtype, below.get(name))


def _each(case: Case, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Arrays with one entry for each example."""
    return {name: (case.batch, *shape) for name, shape in shapes.items()}


def _check_shapes(what: str, arrays: Mapping[str, Any], wanted: Mapping[str, tuple[int, ...]]) -> None:
    shapes = {k: v.shape for k, v in arrays.items()}
    if shapes != dict(wanted):
        raise DescriptionError(f"case: {what} of shapes {shapes}, but the network wants {dict(wanted)}")


def _check_numbers(name: str, array: Any, dtype: str, below: int | None) -> None:
    """Real numbers have the case's dtype, indices are integers from 0 to under `below`."""
    if array.dtype != (dtype if below is None else "int64"):
        raise DescriptionError(f"case: {name} has dtype {array.dtype}, wanted {dtype if below is None else 'int64'}")
    if below is not None and not ((array >= 0) & (array < below)).all():
        raise DescriptionError(f"case: {name} must be integers from 0 to below {below}")


@dataclass(frozen=True)
class Answer:
    """One reply: the loss, and a gradient for every parameter by name; "inputs" too, where given."""

    loss: Any
    gradients: Mapping[str, Any]


Engine = Callable[[Case], Answer]
