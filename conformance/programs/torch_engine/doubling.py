"""The program whose outputs are another program's gradients, for differentiating twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..trial import Reply, Trial
from .asking import answered, flat
from .tensors import Tensor

Function = Callable[..., Any]


def second(function: Function, trial: Trial, device: str = "cpu") -> Reply:
    """The answer of that program to a trial of `checks.double.of_gradients`."""
    names = [name for name in trial.inputs if not name.startswith("cotangent ")]
    wanted = [name for name in trial.wanted if name in names]
    return answered(gradients_of(function, names, wanted), trial, device)


def gradients_of(function: Function, names: Sequence[str], wanted: Sequence[str]) -> Function:
    """A function of the inputs and the cotangents of another, that gives its gradients."""
    def differentiated(*given: Tensor | None, **options: Any) -> list[Tensor]:
        leaves = dict(zip(names, given, strict=False))
        outputs = flat(function(*leaves.values(), **options))
        pairs = [(out, cotangent) for out, cotangent
                 in zip(outputs, given[len(names):], strict=True)
                 if out is not None and cotangent is not None and out.requires_grad]
        outs, cotangents = zip(*pairs, strict=True)
        inputs = [each for name in wanted if (each := leaves[name]) is not None]
        return list(torch.autograd.grad(outs, inputs, cotangents, create_graph=True,
                                        allow_unused=True, materialize_grads=True))
    return differentiated
