"""GEGLU: one half gates the other through GELU (tanh form)."""

import math

import torch
from torch.autograd.function import once_differentiable

from .operation import Operation, like, wide


def plain(a, b):
    inner = math.sqrt(2 / math.pi) * (a + 0.044715 * a ** 3)
    gelu = 0.5 * a * (1 + torch.tanh(inner))
    return gelu * b


class LigerGEGLU(torch.autograd.Function):
    """As in Liger: nothing but a and b is kept, GELU and its slope are computed again."""

    @staticmethod
    def parts(a):
        tanh_arg = 0.7978845608028654 * (a + 0.044715 * a * a * a)
        return torch.tanh(tanh_arg)

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        a32 = wide(a)
        geglu_a = 0.5 * a32 * (1 + LigerGEGLU.parts(a32))
        return (geglu_a * wide(b)).to(a.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dc):
        a, b = (wide(each) for each in ctx.saved_tensors)
        tanh_result, dc32 = LigerGEGLU.parts(a), wide(dc)
        db = dc32 * (0.5 * a * (1 + tanh_result))
        term1 = 0.5 * (1 + tanh_result)
        term2 = 0.5 * a * (1 - tanh_result * tanh_result) * (0.7978845608028654 * (1 + 3 * 0.044715 * a * a))
        da = dc32 * b * (term1 + term2)
        return da.to(dc.dtype), db.to(dc.dtype)


class SigmoidGEGLU(torch.autograd.Function):
    """(1 + tanh z) / 2 is sigmoid(2 z): fewer operations, another rounding."""

    @staticmethod
    def forward(ctx, a, b):
        a32, b32 = wide(a), wide(b)
        gate = torch.sigmoid(a32 * (1.5957691216057308 + 0.07135481282598872 * a32 * a32))
        ctx.save_for_backward(a, b)
        ctx.gate = gate
        return (a32 * gate * b32).to(a.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dc):
        a, b = ctx.saved_tensors
        a32, gate, g = wide(a), ctx.gate, wide(dc)
        slope = gate + a32 * gate * (1 - gate) * (1.5957691216057308 + 0.21406443847796616 * a32 * a32)
        return like(g * wide(b) * slope, a), like(g * a32 * gate, b)


def fused(a, b):
    return LigerGEGLU.apply(a, b)


def other(a, b):
    return SigmoidGEGLU.apply(a, b)


OPERATION = Operation("GEGLU", plain, fused, other, inputs={"a": ("N", "D"), "b": ("N", "D")})
