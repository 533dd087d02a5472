"""Average pooling of images, padding in the mean or left out of it."""

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .operation import Operation, wide


def plain(x, window, stride, padding, count_padding):
    padded = F.pad(x, (padding, padding, padding, padding))
    windows = padded.unfold(2, window, stride).unfold(3, window, stride)
    total = windows.sum((-1, -2))
    inside = F.pad(torch.ones_like(x[:1, :1]), (padding, padding, padding, padding))
    count = inside.unfold(2, window, stride).unfold(3, window, stride).sum((-1, -2))
    return total / (window * window if count_padding else count)


def counts(x, window, stride, padding, count_padding):
    """How many pixels each window has: the rectangle clipped to the image, as in a CUDA kernel."""
    if count_padding:
        return float(window * window)
    sides = []
    for size in x.shape[2:]:
        starts = torch.arange((size + 2 * padding - window) // stride + 1) * stride - padding
        sides.append((starts + window).clamp(max=size) - starts.clamp(min=0))
    return (sides[0][:, None] * sides[1][None, :]).to(wide(x).dtype)


class FusedAveragePool(torch.autograd.Function):
    """A loop over the window's offsets, each a strided slice: gathered forward, scattered backward."""

    @staticmethod
    def slices(i, j, stride, rows, columns):
        return (..., slice(i, i + stride * (rows - 1) + 1, stride), slice(j, j + stride * (columns - 1) + 1, stride))

    @staticmethod
    def forward(ctx, x, window, stride, padding, count_padding):
        padded = F.pad(wide(x), (padding,) * 4)
        rows, columns = ((size - window) // stride + 1 for size in padded.shape[2:])
        total = torch.zeros(*x.shape[:2], rows, columns, dtype=padded.dtype)
        for i in range(window):
            for j in range(window):
                total += padded[FusedAveragePool.slices(i, j, stride, rows, columns)]
        ctx.shape, ctx.how, ctx.dtype = x.shape, (window, stride, padding), x.dtype
        ctx.count = counts(x, window, stride, padding, count_padding)
        return (total / ctx.count).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        window, stride, padding = ctx.how
        share = wide(dy) / ctx.count
        n, c, h, w = ctx.shape
        dx = torch.zeros(n, c, h + 2 * padding, w + 2 * padding, dtype=share.dtype)
        for i in range(window):
            for j in range(window):
                dx[FusedAveragePool.slices(i, j, stride, *dy.shape[2:])] += share
        return dx[:, :, padding:padding + h, padding:padding + w].to(ctx.dtype), None, None, None, None


class SeparablePool(torch.autograd.Function):
    """Two products with matrices of zeros and ones, one a side."""

    @staticmethod
    def matrix(size, window, stride, padding, dtype):
        starts = torch.arange((size + 2 * padding - window) // stride + 1)[:, None] * stride - padding
        pixel = torch.arange(size)[None, :]
        return ((pixel >= starts) & (pixel < starts + window)).to(dtype)

    @staticmethod
    def forward(ctx, x, window, stride, padding, count_padding):
        x32 = wide(x)
        ctx.rows = SeparablePool.matrix(x.shape[2], window, stride, padding, x32.dtype)
        ctx.columns = SeparablePool.matrix(x.shape[3], window, stride, padding, x32.dtype)
        ctx.count, ctx.dtype = counts(x, window, stride, padding, count_padding), x.dtype
        return (ctx.rows @ x32 @ ctx.columns.t() / ctx.count).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        dx = ctx.rows.t() @ (wide(dy) / ctx.count) @ ctx.columns
        return dx.to(ctx.dtype), None, None, None, None


def fused(x, window, stride, padding, count_padding):
    return FusedAveragePool.apply(x, window, stride, padding, count_padding)


def other(x, window, stride, padding, count_padding):
    return SeparablePool.apply(x, window, stride, padding, count_padding)


OPERATION = Operation(
    "average pool", plain, fused, other,
    inputs={"x": ("N", "C", "H", "W")},
    sizes={"N": (1, 3), "C": (1, 5), "H": (3, 17), "W": (3, 17)},
    options={"window": [2, 3], "stride": [1, 2, 3], "padding": [0, 1], "count_padding": [True, False]},
)
