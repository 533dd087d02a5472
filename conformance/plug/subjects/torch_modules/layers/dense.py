"""The dense layer: nn.Linear, whose weight is (units, in)."""

from __future__ import annotations

from torch import nn

from .....reference import LayerSpec
from ..builder import Builder, Called


def dense(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    weight, bias = (builder.tensor(spec, name, local) for local in ("weight", "bias"))
    assert weight is not None
    inputs, units = weight.shape
    linear = nn.Linear(inputs, units, bias is not None, device="meta")
    return Called(linear, {"weight": weight.T} | ({} if bias is None else {"bias": bias}))


LAYERS = {"dense": dense}
