"""What PyTorch's own objects are as functions: an autograd.Function, an nn.Module.

A module's parameters become inputs by name, which follow the inputs of its forward. Its buffers
keep their values, in the dtype of the call, and what a call writes into them is forgotten.
"""

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
    if isinstance(target, torch.nn.Module):
        return _of_module(target), {name: tuple(each.shape)
                                    for name, each in target.named_parameters()}
    return None


def _of_module(module: torch.nn.Module) -> Function:
    """Called with the module's inputs and then its parameters, in the order of their names."""
    names = [name for name, _ in module.named_parameters()]

    def call(*given: Any, **options: Any) -> Any:
        count = len(given) - len(names)
        parameters = dict(zip(names, given[count:], strict=True))
        tensors = {**_buffers(module, given), **parameters}
        return torch.func.functional_call(module, tensors, given[:count], options)

    call.__wrapped__ = module.forward  # type: ignore[attr-defined]
    return call


def _buffers(module: torch.nn.Module, given: tuple[Any, ...]) -> dict[str, torch.Tensor]:
    """Copies of the buffers, those of real numbers in the dtype and on the device of the call."""
    like = next((each for each in given if isinstance(each, torch.Tensor)
                 and each.is_floating_point()), None)
    if like is None:
        return {name: each.clone() for name, each in module.named_buffers()}
    return {name: each.to(like.device, like.dtype if each.is_floating_point() else None, copy=True)
            for name, each in module.named_buffers()}
