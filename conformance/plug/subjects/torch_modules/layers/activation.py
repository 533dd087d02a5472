"""The activations of torch.nn.

nn.Softplus is the identity above 20, off by 2e-9 there: `threshold=50` is exact.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from .....reference import LayerSpec
from ..builder import Builder

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
}


def activation(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    options = dict(spec.options)
    return ACTIVATIONS[options.pop("function")](**options)


LAYERS = {"activation": activation}
