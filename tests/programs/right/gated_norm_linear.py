"""RMS norm, gated by silu, then a linear layer: as at the end of a linear attention."""

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .operation import Operation, like, wide


def plain(x, gate, norm_weight, weight, bias, eps):
    normed = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * norm_weight
    gated = normed * F.silu(gate)
    y = gated @ weight.t()
    return y if bias is None else y + bias


class FusedNormGateLinear(torch.autograd.Function):
    """FLA's way: the gated value is recomputed in backward, first for dW, then for the norm."""

    @staticmethod
    def recompute(x, gate, norm_weight, eps):
        x32, g32 = wide(x), wide(gate)
        rstd = torch.rsqrt((x32 * x32).mean(-1, keepdim=True) + eps)
        xhat, sig = x32 * rstd, torch.sigmoid(g32)
        return xhat, rstd, g32, sig, xhat * wide(norm_weight) * g32 * sig

    @staticmethod
    def forward(ctx, x, gate, norm_weight, weight, bias, eps):
        ctx.save_for_backward(x, gate, norm_weight, weight, bias)
        ctx.eps = eps
        gated = FusedNormGateLinear.recompute(x, gate, norm_weight, eps)[-1]
        return F.linear(gated, wide(weight), wide(bias)).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        x, gate, norm_weight, weight, bias = ctx.saved_tensors
        xhat, rstd, g, sig, gated = FusedNormGateLinear.recompute(x, gate, norm_weight, ctx.eps)
        dout32, w = wide(dout), wide(norm_weight)
        dy, dlinear_weight = dout32 @ wide(weight), dout32.t() @ gated
        dgate = dy * xhat * w * (sig + g * sig * (1 - sig))
        dnorm = dy * g * sig
        wdy = dnorm * w
        dx = (wdy - xhat * (wdy * xhat).mean(-1, keepdim=True)) * rstd
        return (like(dx, x), like(dgate, gate), like((dnorm * xhat).sum(0), norm_weight),
                like(dlinear_weight, weight), None if bias is None else like(dout32.sum(0), bias), None)


class RowByRowNormGateLinear(torch.autograd.Function):
    """One row after the other, as a teacher would: outer products are added up from the last row."""

    @staticmethod
    def forward(ctx, x, gate, norm_weight, weight, bias, eps):
        ctx.save_for_backward(x, gate, norm_weight, weight, bias)
        ctx.eps, out = eps, torch.empty(x.shape[0], weight.shape[0], dtype=x.dtype)
        for i in range(len(x)):
            row, g = wide(x[i]), wide(gate[i])
            y = wide(weight) @ (row / (row.dot(row) / len(row) + eps).sqrt() * wide(norm_weight) * g / (1 + torch.exp(-g)))
            out[i] = y if bias is None else y + wide(bias)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        x, gate, norm_weight, weight, bias = ctx.saved_tensors
        dx, dgate = torch.empty_like(x), torch.empty_like(gate)
        dnorm, dw, w = torch.zeros_like(wide(norm_weight)), torch.zeros_like(wide(weight)), wide(norm_weight)
        db = None if bias is None else torch.zeros_like(wide(bias))
        for i in reversed(range(len(x))):
            row, g, d = wide(x[i]), wide(gate[i]), wide(dout[i])
            rms = (row.dot(row) / len(row) + ctx.eps).sqrt()
            unit, sig = row / rms, 1 / (1 + torch.exp(-g))
            back = wide(weight).t() @ d
            dw += torch.outer(d, unit * w * g * sig)
            dgate[i] = back * unit * w * sig * (1 + g * (1 - sig))
            dnorm += back * g * sig * unit
            through = back * g * sig * w
            dx[i] = (through - unit * (through.dot(unit) / len(row))) / rms
            if db is not None:
                db += d
        return dx, dgate, like(dnorm, norm_weight), like(dw, weight), like(db, x), None


def fused(x, gate, norm_weight, weight, bias, eps):
    return FusedNormGateLinear.apply(x, gate, norm_weight, weight, bias, eps)


def other(x, gate, norm_weight, weight, bias, eps):
    return RowByRowNormGateLinear.apply(x, gate, norm_weight, weight, bias, eps)


OPERATION = Operation(
    "gated norm + linear", plain, fused, other,
    inputs={"x": ("N", "D"), "gate": ("N", "D"), "norm_weight": ("D",), "weight": ("O", "D"),
            "bias": {"shape": ("O",), "optional": True}},
    sizes={"N": (1, 40), "D": [1, 2, 3, 31, 32, 33, 65], "O": [1, 2, 5, 16, 33]},
    options={"eps": [1e-5]},
)
