"""The losses and reductions as a user of PyTorch writes them.

F.binary_cross_entropy clamps its logarithms at -100, and p (1 - p) at 1e-12: the formula is written
out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor


def values(p: Tensor, t: Tensor) -> Tensor:
    """Class indices as one-hot rows."""
    return F.one_hot(t, p.shape[-1]).to(p.dtype) if t.ndim < p.ndim else t


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared_error": lambda p, t: F.mse_loss(p, t, reduction="none"),
    "absolute_error": lambda p, t: F.l1_loss(p, t, reduction="none"),
    "cross_entropy": lambda p, t: -(values(p, t) * p.log()).sum(-1),
    "softmax_cross_entropy": lambda z, t: -(values(z, t) * F.log_softmax(z, dim=-1)).sum(-1),
    "binary_cross_entropy": lambda p, t: -(t * p.log() + (1 - t) * (1 - p).log()),
    "sigmoid_cross_entropy":
        lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="none"),
    "inner_product": lambda p, t: p * t,
}

REDUCE: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": torch.sum,
    "mean_over_batch": lambda loss: loss.sum() / loss.shape[0],
    "mean": torch.mean,
}
