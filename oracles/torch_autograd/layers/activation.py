"""The activations in PyTorch, with its conventions: relu'(0) = 0 and leaky_relu'(0) = slope."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from ... import row
from ..chain import Here, Layer

Tensor = Any

# F.softplus is the identity above its threshold, 20 unless told: wrong by 1e-10 there. At 40,
# exp(-40) rounds away.
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
}


def activation(here: Here, x: Tensor) -> Tensor:
    options = dict(here.spec.options)
    return row("torch", "activation", options.pop("function"), ACTIVATIONS)(x, **options)


LAYERS = {"activation": Layer(activation, ("function", "slope"))}
