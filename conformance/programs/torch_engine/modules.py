"""What PyTorch's own objects are as functions: an autograd.Function, an nn.Module."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

Function = Callable[..., Any]


def as_function(target: Any) -> tuple[Function, dict[str, tuple[int, ...]]] | None:
    """A function, and the shapes of the parameters that it takes after its inputs; None for others.
    """
    if inspect.isclass(target) and issubclass(target, torch.autograd.Function):
        return target.apply, {}
    return None
