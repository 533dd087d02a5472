"""Layers one after another in PyTorch, each by the row of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ...reference.network import LayerSpec
from .. import known_options, row

Tensor = Any
Values = Mapping[str, Tensor]


class Layer(NamedTuple):
    """A row: the layer, (here, x) -> y, and the options it knows."""

    forward: Callable[[Here, Tensor], Tensor]
    options: tuple[str, ...]


class Here(NamedTuple):
    """One layer at its place: its description and name, all values by global name, and all rows."""

    spec: LayerSpec
    name: str
    values: Values
    rows: Mapping[str, Layer]

    def parameter(self, local: str) -> Tensor:
        """The layer's own array, or the owner's, transposed where the layer says so."""
        own = self.values.get(f"{self.name}.{local}")
        if own is not None:
            return own
        shared = self.values[f"{self.spec.share}.{local}"]
        return shared.T if self.spec.transpose else shared


def forward(rows: Mapping[str, Layer], layers: Iterable[LayerSpec], prefix: str, values: Values,
            x: Tensor) -> Tensor:
    """The output of the layers; `values` are parameters and constants by global name."""
    for i, spec in enumerate(layers):
        layer = row("torch", "layer kind", spec.kind, rows)
        known_options("torch", spec.kind, spec.options, layer.options)
        x = layer.forward(Here(spec, f"{prefix}{i}", values, rows), x)
    return x
