"""A Case is one question, an Answer one reply, an Engine what turns the first into the second."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from .arrays import array_to_json
from .checks import FORMAT, Json
from .network import Network

LARGE = 100_000  # parameters


@dataclass(frozen=True)
class Case:
    """One question: a network with its parameters, inputs (batch, *input_shape) and targets.

    Arrays of real numbers have the case's dtype; index inputs and index targets are int64.
    `constants` are named like parameters, exact and not differentiated (masks, lengths, running
    statistics).
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
        content = (self._bytes() if self.large
                   else json.dumps(self.to_json(), sort_keys=True).encode())
        return hashlib.sha256(content).hexdigest()[:12]

    @property
    def size(self) -> int:
        """How many numbers the parameters are."""
        return sum(value.size for value in self.parameters.values())

    @property
    def large(self) -> bool:
        """Whether it has so many parameters that no more than a few copies of them may be made.

        Smaller cases are perturbed and moved many at a time, which takes some twenty copies, and
        saves Python's own time; from LARGE parameters on that is little beside the arithmetic.
        """
        return self.size >= LARGE

    def _bytes(self) -> bytes:
        """Network and numbers of a case whose text would be megabytes."""
        named = {**self.parameters, **self.constants, "inputs": self.inputs,
                 "targets": self.targets}
        about = {"network": self.network.to_json(), "dtype": self.dtype,
                 "arrays": {name: [str(a.dtype), *a.shape] for name, a in named.items()}}
        return b"".join([json.dumps(about, sort_keys=True).encode(), *(
            hashlib.sha256(np.ascontiguousarray(named[name]).data).digest()
            for name in sorted(named))])

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


@dataclass(frozen=True)
class Answer:
    """One reply: the loss and every parameter's gradient by name; "inputs" too, where given."""

    loss: Any
    gradients: Mapping[str, Any]


Engine = Callable[[Case], Answer]
