"""Several cases of one structure in one pass: every array has an axis of cases in front.

`vmap` takes that axis through PyTorch's own gradient of one case. (With the gradient taken outside,
of the sum of all losses, it is a little faster, but PyTorch 2.13 then trains the padding row of an
embedding, and has no rule for its recurrent kernels.)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ...reference.case import Answer, Case
from ...reference.network import Network
from ..structure import in_groups, one_structure, structure
from .chain import forward
from .layers import LAYERS
from .losses import loss_of
from .plain import answer, tensor

Tensor = Any
Values = Mapping[str, Tensor]

AT_ONCE = 64  # cases in one pass: more are no faster, and take more memory
FEW = 4       # below, one after another is as fast


def answers(cases: Sequence[Case], dtype: str | None = "float64") -> list[Answer]:
    """The answers to cases of one structure: one network, batch, kind of targets and dtype.

    Raises ValueError for cases of several structures.
    """
    one_structure("torch", cases, dtype)
    return [each for start in range(0, len(cases), AT_ONCE)
            for each in _some(cases[start:start + AT_ONCE], dtype or cases[0].dtype)]


def many(cases: Sequence[Case], dtype: str | None = "float64") -> list[Answer]:
    """The answers to cases of any structures, in their order: those of one structure together."""
    return in_groups([structure(case, dtype) for case in cases],
                     lambda places: answers([cases[i] for i in places], dtype))


def _some(cases: Sequence[Case], dtype: str) -> list[Answer]:
    """One after another where cases are few, or an operation is none that `vmap` has a rule for."""
    if len(cases) >= FEW:
        try:
            return in_one_pass(cases, dtype)
        except RuntimeError:
            pass
    return [answer(case, dtype) for case in cases]


def in_one_pass(cases: Sequence[Case], dtype: str) -> list[Answer]:
    """All of the cases; raises RuntimeError where `vmap` cannot."""
    gradient = torch.func.grad(_losses(cases[0].network), has_aux=True)
    with torch.inference_mode(False), torch.enable_grad(), _quietly():
        gradients, losses = torch.func.vmap(gradient)(*_stacked(cases, dtype))
    copied = {name: np.array(g.numpy()) for name, g in gradients.items()}
    return [Answer(loss, {name: g[i] for name, g in copied.items()})
            for i, loss in enumerate(losses.numpy())]


@contextmanager
def _quietly() -> Iterator[None]:
    """`vmap` warns where it has to loop over one operation, which is of no interest here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _losses(network: Network) -> Callable[[Values, Values, Tensor], tuple[Tensor, Tensor]]:
    """(differentiated, constants, targets) -> what is differentiated, and the loss."""
    def losses(differentiated: Values, fixed: Values, targets: Tensor) -> tuple[Tensor, Tensor]:
        values = {**differentiated, **fixed}
        outputs = forward(LAYERS, network.layers, "", values, values["inputs"])
        loss = loss_of(network.loss, outputs, targets, values)
        return loss * network.loss.gradient_scale, loss

    return losses


def _stacked(cases: Sequence[Case], dtype: str) -> tuple[Values, Values, Tensor]:
    """What is differentiated, what is not, and the targets, with an axis of cases in front."""
    def stack(arrays: Sequence[Any]) -> Tensor:
        return tensor(np.stack(arrays), dtype)

    first = cases[0]
    wanted = {name: stack([case.parameters[name] for case in cases]) for name in first.parameters}
    fixed = {name: stack([case.constants[name] for case in cases]) for name in first.constants}
    (wanted if first.network.real else fixed)["inputs"] = stack([case.inputs for case in cases])
    return wanted, fixed, stack([case.targets for case in cases])
