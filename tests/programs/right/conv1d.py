"""Grouped convolution of sequences: im2col and one product a group; and tap by tap."""

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .operation import Operation, like, wide


def plain(x, weight, bias, groups, stride, padding):
    padded = F.pad(x, (padding, padding))
    windows = padded.unfold(2, weight.shape[2], stride)
    windows = windows.unflatten(1, (groups, -1))
    kernels = weight.unflatten(0, (groups, -1))
    y = torch.einsum("ngclk,gock->ngol", windows, kernels).flatten(1, 2)
    return y if bias is None else y + bias[:, None]


class Im2ColConv(torch.autograd.Function):
    """Columns (C k, L) for each image and group; col2im adds the taps up again."""

    @staticmethod
    def columns(x, weight, groups, stride, padding):
        taps = weight.shape[2]
        unfolded = F.pad(wide(x), (padding, padding)).unfold(2, taps, stride)
        n, c, length, _ = unfolded.shape
        return unfolded.reshape(n, groups, c // groups, length, taps).permute(0, 1, 2, 4, 3).flatten(2, 3)

    @staticmethod
    def forward(ctx, x, weight, bias, groups, stride, padding):
        ctx.save_for_backward(x, weight, bias)
        ctx.how = groups, stride, padding
        w = wide(weight).reshape(groups, weight.shape[0] // groups, -1)
        y = (w @ Im2ColConv.columns(x, weight, groups, stride, padding)).flatten(1, 2)
        return (y if bias is None else y + wide(bias)[:, None]).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, weight, bias = ctx.saved_tensors
        groups, stride, padding = ctx.how
        w = wide(weight).reshape(groups, weight.shape[0] // groups, -1)
        g = wide(dy).reshape(x.shape[0], groups, -1, dy.shape[2])
        dw = (g @ Im2ColConv.columns(x, weight, groups, stride, padding).transpose(-1, -2)).sum(0)
        cols = (w.transpose(-1, -2) @ g).unflatten(2, (-1, weight.shape[2])).flatten(1, 2)
        dx = torch.zeros(*x.shape[:2], x.shape[2] + 2 * padding, dtype=cols.dtype)
        for tap in range(weight.shape[2]):
            dx[:, :, tap:tap + stride * dy.shape[2]:stride] += cols[:, :, tap]
        dx = dx[:, :, padding:padding + x.shape[2]]
        db = None if bias is None else wide(dy).sum((0, 2)).to(bias.dtype)
        return like(dx, x), like(dw.view(weight.shape), weight), db, None, None, None


class TapByTapConv(torch.autograd.Function):
    """No columns: a small product for each tap and group, taps from the last to the first."""

    @staticmethod
    def forward(ctx, x, weight, bias, groups, stride, padding):
        ctx.save_for_backward(x, weight, bias)
        ctx.how = groups, stride, padding
        padded, length = F.pad(wide(x), (padding, padding)), (x.shape[2] + 2 * padding - weight.shape[2]) // stride + 1
        y = torch.zeros(x.shape[0], weight.shape[0], length, dtype=padded.dtype)
        for tap in reversed(range(weight.shape[2])):
            at = padded[:, :, tap:tap + stride * (length - 1) + 1:stride].unflatten(1, (groups, -1))
            w = wide(weight)[:, :, tap].unflatten(0, (groups, -1))
            y += torch.einsum("goc,ngcl->ngol", w, at).flatten(1, 2)
        return (y if bias is None else y + wide(bias)[:, None]).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, weight, bias = ctx.saved_tensors
        groups, stride, padding = ctx.how
        padded, g = F.pad(wide(x), (padding, padding)), wide(dy).unflatten(1, (groups, -1))
        dpadded, dw = torch.zeros_like(padded), torch.zeros_like(wide(weight))
        for tap in reversed(range(weight.shape[2])):
            span = slice(tap, tap + stride * (dy.shape[2] - 1) + 1, stride)
            w = wide(weight)[:, :, tap].unflatten(0, (groups, -1))
            dpadded[:, :, span] += torch.einsum("goc,ngol->ngcl", w, g).flatten(1, 2)
            taps = torch.einsum("ngol,ngcl->goc", g.flip(0), padded[:, :, span].unflatten(1, (groups, -1)).flip(0))
            dw[:, :, tap] = taps.flatten(0, 1)
        dx = dpadded[:, :, padding:padding + x.shape[2]]
        db = None if bias is None else like(wide(dy).flip(2).sum(2).flip(0).sum(0), bias)
        return like(dx, x), like(dw, weight), db, None, None, None


def fused(x, weight, bias, groups, stride, padding):
    return Im2ColConv.apply(x, weight, bias, groups, stride, padding)


def other(x, weight, bias, groups, stride, padding):
    return TapByTapConv.apply(x, weight, bias, groups, stride, padding)


OPERATION = Operation(
    "conv1d", plain, fused, other,
    inputs={"x": ("N", "G*C", "L"), "weight": ("G*O", "C", "K"), "bias": {"shape": ("G*O",), "optional": True}},
    sizes={"N": (1, 4), "G": (1, 4), "C": (1, 4), "O": (1, 4), "K": (1, 4), "L": (4, 70)},
    options={"groups": "G", "stride": [1, 2], "padding": [0, 1, 2]},
)
