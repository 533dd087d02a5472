"""The embedding: nn.Embedding, made around the weight: to fill one of its own takes seconds."""

from __future__ import annotations

from torch import nn

from .....reference import LayerSpec
from ..builder import Builder, Called


def embedding(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    weight = builder.tensor(spec, name, "weight")
    assert weight is not None
    words, units = weight.shape
    padding = spec.options["padding_index"]
    module = nn.Embedding(words, units, padding_idx=padding, _weight=weight.detach())
    return Called(module, {"weight": weight})


LAYERS = {"embedding": embedding}
