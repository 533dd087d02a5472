"""The activations of torch.nn.

nn.Softplus is the identity above 20, off by 2e-9 there: `threshold=50` is exact. nn.Hardsigmoid has
its 1/6 in float32 on the way back, off by 1e-8 in float64: the formula is written out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .....reference import LayerSpec
from ..builder import Builder


class HardSigmoid(nn.Module):
    """slope x + 1/2 between 0 and 1."""

    def __init__(self, slope: float):
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(self.slope * x + 0.5, 0.0, 1.0)


class Absolute(nn.Module):
    """|x|."""

    def forward(self, x: Tensor) -> Tensor:
        return x.abs()


ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": lambda slope: nn.LeakyReLU(slope),
    "softplus": lambda: nn.Softplus(threshold=50),
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "softmax": lambda: nn.Softmax(dim=-1),
    "log_softmax": lambda: nn.LogSoftmax(dim=-1),
    "elu": lambda alpha: nn.ELU(alpha),
    "selu": nn.SELU,
    "mish": nn.Mish,
    "softsign": nn.Softsign,
    "hard_tanh": nn.Hardtanh,
    "hard_sigmoid": lambda slope: HardSigmoid(slope),
    "relu6": nn.ReLU6,
    "abs": Absolute,
}


def activation(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    options = dict(spec.options)
    return ACTIVATIONS[options.pop("function")](**options)


LAYERS = {"activation": activation}
