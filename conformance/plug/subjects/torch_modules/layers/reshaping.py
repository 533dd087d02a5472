"""nn.Flatten, nn.Unflatten, nn.ConstantPad and nn.Upsample."""

from __future__ import annotations

from itertools import chain

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from .....reference import LayerSpec
from ..builder import Builder


class Reshape(nn.Module):
    """An example in another shape."""

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.shape)


class Pad(nn.Module):
    """Zeros before and after the last axes; F.pad takes the last one first."""

    def __init__(self, amounts: list[list[int]]):
        super().__init__()
        self.amounts = list(chain.from_iterable(reversed(amounts)))

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.amounts)


def flatten(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    return nn.Flatten()


def reshape(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    return Reshape(tuple(spec.options["shape"]))


def pad(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    return Pad(spec.options["amounts"])


def upsample(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    return nn.Upsample(scale_factor=spec.options["factor"], mode="nearest")


LAYERS = {"flatten": flatten, "reshape": reshape, "pad": pad, "upsample": upsample}
