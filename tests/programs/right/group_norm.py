"""Group norm over images: by reshaping as in a reference implementation; and group by group as a kernel's grid."""

import torch
from torch.autograd.function import once_differentiable

from .operation import Operation, like, wide


def plain(x, weight, bias, groups, eps):
    grouped = x.reshape(x.shape[0], groups, -1)
    mean = grouped.mean(2, keepdim=True)
    var = ((grouped - mean) ** 2).mean(2, keepdim=True)
    xhat = ((grouped - mean) / torch.sqrt(var + eps)).reshape(x.shape)
    return xhat * weight[:, None, None] + bias[:, None, None]


class FusedGroupNorm(torch.autograd.Function):
    """PyTorch's formula: ds and db are sums over the pixels of a channel, everything follows from these."""

    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps):
        n, c = x.shape[:2]
        grouped = wide(x).reshape(n, groups, -1)
        mean = grouped.mean(2)
        rstd = torch.rsqrt(grouped.var(2, correction=0) + eps)
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        ctx.groups = groups
        xhat = ((grouped - mean[..., None]) * rstd[..., None]).view(n, c, *x.shape[2:])
        return (xhat * wide(weight).view(1, c, 1, 1) + wide(bias).view(1, c, 1, 1)).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, weight, bias, mean, rstd = ctx.saved_tensors
        n, c, g = *x.shape[:2], ctx.groups
        dy32 = wide(dy).reshape(n, g, c // g, -1)
        xhat = (wide(x).reshape(n, g, c // g, -1) - mean[..., None, None]) * rstd[..., None, None]
        gamma = wide(weight).view(1, g, c // g, 1)
        ds, db = (dy32 * xhat).sum(3), dy32.sum(3)
        size = xhat.shape[2] * xhat.shape[3]
        c1 = (ds * gamma[..., 0]).sum(2)[..., None, None] / size
        c2 = (db * gamma[..., 0]).sum(2)[..., None, None] / size
        dx = rstd[..., None, None] * (dy32 * gamma - c2 - xhat * c1)
        return (like(dx.reshape(x.shape), x), like(ds.sum(0).view(c), weight),
                like(db.sum(0).view(c), bias), None, None)


class GridGroupNorm(torch.autograd.Function):
    """One program for each image and group; gradients of the parameters are added up image by image, backwards."""

    @staticmethod
    def tile(x, groups, i, j):
        size = x.shape[1] // groups
        return wide(x[i, j * size:(j + 1) * size]).reshape(size, -1)

    @staticmethod
    def normalised(tile, eps):
        centred = tile - tile.sum(0).sum() / tile.numel()
        rstd = 1 / ((centred * centred).sum(1).sum() / tile.numel() + eps).sqrt()
        return centred * rstd, rstd

    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps):
        ctx.save_for_backward(x, weight, bias)
        ctx.groups, ctx.eps, y, size = groups, eps, torch.empty_like(x), x.shape[1] // groups
        for i in range(x.shape[0]):
            for j in range(groups):
                channels = slice(j * size, (j + 1) * size)
                xhat, _ = GridGroupNorm.normalised(GridGroupNorm.tile(x, groups, i, j), eps)
                affine = xhat * wide(weight[channels, None]) + wide(bias[channels, None])
                y[i, channels] = affine.view(size, *x.shape[2:]).to(x.dtype)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, weight, bias = ctx.saved_tensors
        size, dx = x.shape[1] // ctx.groups, torch.empty_like(x)
        dw, db = torch.zeros_like(wide(weight)), torch.zeros_like(wide(bias))
        for i in reversed(range(x.shape[0])):
            for j in range(ctx.groups):
                channels = slice(j * size, (j + 1) * size)
                xhat, rstd = GridGroupNorm.normalised(GridGroupNorm.tile(x, ctx.groups, i, j), ctx.eps)
                g = GridGroupNorm.tile(dy, ctx.groups, i, j)
                scaled = g * wide(weight[channels, None])
                c1, c2 = (scaled * xhat).sum(0).sum() / g.numel(), scaled.sum(0).sum() / g.numel()
                dx[i, channels] = (rstd * (scaled - c2 - xhat * c1)).view(size, *x.shape[2:]).to(x.dtype)
                dw[channels] += (g * xhat).sum(1)
                db[channels] += g.sum(1)
        return dx, like(dw, weight), like(db, bias), None, None


def fused(x, weight, bias, groups, eps):
    return FusedGroupNorm.apply(x, weight, bias, groups, eps)


def other(x, weight, bias, groups, eps):
    return GridGroupNorm.apply(x, weight, bias, groups, eps)


OPERATION = Operation(
    "group norm", plain, fused, other,
    inputs={"x": ("N", "G*C", "H", "W"), "weight": ("G*C",), "bias": ("G*C",)},
    sizes={"N": (1, 4), "G": (1, 4), "C": (1, 5), "H": (1, 9), "W": (1, 9)},
    options={"groups": "G", "eps": [1e-5]},
)
