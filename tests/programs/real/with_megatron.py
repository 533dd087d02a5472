"""Megatron-Core: fused activations, whose derivatives are written out and compiled."""

import torch
from backproof import program
from package_shelf import use
from torch_pointwise import plain_gelu_tanh

use("megatron-core")
torch.compiler.set_stance("force_eager")  # as they stand in the source, without more fusions
from megatron.core.fusions import (  # noqa: E402
    fused_bias_geglu,
    fused_bias_gelu,
    fused_bias_swiglu,
    fused_weighted_squared_relu,
)

SIZES = {"N": (1, 33), "D": (1, 65)}
HIDDEN, BIAS, WEIGHTS = ("N", "2 * D"), ("2 * D",), ("N", 1)


def halves(x):
    return x.chunk(2, -1)


def eager(function, plain, **inputs):
    """Composed of PyTorch's operations: everything is rounded to what it is stored in."""
    return {dtype: program(function, plain=plain, inputs=inputs, dtypes=[dtype], arithmetic=dtype,
                           sizes=SIZES, framework="torch") for dtype in ("float32", "bfloat16")}


def plain_swiglu(x):
    a, b = halves(x)
    return a * torch.sigmoid(a) * b


def plain_geglu(x):
    a, b = halves(x)
    return plain_gelu_tanh(a) * b


def plain_quick_geglu(x):
    a, b = halves(x)
    return a * torch.sigmoid(1.702 * a) * b


bias_gelu = eager(lambda x, bias: fused_bias_gelu.bias_gelu_impl(x, bias),
                  lambda x, bias: plain_gelu_tanh(x + bias), x=("N", "D"), bias=("D",))
bias_swiglu = eager(lambda x, bias: fused_bias_swiglu.BiasSwiGLUFunction.apply(
    x, bias, False, False), lambda x, bias: plain_swiglu(x + bias), x=HIDDEN, bias=BIAS)
weighted_swiglu = eager(lambda x, w: fused_bias_swiglu.WeightedSwiGLUFunction.apply(x, w, False),
                        lambda x, w: plain_swiglu(x) * w, x=HIDDEN, w=WEIGHTS)
bias_geglu = eager(lambda x, bias: fused_bias_geglu.BiasGeGLUFunction.apply(x, bias),
                   lambda x, bias: plain_geglu(x + bias), x=HIDDEN, bias=BIAS)
quick_geglu = eager(
    lambda x, bias, w: fused_bias_geglu.weighted_bias_quick_geglu_impl(x, bias, w),
    lambda x, bias, w: plain_quick_geglu(x + bias) * w, x=HIDDEN, bias=BIAS, w=WEIGHTS)
squared_relu = eager(
    lambda x, w: fused_weighted_squared_relu.WeightedSquaredReLUFunction.apply(x, w),
    lambda x, w: x.clamp_min(0.0) ** 2 * w, x=("N", "D"), w=WEIGHTS)
