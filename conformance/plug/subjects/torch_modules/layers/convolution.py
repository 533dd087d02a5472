"""Convolutions: nn.Conv1d and its like, and a bias for every place added behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .....reference import LayerSpec
from ..builder import Builder, Called

MODULES: dict[str, Callable[..., nn.Module]] = {
    "conv1d": nn.Conv1d, "conv2d": nn.Conv2d, "conv_transpose1d": nn.ConvTranspose1d,
    "conv_transpose2d": nn.ConvTranspose2d}


class Untied(nn.Module):
    """A bias for every filter and place."""

    def __init__(self, bias: Tensor):
        super().__init__()
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


def channels(spec: LayerSpec, weight: Tensor) -> int:
    """The weight is (filters, channels / groups, ...), transposed (channels, ...)."""
    transposed = spec.kind.startswith("conv_transpose")
    return weight.shape[0] if transposed else weight.shape[1] * int(spec.options["groups"])


def conv(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    weight, bias = (builder.tensor(spec, name, local) for local in ("weight", "bias"))
    assert weight is not None
    o: dict[str, Any] = {key: tuple(spec.options[key]) for key in ("stride", "padding", "dilation")}
    tied = spec.options["bias"] == "channel"
    module = MODULES[spec.kind](
        channels(spec, weight), spec.options["filters"], tuple(spec.options["window"]),
        groups=spec.options["groups"], bias=tied, device="meta", **o)
    if bias is None or tied:
        return Called(module, {"weight": weight} | ({} if bias is None else {"bias": bias}))
    return nn.Sequential(Called(module, {"weight": weight}), Untied(bias))


LAYERS = dict.fromkeys(MODULES, conv)
