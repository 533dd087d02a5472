"""A trial as the file of a case: data, named by what it holds, and never executed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..reference.checks import DescriptionError
from .formats import STORAGE
from .layouts import LAYOUTS
from .trial import Trial, Value

Array = Any
Json = Any
SCHEMA = 1
KINDS = {"bool": bool, "int64": np.int64}
FACETS = ("dtype", "values", "layout", "cotangent", "cotangent layout")


@dataclass(frozen=True)
class ProgramCase:
    """A trial in the place of a case: its id, its JSON, what it exercises.

    large: whether it is left out of the report's own lines; a trial is not drawn there.
    """

    trial: Trial

    large = True

    @cached_property
    def data(self) -> dict[str, Json]:
        """The trial as JSON."""
        return {"program": SCHEMA, **to_json(self.trial)}

    @cached_property
    def id(self) -> str:
        """Twelve digits that the data makes."""
        text = json.dumps(self.data, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def size(self) -> int:
        """Numbers in all of its arrays."""
        values = [*self.trial.inputs.values(), *self.trial.cotangents]
        return sum(value.numbers.size for value in values if value is not None)

    @property
    def batch(self) -> int:
        """The first axis of the first input."""
        first = next((v for v in self.trial.inputs.values() if v is not None), None)
        return 1 if first is None or not first.numbers.shape else int(first.numbers.shape[0])

    @property
    def exercised(self) -> Mapping[str, tuple[str, ...]]:
        """By facet, what the trial exercises."""
        told = self.trial.features
        return {facet: (told[facet],) for facet in FACETS if told.get(facet)}

    def to_json(self) -> dict[str, Json]:
        return self.data


def to_json(trial: Trial) -> dict[str, Json]:
    """The trial as JSON; numbers that are not finite are texts."""
    return {"inputs": {name: _value(value) for name, value in trial.inputs.items()},
            "options": dict(trial.options), "cotangents": [_value(v) for v in trial.cotangents],
            "wanted": list(trial.wanted), "dtype": trial.dtype, "number": trial.number,
            "features": dict(trial.features), "repeats": trial.repeats, "twice": trial.twice,
            "poison": trial.poison}


def _value(value: Value | None) -> Json:
    if value is None:
        return None
    flat = [each if abs(each) < np.inf else str(each)
            for each in value.numbers.reshape(-1).tolist()]
    return {"dtype": value.dtype, "layout": value.layout, "shape": list(value.numbers.shape),
            "numbers": flat}


def from_json(data: Mapping[str, Json]) -> Trial:
    """The trial of a case's data; DescriptionError, in one line, for what is none."""
    try:
        if data["program"] != SCHEMA:
            raise DescriptionError(f"program: {data['program']!r}, this backproof reads {SCHEMA}")
        if not isinstance(data["options"], Mapping) or not isinstance(data["features"], Mapping):
            raise DescriptionError("options and features: wanted objects")
        return Trial({str(name): _read(value) for name, value in data["inputs"].items()},
                     dict(data["options"]), tuple(_read(value) for value in data["cotangents"]),
                     tuple(map(str, data["wanted"])), str(data["dtype"]), int(data["number"]),
                     {str(k): str(v) for k, v in data["features"].items()},
                     min(int(data["repeats"]), 20), bool(data["twice"]), bool(data["poison"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DescriptionError):
            raise
        raise DescriptionError(f"the trial is no trial: {type(error).__name__}: {error}") from error


def _read(value: Json) -> Value | None:
    if value is None:
        return None
    dtype, layout = value["dtype"], value["layout"]
    if layout not in LAYOUTS or dtype not in (*STORAGE, *KINDS):
        raise DescriptionError(f"layout {layout!r} or dtype {dtype!r} is not known")
    numbers = np.array([float(n) if isinstance(n, str) else n for n in value["numbers"]],
                       KINDS.get(dtype, np.float64))
    return Value(numbers.reshape([int(n) for n in value["shape"]]), dtype, layout)
