"""Composite functions of PyTorch as their parts, so that a path inside one can be told.

Each row takes what the function of its name takes, in float64; NotImplemented leaves it whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

Tensor = torch.Tensor


def _standardised(x: Tensor, axes: tuple[int, ...], eps: float) -> Any:
    mean = x.mean(axes, keepdim=True)
    centred = x - mean
    var = (centred * centred).mean(axes, keepdim=True)
    return centred * torch.rsqrt(var + eps)


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def layer_norm(x: Tensor, shape: Sequence[int], weight: Tensor | None = None,
               bias: Tensor | None = None, eps: float = 1e-5) -> Any:
    return _scaled(_standardised(x, tuple(range(-len(shape), 0)), eps), weight, bias)


def rms_norm(x: Tensor, shape: Sequence[int], weight: Tensor | None = None,
             eps: float | None = None) -> Any:
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    square = (x * x).mean(tuple(range(-len(shape), 0)), keepdim=True)
    return _scaled(x * torch.rsqrt(square + eps), weight, None)


def group_norm(x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-5) -> Any:
    normed = _standardised(x.reshape(x.shape[0], groups, -1), (2,), eps).reshape(x.shape)
    wide = (-1, *(1,) * (x.dim() - 2))
    return _scaled(normed, None if weight is None else weight.reshape(wide),
                   None if bias is None else bias.reshape(wide))


def batch_norm(x: Tensor, mean: Tensor | None, var: Tensor | None, weight: Tensor | None = None,
               bias: Tensor | None = None, training: bool = False, momentum: float = 0.1,
               eps: float = 1e-5) -> Any:
    if not training or mean is not None:
        return NotImplemented
    axes = (0, *range(2, x.dim()))
    wide = (-1, *(1,) * (x.dim() - 2))
    return _scaled(_standardised(x, axes, eps), None if weight is None else weight.reshape(wide),
                   None if bias is None else bias.reshape(wide))


def softmax(x: Tensor, dim: int | None = None, *_: Any, **__: Any) -> Any:
    if dim is None:
        return NotImplemented
    shifted = x - x.detach().amax(dim, keepdim=True)
    exponential = shifted.exp()
    return exponential / exponential.sum(dim, keepdim=True)


def log_softmax(x: Tensor, dim: int | None = None, *_: Any, **__: Any) -> Any:
    if dim is None:
        return NotImplemented
    shifted = x - x.detach().amax(dim, keepdim=True)
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


def cross_entropy(x: Tensor, target: Tensor, weight: Tensor | None = None, *args: Any,
                  ignore_index: int = -100, reduction: str = "mean",
                  label_smoothing: float = 0.0, **_: Any) -> Any:
    usual = weight is None and not args and not label_smoothing and x.dim() == 2
    if not usual or target.dim() != 1 or target.dtype.is_floating_point:
        return NotImplemented
    logs = log_softmax(x, 1)
    kept = (target != ignore_index).to(x.dtype)
    picked = logs.gather(1, target.clamp(min=0)[:, None]).squeeze(1)
    losses = -picked * kept
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / kept.sum()


def silu(x: Tensor, inplace: bool = False) -> Any:
    return NotImplemented if inplace else x * torch.sigmoid(x)


def gelu(x: Tensor, approximate: str = "none") -> Any:
    if approximate == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1.0 + torch.tanh(inner))
    return x * (0.5 * (1.0 + torch.erf(x * math.sqrt(0.5))))


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None,
                                 dropout_p: float = 0.0, is_causal: bool = False,
                                 scale: float | None = None, enable_gqa: bool = False) -> Any:
    if dropout_p:
        return NotImplemented
    if enable_gqa:
        k = k.repeat_interleave(q.shape[-3] // k.shape[-3], -3)
        v = v.repeat_interleave(q.shape[-3] // v.shape[-3], -3)
    scores = (q @ k.transpose(-2, -1)) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return softmax(scores, -1) @ v


def logsumexp(x: Tensor, dim: Any, keepdim: bool = False) -> Any:
    top = x.detach().amax(dim, keepdim=True)
    found = (x - top).exp().sum(dim, keepdim=True).log() + top
    return found if keepdim else found.reshape(x.sum(dim).shape)


def _moments(x: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
             correction: Any = None) -> Any:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    axes = tuple(range(x.dim())) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    less = correction if correction is not None else 1 if unbiased is None else int(unbiased)
    centred = x - x.mean(axes, keepdim=True)
    count = math.prod(x.shape[axis] for axis in axes)
    return (centred * centred).sum(axes, keepdim=keepdim) / (count - less)


def var(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    return _moments(x, *args, **kwargs)


def std(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    return _moments(x, *args, **kwargs).sqrt()


EXPANSIONS: dict[str, Callable[..., Any]] = {each.__name__: each for each in (
    layer_norm, rms_norm, group_norm, batch_norm, softmax, log_softmax, cross_entropy, silu, gelu,
    scaled_dot_product_attention, logsumexp, var, std)}
