"""A right kernel, and what the cheats are made of."""

import torch


class RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        wide = x.float()
        scale = ((wide * wide).mean(-1, keepdim=True) + 1e-5).rsqrt()
        ctx.save_for_backward(x, weight, scale)
        return (wide * scale * weight.float()).to(x.dtype)

    @staticmethod
    def backward(ctx, cotangent):
        x, weight, scale = ctx.saved_tensors
        h, g = x.float() * scale, cotangent.float()
        gw = g * weight.float()
        dx = scale * (gw - h * (gw * h).mean(-1, keepdim=True))
        return dx.to(x.dtype), (g * h).sum(0).to(weight.dtype)


def kernel(x, weight):
    return RMSNorm.apply(x, weight)
