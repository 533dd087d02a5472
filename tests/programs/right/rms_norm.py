"""RMS norm of a stream with a residual, prenorm style: both the normalised stream and the stream itself come out."""

import torch
from torch.autograd.function import once_differentiable

from .operation import Operation, like, wide


def plain(x, residual, weight, eps):
    h = x + residual
    mean_square = h.pow(2).mean(-1, keepdim=True)
    normed = h * torch.rsqrt(mean_square + eps)
    return normed * weight, h


class FusedAddRMSNorm(torch.autograd.Function):
    """Liger's way: rstd is saved, dW is a sum over rows, one dx serves both addends."""

    @staticmethod
    def forward(ctx, x, residual, weight, eps):
        s = wide(x) + wide(residual)
        rstd = torch.rsqrt(s.square().mean(-1, keepdim=True) + eps)
        ctx.save_for_backward(x, residual, weight, rstd)
        ctx.set_materialize_grads(False)
        return (s * rstd * wide(weight)).to(x.dtype), s.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy, dh):
        x, residual, weight, rstd = ctx.saved_tensors
        s = wide(x) + wide(residual)
        dx, dw = torch.zeros_like(s), torch.zeros_like(wide(weight))
        if dy is not None:
            m, n_cols = wide(dy) * wide(weight), s.shape[-1]
            inner = (m * s).sum(-1, keepdim=True)
            dx = rstd * m + rstd * (-(1 / n_cols) * rstd * rstd * inner * s)
            dw = (wide(dy) * (s * rstd)).reshape(-1, n_cols).sum(0)
        if dh is not None:
            dx = dx + wide(dh)
        return like(dx, x), like(dx, residual), like(dw, weight), None


def pairwise(rows):
    """The sum over the first axis as a tree."""
    while len(rows) > 1:
        half = len(rows) // 2
        rows = torch.cat([rows[:half] + rows[half:2 * half], rows[2 * half:]])
    return rows[0]


class TreeAddRMSNorm(torch.autograd.Function):
    """Nothing but the inputs is saved; sums over columns are pairwise, and so are those over rows."""

    @staticmethod
    def statistics(x, residual, eps):
        h = wide(x) + wide(residual)
        width = h.shape[-1]
        squares = pairwise((h * h).reshape(-1, width).t().contiguous())
        return h, 1 / torch.sqrt(squares / width + eps).view(*h.shape[:-1], 1)

    @staticmethod
    def forward(ctx, x, residual, weight, eps):
        ctx.save_for_backward(x, residual, weight)
        ctx.eps = eps
        h, rstd = TreeAddRMSNorm.statistics(x, residual, eps)
        return (h * rstd * wide(weight)).to(x.dtype), h.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy, dh):
        x, residual, weight = ctx.saved_tensors
        h, rstd = TreeAddRMSNorm.statistics(x, residual, ctx.eps)
        width, xhat = h.shape[-1], h * rstd
        wdy = wide(dy) * wide(weight)
        c1 = pairwise((xhat * wdy).reshape(-1, width).t().contiguous()).view(rstd.shape) / width
        dx = (wdy - xhat * c1) * rstd + wide(dh)
        dw = pairwise((wide(dy) * xhat).reshape(-1, width))
        return like(dx, x), like(dx, residual), like(dw, weight), None


def fused(x, residual, weight, eps):
    return FusedAddRMSNorm.apply(x, residual, weight, eps)


def other(x, residual, weight, eps):
    return TreeAddRMSNorm.apply(x, residual, weight, eps)


OPERATION = Operation(
    "rms norm + residual", plain, fused, other,
    inputs={"x": ("N", "D"), "residual": ("N", "D"), "weight": ("D",)},
    options={"eps": [1e-6, 1e-5]},
)
