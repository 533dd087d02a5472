"""Pooling: nn.MaxPool2d and its like; trainable sub-sampling by hand."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from .....reference import LayerSpec
from ..builder import Builder

MAX: dict[str, Callable[..., nn.Module]] = {"pool1d": nn.MaxPool1d, "pool2d": nn.MaxPool2d}
MEAN: dict[str, Callable[..., nn.Module]] = {"pool1d": nn.AvgPool1d, "pool2d": nn.AvgPool2d}


class Global(nn.Module):
    """One number for each channel."""

    def __init__(self, function: str):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        return flat.max(dim=2).values if self.function == "max" else flat.mean(dim=2)


class Subsample(nn.Module):
    """coefficient * mean + bias, with both for each channel."""

    def __init__(self, window: tuple[int, int], coefficient: Tensor, bias: Tensor):
        super().__init__()
        self.mean = nn.AvgPool2d(window)
        self.coefficient, self.bias = coefficient, bias

    def forward(self, x: Tensor) -> Tensor:
        mean: Tensor = self.mean(x)
        return mean * self.coefficient[:, None, None] + self.bias[:, None, None]


def pool(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    o = spec.options
    window, stride, padding = (tuple(o[key]) for key in ("window", "stride", "padding"))
    if o["function"] == "max":
        return MAX[spec.kind](window, stride, padding, ceil_mode=o["ceil"])
    return MEAN[spec.kind](window, stride, padding, o["ceil"], o["count_padding"])


def global_pool(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    return Global(spec.options["function"])


def subsample(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    coefficient, bias = (builder.tensor(spec, name, local) for local in ("coefficient", "bias"))
    assert coefficient is not None
    assert bias is not None
    return Subsample(tuple(spec.options["window"]), coefficient, bias)


LAYERS = {"pool1d": pool, "pool2d": pool, "global_pool": global_pool, "subsample2d": subsample}
