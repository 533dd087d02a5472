"""Layer norms by hand: a right one, wrong ones in several ways, and their plain form."""

import torch

EPS = 1e-5


def plain(x, weight, bias):
    mean = x.mean(-1, keepdim=True)
    var = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) * torch.rsqrt(var + EPS) * weight + bias


class LayerNorm(torch.autograd.Function):
    """float32 inside; what each step of the backward is can be overridden."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        wide = x.float()
        mean = wide.mean(-1, keepdim=True)
        inverse = torch.rsqrt(((wide - mean) ** 2).mean(-1, keepdim=True) + EPS)
        ctx.save_for_backward(x, weight, mean, inverse)
        return ((wide - mean) * inverse * weight.float() + bias.float()).to(x.dtype)

    @classmethod
    def backward(cls, ctx, upstream):
        x, weight, mean, inverse = ctx.saved_tensors
        unit = (x.float() - mean) * inverse
        upstream = upstream.float()
        dx = cls.dx(upstream * weight.float(), unit, inverse)
        return dx.to(x.dtype), cls.dw(upstream, unit).to(x.dtype), upstream.sum(0).to(x.dtype)

    @staticmethod
    def dx(g, unit, inverse):
        return inverse * (g - g.mean(-1, keepdim=True) - unit * (g * unit).mean(-1, keepdim=True))

    @staticmethod
    def dw(upstream, unit):
        return (upstream * unit).sum(0)


class WithoutMean(LayerNorm):
    @staticmethod
    def dx(g, unit, inverse):
        return inverse * (g - unit * (g * unit).mean(-1, keepdim=True))


class MeanOfRows(LayerNorm):
    @staticmethod
    def dw(upstream, unit):
        return (upstream * unit).mean(0)


class NoWeight(LayerNorm):
    @classmethod
    def backward(cls, ctx, upstream):
        dx, _, db = super().backward(ctx, upstream)
        return dx, None, db


class Unsummed(LayerNorm):
    @staticmethod
    def forward(ctx, x, weight, bias):
        return LayerNorm.forward(ctx, x, weight, bias).mean(0, keepdim=True)


class InPlace(LayerNorm):
    @staticmethod
    def forward(ctx, x, weight, bias):
        y = LayerNorm.forward(ctx, x, weight, bias)
        with torch.no_grad():
            weight *= 2
        return y


class InSixteenBits(LayerNorm):
    """The upstream gradient is reduced in the storage dtype."""

    @staticmethod
    def dw(upstream, unit):
        total = torch.zeros_like(upstream[0], dtype=torch.bfloat16)
        for row in (upstream * unit).bfloat16():
            total = total + row
        return total.float()


class Random(LayerNorm):
    @staticmethod
    def dx(g, unit, inverse):
        return LayerNorm.dx(g, unit, inverse) * (1 + 1e-6 * torch.rand(()))
