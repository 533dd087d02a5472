"""PyTorch's reverse mode over a forward of its own: nothing of the reference but the description.

Conventions on kinks are PyTorch's: relu'(0) = 0, leaky_relu'(0) = slope, |0|' = 0.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ...reference.case import Answer, Case
from ..structure import one_structure
from .chain import forward
from .layers import LAYERS
from .losses import loss_of

Tensor = Any
Values = Mapping[str, Tensor]


AT_ONCE = 64  # cases in one pass: more are no faster, and take more memory
FEW = 4       # below, one after another is as fast


def _tensor(array: Any, dtype: str) -> Tensor:
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
    leaves = {name: _tensor(value, dtype) for name, value in case.parameters.items()}
    constants = {name: _tensor(value, dtype) for name, value in case.constants.items()}
    inputs, targets = _tensor(case.inputs, dtype), _tensor(case.targets, dtype)
    wanted = {**leaves, "inputs": inputs} if case.network.real else leaves
    for leaf in wanted.values():
        leaf.requires_grad_()
    outputs = forward(LAYERS, case.network.layers, "", {**leaves, **constants}, inputs)
    loss = loss_of(case.network.loss, outputs, targets, {**leaves, **constants})
    differentiated = loss * case.network.loss.gradient_scale
    return Answer(loss.detach().numpy()[()], _gradients(differentiated, wanted))


def answers(cases: Sequence[Case], dtype: str | None = "float64") -> list[Answer]:
    """The answers to cases of one structure: one network, batch, kind of targets and dtype.

    One pass answers many of them: every array has an axis of cases in front, and `vmap` takes it
    through PyTorch's own gradient of one case. Raises ValueError for cases of several structures.
    """
    one_structure("torch", cases, dtype)
    with torch.inference_mode(False), torch.enable_grad():
        return [each for start in range(0, len(cases), AT_ONCE)
                for each in _together(cases[start:start + AT_ONCE], dtype or cases[0].dtype)]


def _together(cases: Sequence[Case], dtype: str) -> list[Answer]:
    """One after another where cases are few, or an operation is none that `vmap` has a rule for."""
    if len(cases) >= FEW:
        try:
            return _stacked(cases, dtype)
        except RuntimeError:
            pass
    return [_answer(case, dtype) for case in cases]


def _stacked(cases: Sequence[Case], dtype: str) -> list[Answer]:
    """One pass over arrays with an axis of cases in front."""
    def stack(arrays: list[Any]) -> Tensor:
        return _tensor(np.stack(arrays), dtype)

    first, spec = cases[0], cases[0].network.loss
    wanted = {name: stack([case.parameters[name] for case in cases]) for name in first.parameters}
    fixed = {name: stack([case.constants[name] for case in cases]) for name in first.constants}
    inputs, targets = stack([c.inputs for c in cases]), stack([c.targets for c in cases])
    (wanted if first.network.real else fixed)["inputs"] = inputs

    def differentiated(wanted: Values, fixed: Values, targets: Tensor) -> tuple[Tensor, Tensor]:
        values = {**wanted, **fixed}
        outputs = forward(LAYERS, first.network.layers, "", values, values["inputs"])
        loss = loss_of(spec, outputs, targets, values)
        return loss * spec.gradient_scale, loss

    gradient = torch.func.grad(differentiated, has_aux=True)
    with warnings.catch_warnings():  # that it loops over an operation is of no interest here
        warnings.simplefilter("ignore")
        gradients, losses = torch.func.vmap(gradient)(wanted, fixed, targets)
    return [Answer(losses[i].numpy()[()], {name: np.array(g[i].numpy())
                                           for name, g in gradients.items()})
            for i in range(len(cases))]


def _gradients(loss: Tensor, leaves: Values) -> dict[str, np.ndarray]:
    """dloss/dleaf by name, as arrays of their own; zeros for a leaf the loss does not use."""
    if not loss.requires_grad:
        return {name: np.zeros_like(leaf.detach().numpy()) for name, leaf in leaves.items()}
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True,
                                    materialize_grads=True)
    return {name: np.array(gradient.numpy())
            for name, gradient in zip(leaves, gradients, strict=True)}
