"""Wrong backward passes of gates and what they multiply."""

import torch
from right import gated_norm_linear, geglu
from right.operation import like, wide

from .bug import HALVES, Bug
from .norms import applied

GATED = gated_norm_linear.OPERATION
GEGLU = geglu.OPERATION


class ValueBeforeTheGate(torch.autograd.Function):
    """dW is made of the value that goes into the gate, which is the one at hand."""

    @staticmethod
    def forward(ctx, x, gate, norm_weight, weight, bias, eps):
        x32, g = wide(x), wide(gate)
        rstd = torch.rsqrt(x32.square().mean(-1, keepdim=True) + eps)
        normed = x32 * rstd * wide(norm_weight)
        ctx.save_for_backward(x, gate, norm_weight, weight, bias, rstd)
        return torch.nn.functional.linear(normed * g * g.sigmoid(), wide(weight), wide(bias)).to(x.dtype)

    @staticmethod
    def backward(ctx, dout):
        x, gate, norm_weight, weight, bias, rstd = ctx.saved_tensors
        g, sig, d = wide(gate), wide(gate).sigmoid(), wide(dout)
        xhat = wide(x) * rstd
        y = xhat * wide(norm_weight)
        dy = d @ wide(weight)
        dlinear = d.t() @ y
        dgate = dy * y * (sig + g * sig * (1 - sig))
        wdy = dy * g * sig * wide(norm_weight)
        dx = (wdy - xhat * (wdy * xhat).mean(-1, keepdim=True)) * rstd
        dnorm = (dy * g * sig * xhat).sum(0)
        db = None if bias is None else like(d.sum(0), bias)
        return like(dx, x), like(dgate, gate), like(dnorm, norm_weight), like(dlinear, weight), db, None


class RecomputedWithoutCast(torch.autograd.Function):
    """Forward casts to float32 first; backward computes GELU again as its input is stored."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        a32 = wide(a)
        return (torch.nn.functional.gelu(a32, approximate="tanh") * wide(b)).to(a.dtype)

    @staticmethod
    def backward(ctx, dc):
        a, b = ctx.saved_tensors
        tanh = torch.tanh(0.7978845608028654 * (a + 0.044715 * a * a * a))
        gelu = 0.5 * a * (1 + tanh)
        slope = 0.5 * (1 + tanh) + 0.5 * a * (1 - tanh * tanh) * 0.7978845608028654 * (1 + 0.134145 * a * a)
        return dc * b * slope, dc * gelu


BUGS = (
    Bug("value before the gate", "flash-linear-attention#1071", "dW is of the ungated value",
        GATED.plain, applied(ValueBeforeTheGate), GATED.inputs, sizes=GATED.sizes, options=GATED.options,
        at=("y = gated @ weight.t()", "gated = "), shows="always", few={"sizes": {"N": 5, "D": 3, "O": 2}}, core=True),
    Bug("recomputed without a cast", "Liger-Kernel#986", "GELU is recomputed in the storage dtype",
        GEGLU.plain, applied(RecomputedWithoutCast), GEGLU.inputs,
        at=("inner = ", "gelu = ", "return gelu * b"), shows="half precision", few={"sizes": {"N": 9, "D": 7}},
        dtypes=HALVES),
)
