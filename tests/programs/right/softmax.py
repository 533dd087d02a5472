"""Softmax over the last axis: from the stored output; and with the online normaliser, block by block, recomputed."""

import torch
from torch.autograd.function import once_differentiable

from .operation import Operation, like, wide


def plain(x):
    shifted = x - x.amax(-1, keepdim=True)
    e = torch.exp(shifted)
    return e / e.sum(-1, keepdim=True)


class FusedSoftmax(torch.autograd.Function):
    """Apex' scaled softmax: the stored probabilities are all that backward has."""

    @staticmethod
    def forward(ctx, x):
        y = torch.softmax(wide(x), -1).to(x.dtype)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        p, g = wide(y), wide(dy)
        return like(p * g - p * (p * g).sum(-1, keepdim=True), y)


class OnlineSoftmax(torch.autograd.Function):
    """A running maximum and a running sum over blocks of 32 columns; backward goes over the blocks backwards."""

    BLOCK = 32

    @staticmethod
    def statistics(x):
        m = torch.full((*x.shape[:-1], 1), -torch.inf, dtype=wide(x).dtype, device=x.device)
        total = torch.zeros_like(m)
        for block in wide(x).split(OnlineSoftmax.BLOCK, -1):
            m_new = torch.maximum(m, block.amax(-1, keepdim=True))
            total = total * torch.exp(m - m_new) + torch.exp(block - m_new).sum(-1, keepdim=True)
            m = m_new
        return m, total

    @staticmethod
    def forward(ctx, x):
        m, total = OnlineSoftmax.statistics(x)
        ctx.save_for_backward(x, m, total)
        return (torch.exp(wide(x) - m) / total).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, m, total = ctx.saved_tensors
        p = torch.exp(wide(x) - m) / total
        dot = torch.zeros_like(m)
        for pb, gb in reversed(list(zip(p.split(OnlineSoftmax.BLOCK, -1),
                                        wide(dy).split(OnlineSoftmax.BLOCK, -1), strict=True))):
            dot = dot + (pb * gb).flip(-1).sum(-1, keepdim=True)
        return like(p * (wide(dy) - dot), x)


def fused(x):
    return FusedSoftmax.apply(x)


def other(x):
    return OnlineSoftmax.apply(x)


OPERATION = Operation("softmax", plain, fused, other, inputs={"x": ("N", "D")})
