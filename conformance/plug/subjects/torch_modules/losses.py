"""The losses and reductions as a user of PyTorch writes them.

F.binary_cross_entropy clamps its logarithms at -100, and p (1 - p) at 1e-12: the formula is written
out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor

from ....reference import LossSpec


def values(p: Tensor, t: Tensor) -> Tensor:
    """Class indices as one-hot rows."""
    return F.one_hot(t, p.shape[-1]).to(p.dtype) if t.ndim < p.ndim else t


def log_loss(p: Tensor, t: Tensor, spec: LossSpec) -> Tensor:
    t, e = values(p, t), spec.smoothing
    return -(((1 - e) * t + e / p.shape[-1]) * p.log()).sum(-1)


def cross_entropy(z: Tensor, t: Tensor, spec: LossSpec) -> Tensor:
    """PyTorch's, which wants the classes on the second axis."""
    t = t if t.ndim < z.ndim else t.movedim(-1, 1) if z.ndim > 2 else t
    z = z.movedim(-1, 1) if z.ndim > 2 else z
    return F.cross_entropy(z, t, reduction="none", label_smoothing=spec.smoothing)


LOSSES: dict[str, Callable[[Tensor, Tensor, LossSpec], Tensor]] = {
    "squared_error": lambda p, t, spec: F.mse_loss(p, t, reduction="none"),
    "absolute_error": lambda p, t, spec: F.l1_loss(p, t, reduction="none"),
    "cross_entropy": log_loss,
    "softmax_cross_entropy": cross_entropy,
    "binary_cross_entropy": lambda p, t, spec: -(t * p.log() + (1 - t) * (1 - p).log()),
    "sigmoid_cross_entropy":
        lambda z, t, spec: F.binary_cross_entropy_with_logits(z, t, reduction="none"),
    "inner_product": lambda p, t, spec: p * t,
    "huber": lambda p, t, spec: F.huber_loss(p, t, reduction="none", delta=spec.delta),
    "hinge": lambda p, t, spec: (1 - t * p).clamp(min=0),
    "squared_hinge": lambda p, t, spec: (1 - t * p).clamp(min=0) ** 2,
    "kl_divergence": lambda p, t, spec: F.kl_div(p.log(), t, reduction="none").sum(-1),
    "kl_divergence_of_logs": lambda p, t, spec: F.kl_div(p, t, reduction="none"),
}

REDUCE: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": torch.sum,
    "mean_over_batch": lambda loss: loss.sum() / loss.shape[0],
    "mean": torch.mean,
    "weighted": torch.sum,
}
