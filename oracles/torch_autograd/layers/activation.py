"""The activations in PyTorch, with its conventions: relu'(0) = 0 and leaky_relu'(0) = slope."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from ... import row
from ..chain import Here, Layer

Tensor = Any

# F.softplus is the identity above its threshold, 20 unless told: wrong by 1e-10 there. At 40,
# exp(-40) rounds away. F.hardsigmoid has 1/6 rounded to float32 in its float64 derivative: wrong by
# 1e-8, so it is not used.
ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "identity": lambda x: x,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": lambda x, slope: F.leaky_relu(x, slope),
    "softplus": lambda x: F.softplus(x, threshold=40.0),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "softmax": lambda x: torch.softmax(x, dim=-1),
    "log_softmax": lambda x: F.log_softmax(x, dim=-1),
    "elu": lambda x, alpha: F.elu(x, alpha),
    "selu": torch.selu,
    "mish": F.mish,
    "softsign": F.softsign,
    "hard_tanh": F.hardtanh,
    "hard_sigmoid": lambda x, slope: torch.clamp(slope * x + 0.5, 0.0, 1.0),
    "relu6": F.relu6,
    "abs": torch.abs,
}


def activation(here: Here, x: Tensor) -> Tensor:
    options = dict(here.spec.options)
    return row("torch", "activation", options.pop("function"), ACTIVATIONS)(x, **options)


LAYERS = {"activation": Layer(activation, ("function", "slope", "alpha"))}
