"""A layer norm in Triton: one row a program, the sums over rows in partial buffers, float32 inside.

    python -m backproof verify tests/examples/triton_layer_norm.py:layer_norm --device cuda
    TRITON_INTERPRET=1 python -m backproof verify tests/examples/triton_layer_norm.py:layer_norm
"""

import torch
import triton
import triton.language as tl
from backproof import program


def plain(x, weight, bias):
    mean = x.mean(-1, keepdim=True)
    var = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) * torch.rsqrt(var + 1e-5) * weight + bias


@triton.jit
def forward_kernel(x, w, b, y, mean, rstd, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < columns
    values = tl.load(x + row * columns + at, mask=inside, other=0.0).to(tl.float32)
    middle = tl.sum(values, 0) / columns
    centred = tl.where(inside, values - middle, 0.0)
    scale = 1 / tl.sqrt(tl.sum(centred * centred, 0) / columns + 1e-5)
    weight = tl.load(w + at, mask=inside, other=0.0).to(tl.float32)
    bias = tl.load(b + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + row * columns + at, centred * scale * weight + bias, mask=inside)
    tl.store(mean + row, middle)
    tl.store(rstd + row, scale)


@triton.jit
def backward_kernel(x, w, dy, dx, dw, db, mean, rstd, rows, columns, EACH: tl.constexpr, BLOCK: tl.constexpr):
    block = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < columns
    weight = tl.load(w + at, mask=inside, other=0.0).to(tl.float32)
    sum_w = tl.zeros((BLOCK,), tl.float32)
    sum_b = tl.zeros((BLOCK,), tl.float32)
    for i in range(EACH):
        row = block * EACH + i
        if row < rows:
            scale = tl.load(rstd + row)
            unit = (tl.load(x + row * columns + at, mask=inside, other=0.0).to(tl.float32)
                    - tl.load(mean + row)) * scale
            unit = tl.where(inside, unit, 0.0)
            upstream = tl.load(dy + row * columns + at, mask=inside, other=0.0).to(tl.float32)
            g = upstream * weight
            along = tl.sum(g * unit, 0) / columns
            even = tl.sum(g, 0) / columns
            tl.store(dx + row * columns + at, (g - unit * along - even) * scale, mask=inside)
            sum_w += upstream * unit
            sum_b += upstream
    tl.store(dw + block * columns + at, sum_w, mask=inside)
    tl.store(db + block * columns + at, sum_b, mask=inside)


class TritonLayerNorm(torch.autograd.Function):
    EACH = 16  # rows of a program in the backward pass

    @staticmethod
    def forward(ctx, x, weight, bias):
        x, weight, bias = x.contiguous(), weight.contiguous(), bias.contiguous()
        rows, columns = x.shape
        y = torch.empty_like(x)
        mean, rstd = (torch.empty(rows, device=x.device) for _ in range(2))
        forward_kernel[(rows,)](x, weight, bias, y, mean, rstd, columns, BLOCK=triton.next_power_of_2(columns))
        ctx.save_for_backward(x, weight, mean, rstd)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy):
        x, weight, mean, rstd = ctx.saved_tensors
        dy, (rows, columns) = dy.contiguous(), x.shape
        blocks = triton.cdiv(rows, TritonLayerNorm.EACH)
        dx = torch.empty_like(x)
        dw, db = (torch.empty(blocks, columns, device=x.device) for _ in range(2))
        backward_kernel[(blocks,)](x, weight, dy, dx, dw, db, mean, rstd, rows, columns,
                                   EACH=TritonLayerNorm.EACH, BLOCK=triton.next_power_of_2(columns))
        return dx, dw.sum(0).to(x.dtype), db.sum(0).to(x.dtype)


@program(plain=plain, inputs={"x": ("N", "D"), "weight": ("D",), "bias": ("D",)},
         dtypes=["float32", "bfloat16", "float16"], arithmetic="float32")
def layer_norm(x, weight, bias):
    return TritonLayerNorm.apply(x, weight, bias)
