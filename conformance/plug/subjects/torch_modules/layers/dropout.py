"""Dropout with a mask that is given: nn.Dropout draws its own."""

from __future__ import annotations

from torch import Tensor, nn

from .....reference import LayerSpec
from ..builder import Builder


class Masked(nn.Module):
    """x times the mask, scaled so that the mean stays."""

    def __init__(self, mask: Tensor, rate: float):
        super().__init__()
        self.mask, self.rate = mask, rate

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mask / (1.0 - self.rate)


def dropout(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    mask = builder.tensor(spec, name, "mask")
    assert mask is not None
    return Masked(mask, spec.options["rate"])


LAYERS = {"dropout": dropout}
