"""Layer norm: saved statistics as in Apex; and in blocks of rows and columns as a Triton kernel has them."""

import torch
from torch.autograd.function import once_differentiable

from .operation import Operation, like, wide


def plain(x, weight, bias, eps):
    mean = x.mean(-1, keepdim=True)
    centred = x - mean
    var = (centred * centred).mean(-1, keepdim=True)
    xhat = centred / torch.sqrt(var + eps)
    return xhat * weight + bias


class FusedLayerNorm(torch.autograd.Function):
    """mean and invvar are saved, c1 and c2 are the two projections."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        x32 = wide(x)
        var, mean = torch.var_mean(x32, -1, correction=0, keepdim=True)
        invvar = torch.rsqrt(var + eps)
        ctx.save_for_backward(x, weight, bias, mean, invvar)
        return ((x32 - mean) * invvar * wide(weight) + wide(bias)).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, weight, bias, mean, invvar = ctx.saved_tensors
        dy32, xhat = wide(dy), (wide(x) - mean) * invvar
        wdy = dy32 * wide(weight)
        c1 = (xhat * wdy).mean(-1, keepdim=True)
        c2 = wdy.mean(-1, keepdim=True)
        dx = (wdy - (xhat * c1 + c2)) * invvar
        rows = tuple(range(x.dim() - 1))
        return like(dx, x), like((dy32 * xhat).sum(rows), weight), like(dy32.sum(rows), bias), None


class BlockedLayerNorm(torch.autograd.Function):
    """Blocks of 16 rows; a partial sum for each block, and these from the last to the first."""

    ROWS, LANES = 16, 64

    @staticmethod
    def row_sum(tile):
        lanes = [part.sum(1) for part in tile.split(BlockedLayerNorm.LANES, 1)]
        return sum(reversed(lanes[:-1]), lanes[-1])[:, None]

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        ctx.save_for_backward(x, weight, bias)
        ctx.eps, y = eps, torch.empty_like(x, memory_format=torch.contiguous_format)
        rows, out = x.reshape(-1, x.shape[-1]), y.view(-1, x.shape[-1])
        for start in range(0, len(rows), BlockedLayerNorm.ROWS):
            block = slice(start, start + BlockedLayerNorm.ROWS)
            xhat, _ = BlockedLayerNorm.normalised(wide(rows[block]), eps)
            out[block] = (xhat * wide(weight) + wide(bias)).to(x.dtype)
        return y

    @staticmethod
    def normalised(tile, eps):
        width = tile.shape[1]
        centred = tile - BlockedLayerNorm.row_sum(tile) / width
        rstd = 1 / torch.sqrt(BlockedLayerNorm.row_sum(centred * centred) / width + eps)
        return centred * rstd, rstd

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, weight, _ = ctx.saved_tensors
        width = x.shape[-1]
        rows, dys, dx = x.reshape(-1, width), dy.reshape(-1, width), []
        dw, db = [], []
        for start in range(0, len(rows), BlockedLayerNorm.ROWS):
            tile, dtile = (wide(each[start:start + BlockedLayerNorm.ROWS]) for each in (rows, dys))
            xhat, rstd = BlockedLayerNorm.normalised(tile, ctx.eps)
            wdy = dtile * wide(weight)
            project = BlockedLayerNorm.row_sum(wdy * xhat) / width
            dx.append(rstd * (wdy - BlockedLayerNorm.row_sum(wdy) / width - xhat * project))
            dw.append((dtile * xhat).flip(0).sum(0))
            db.append(dtile.flip(0).sum(0))
        sums = (sum(reversed(each[:-1]), each[-1]) for each in (dw, db))
        dweight, dbias = (like(each, weight) for each in sums)
        return torch.cat(dx).view(x.shape).to(x.dtype), dweight, dbias, None


def fused(x, weight, bias, eps):
    return FusedLayerNorm.apply(x, weight, bias, eps)


def other(x, weight, bias, eps):
    return BlockedLayerNorm.apply(x, weight, bias, eps)


OPERATION = Operation(
    "layer norm", plain, fused, other,
    inputs={"x": ("B", "T", "D"), "weight": ("D",), "bias": ("D",)},
    options={"eps": [1e-5, 1e-3]},
)
