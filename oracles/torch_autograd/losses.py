"""The losses in PyTorch, reduced as PyTorch reduces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from ...reference.network import COTANGENT, WEIGHTED, LossSpec
from .. import row

Tensor = Any


def _reduced(unreduced: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """A loss PyTorch has no function for (or only a clamped one), reduced as PyTorch reduces."""
    return lambda p, t, reduction: _reduce(unreduced(p, t), reduction)


def _reduce(unreduced: Tensor, reduction: str) -> Tensor:
    return unreduced if reduction == "none" else getattr(unreduced, reduction)()


def _rows(p: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """(..., classes) as (rows, classes), where PyTorch looks for the classes.

    t becomes the same, or, where it is indices, (rows,).
    """
    rows = t.reshape(-1) if t.ndim < p.ndim else t.reshape(-1, t.shape[-1])
    return p.reshape(-1, p.shape[-1]), rows


def _cross_entropy(p: Tensor, t: Tensor, reduction: str, smoothing: float) -> Tensor:
    p, t = _rows(p, t)
    if smoothing:
        t = F.one_hot(t, p.shape[-1]).to(p.dtype) if t.ndim < p.ndim else t
        t = torch.lerp(t, torch.full_like(p, 1 / p.shape[-1]), smoothing)
    if t.ndim < p.ndim:
        return F.nll_loss(torch.log(p), t, reduction=reduction)
    return _reduce(-(t * torch.log(p)).sum(dim=-1), reduction)


def _kl(p: Tensor, t: Tensor) -> Tensor:
    return F.kl_div(torch.log(p), t, reduction="none").sum(dim=-1)


# A row is loss(p, t, reduction), with p: (batch, ..., units) and reduction "sum" or "mean" over the
# unreduced array, or "none"; those of OPTIONS take more of what the loss has.
# F.binary_cross_entropy clamps its logarithms at -100 and its p(1 - p) at 1e-12, so it is not used,
# and the "mean" of F.kl_div is to change.
LOSSES: dict[str, Callable[..., Tensor]] = {
    "squared_error": lambda p, t, reduction: F.mse_loss(p, t, reduction=reduction),
    "absolute_error": lambda p, t, reduction: F.l1_loss(p, t, reduction=reduction),
    "cross_entropy": _cross_entropy,
    "softmax_cross_entropy":
        lambda z, t, reduction, smoothing: F.cross_entropy(
            *_rows(z, t), reduction=reduction, label_smoothing=smoothing),
    "binary_cross_entropy": _reduced(lambda p, t: -(t * torch.log(p) + (1 - t) * torch.log1p(-p))),
    "sigmoid_cross_entropy":
        lambda z, t, reduction: F.binary_cross_entropy_with_logits(z, t, reduction=reduction),
    "inner_product": _reduced(torch.mul),
    "huber": lambda p, t, reduction, delta: F.huber_loss(p, t, reduction=reduction, delta=delta),
    "hinge": _reduced(lambda p, t: F.relu(1 - t * p)),
    "squared_hinge": _reduced(lambda p, t: F.relu(1 - t * p).square()),
    "kl_divergence": _reduced(_kl),
    "kl_divergence_of_logs": _reduced(lambda p, t: F.kl_div(p, t, reduction="none")),
}
OPTIONS = {"cross_entropy": ("smoothing",), "softmax_cross_entropy": ("smoothing",),
           "huber": ("delta",)}


def loss_of(spec: LossSpec, p: Tensor, t: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
    """The reduced, scaled loss of outputs p (batch, ..., units), and the penalty of the parameters.

    `parameters` are parameters and constants by global name.

    t is values of that shape, or class indices (batch, ...).
    """
    p = p.clamp(spec.clip, 1.0 - spec.clip) if spec.clip else p
    t = t if t.ndim < p.ndim else t.to(p.dtype)
    reduction = {"mean": "mean", WEIGHTED: "none"}.get(spec.reduction, "sum")
    options = {name: getattr(spec, name) for name in OPTIONS.get(spec.kind, ())}
    loss = row("torch", "loss", spec.kind, LOSSES)(p, t, reduction, **options)
    if spec.reduction == WEIGHTED:
        loss = torch.vdot(loss.reshape(-1), parameters[COTANGENT].reshape(-1))
    loss = spec.scale * (loss / p.shape[0] if spec.reduction == "mean_over_batch" else loss)
    return loss + _penalty(spec, parameters, p.shape[0]) if spec.l2 else loss


def _penalty(spec: LossSpec, parameters: Mapping[str, Tensor], examples: int) -> Tensor | float:
    """Half of l2 times the squares; over the examples where the description says so."""
    squares = [w.square().sum() for name, w in parameters.items() if spec.penalises(name)]
    whole = 0.5 * spec.l2 * sum(squares)
    return whole / examples if spec.l2_reduction == "mean_over_batch" else whole
