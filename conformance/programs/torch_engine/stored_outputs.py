"""Outputs that a backward pass takes as they were stored, rounded to the storage.

A softmax that gives bfloat16 has its output in bfloat16 when the backward pass needs it, whatever
it computes in. In some runs a tensor that autograd has kept, and that is one of the outputs, is
therefore handed out rounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch

from ..formats import Format
from .roundings import drawn

Tensor = torch.Tensor


class StoredOutputs:
    """What autograd keeps is handed out rounded where it is an output; as it is, without a format.
    """

    def __init__(self, form: Format | None, salt: int = 0):
        self.form, self.salt = form, salt
        self.outputs: list[Tensor] = []

    def know(self, outputs: Sequence[Tensor | None]) -> None:
        """The outputs of the forward pass, before the backward pass."""
        self.outputs = [each.detach() for each in outputs
                        if each is not None and each.dtype == torch.float64]

    def kept(self, tensor: Tensor) -> Tensor:
        return tensor

    def handed_out(self, tensor: Tensor) -> Tensor:
        assert self.form is not None
        if tensor.dtype != torch.float64 or not any(same(tensor, out) for out in self.outputs):
            return tensor
        tensor = tensor.detach()
        draw = drawn(tensor, self.salt)
        off = (draw * self.form.unit).add_(1.0).mul_(tensor)
        return off.addcmul_(tensor.sgn(), draw, value=self.form.smallest)

    @contextmanager
    def watching(self) -> Iterator[StoredOutputs]:
        hooks = torch.autograd.graph.saved_tensors_hooks(self.kept, self.handed_out)
        with nullcontext() if self.form is None else hooks:
            yield self


def same(one: Tensor, other: Tensor) -> bool:
    """Whether they hold the same numbers at the same places."""
    if one.shape != other.shape:
        return False
    return one.data_ptr() == other.data_ptr() or torch.equal(one, other)
