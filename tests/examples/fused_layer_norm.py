import torch
from backproof import program


def plain(x, weight, bias):
    mean = x.mean(-1, keepdim=True)
    var = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias


class FusedLayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        wide = x.float()
        mean = wide.mean(-1, keepdim=True)
        rstd = ((wide - mean).square().mean(-1, keepdim=True) + 1e-5).rsqrt()
        ctx.save_for_backward(x, weight, mean, rstd)
        return ((wide - mean) * rstd * weight + bias).to(x.dtype)

    @staticmethod
    def backward(ctx, dy):
        x, weight, mean, rstd = ctx.saved_tensors
        xhat = (x.float() - mean) * rstd
        dxhat = dy.float() * weight
        dx = rstd * (dxhat - dxhat.mean(-1, keepdim=True) - xhat * (dxhat * xhat).mean(-1, keepdim=True))
        return dx.to(x.dtype), (dy * xhat).sum(0).to(x.dtype), dy.float().sum(0).to(x.dtype)


@program(plain=plain, inputs={"x": ("N", "D"), "weight": ("D",), "bias": ("D",)},
         dtypes=["float32", "bfloat16", "float16"], arithmetic="float32")
def layer_norm(x, weight, bias):
    return FusedLayerNorm.apply(x, weight, bias)
