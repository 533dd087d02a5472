"""A case's differentiable numbers as one vector, and many such vectors as one stacked case."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..reference import TABLES
from ..reference.case import Case
from ..reference.stacked import Stacked
from . import Unsupported


class Estimate(NamedTuple):
    """Derivatives and, one by one, how far they may be off; infinite where that is not known."""

    value: Any
    error: Any


def pieces(case: Case) -> dict[str, Any]:
    """The arrays with a gradient, by name: every parameter, and inputs that are real numbers."""
    inputs = {"inputs": case.inputs} if case.network.real else {}
    return {**case.parameters, **inputs}


def flatten(case: Case) -> Any:
    """All of them in one float64 vector (P,)."""
    return np.concatenate([np.ravel(a) for a in pieces(case).values()]).astype(float)


def unflatten(case: Case, vector: Any) -> dict[str, Any]:
    """The arrays by name from (..., P): each gets the leading axes of `vector`."""
    result, start = {}, 0
    for name, array in pieces(case).items():
        piece = vector[..., start:start + array.size]
        result[name] = piece.reshape(*vector.shape[:-1], *array.shape)
        start += array.size
    return result


def held(case: Case, arrays: dict[str, Any]) -> dict[str, Any]:
    """The arrays with the rows that are not trained as they are in the case: nothing moves there.

    Raises Unsupported where another layer trains such a row.
    """
    for name, spec in case.network.walk():
        for local, row in TABLES.layers[spec.kind].untrained(spec).items():
            whole = f"{name}.{local}"
            if spec.share is not None or any(s.share == name for _, s in case.network.walk()):
                raise Unsupported(f"differences: row {row} of {whole} is trained by one of the "
                                  "layers that use it, and not by another")
            kept = np.array(arrays[whole])
            kept[..., row, :] = case.parameters[whole][row]
            arrays = {**arrays, whole: kept}
    return arrays


def trained(case: Case, name: str, direction: Any) -> Any:
    """The direction of one array with zeros in the rows that are not trained."""
    for layer, spec in case.network.walk():
        for local, row in TABLES.layers[spec.kind].untrained(spec).items():
            if f"{layer}.{local}" == name:
                direction[..., row, :] = 0.0
    return direction


def stacked(case: Case, rows: Any) -> Case:
    """One case that stands for K cases: rows (K, P), one vector each."""
    arrays = {name: Stacked(raw) for name, raw in held(case, unflatten(case, rows)).items()}
    inputs = arrays.pop("inputs", case.inputs)
    return case.but(parameters=arrays, inputs=inputs)


def moved(case: Case, vector: Any) -> Case:
    """The case with its differentiable numbers taken from a vector (P,), in the case's dtype."""
    arrays = {name: a.astype(case.dtype)
              for name, a in held(case, unflatten(case, vector)).items()}
    inputs = arrays.pop("inputs", case.inputs)
    return case.but(parameters=arrays, inputs=inputs)
