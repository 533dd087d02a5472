"""One case at a time, by `torch.autograd.grad`: what judges what is found in any other way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ...reference.case import Answer, Case
from .chain import forward
from .layers import LAYERS
from .losses import loss_of

Tensor = Any
Values = Mapping[str, Tensor]


def tensor(array: Any, dtype: str) -> Tensor:
    """A copy; real numbers in `dtype`, indices as they are."""
    array = np.asarray(array)
    kind = dtype if array.dtype.kind == "f" else None
    return torch.from_numpy(np.array(array, dtype=kind, order="C"))


def answer(case: Case, dtype: str | None = "float64") -> Answer:
    """Loss and gradients as NumPy arrays of `dtype`, computed in it.

    `dtype` is "float32" or "float64"; None is the case's.
    """
    with torch.inference_mode(False), torch.enable_grad():
        return _answer(case, dtype or case.dtype)


def _answer(case: Case, dtype: str) -> Answer:
    leaves = {name: tensor(value, dtype) for name, value in case.parameters.items()}
    constants = {name: tensor(value, dtype) for name, value in case.constants.items()}
    inputs, targets = tensor(case.inputs, dtype), tensor(case.targets, dtype)
    wanted = {**leaves, "inputs": inputs} if case.network.real else leaves
    for leaf in wanted.values():
        leaf.requires_grad_()
    outputs = forward(LAYERS, case.network.layers, "", {**leaves, **constants}, inputs)
    loss = loss_of(case.network.loss, outputs, targets, {**leaves, **constants})
    differentiated = loss * case.network.loss.gradient_scale
    return Answer(loss.detach().numpy()[()], _gradients(differentiated, wanted))


def _gradients(loss: Tensor, leaves: Values) -> dict[str, np.ndarray]:
    """dloss/dleaf by name, as arrays of their own; zeros for a leaf the loss does not use."""
    if not loss.requires_grad:
        return {name: np.zeros_like(leaf.detach().numpy()) for name, leaf in leaves.items()}
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True,
                                    materialize_grads=True)
    return {name: np.array(gradient.numpy())
            for name, gradient in zip(leaves, gradients, strict=True)}
