"""Liger-Kernel: Triton kernels for the layers of language models, through Triton's interpreter."""

import torch
from backproof import program
from package_shelf import use

use("triton", "liger-kernel")
import interpreted  # noqa: E402, F401
import liger_kernel.ops as ops  # noqa: E402
from torch_norms import plain_group_norm, plain_layer_norm, plain_rms_norm  # noqa: E402
from torch_pointwise import plain_gelu_tanh  # noqa: E402
from torch_softmax import plain_log_softmax, plain_softmax  # noqa: E402
from with_entmax import plain_sparsemax  # noqa: E402

# each row and each block of a row is one call of an interpreted function
SIZES = {"N": (1, 9), "D": (1, 65), "C": (2, 65), "V": (2, 33)}
# of bfloat16 the interpreter cuts digits off, and computes with the bits of what is not cast
HALVES = ("float32", "float16")
ROWS = {"x": ("N", "D"), "weight": ("D",)}


@program(plain=lambda x, weight, bias: plain_layer_norm(x, weight, bias, 1e-5), dtypes=HALVES,
         inputs={**ROWS, "bias": ("D",)}, sizes=SIZES)
def layer_norm(x, weight, bias):
    return ops.LigerLayerNormFunction.apply(x, weight, bias, 1e-5)


@program(plain=lambda x, weight: plain_rms_norm(x, weight, 1e-6), inputs=ROWS, dtypes=HALVES,
         sizes=SIZES)
def rms_norm(x, weight):
    return ops.LigerRMSNormFunction.apply(x, weight, 1e-6, 0.0, "gemma", False)


def plain_fused_add(x, residual, weight):
    total = x + residual
    return plain_rms_norm(total, weight, 1e-6), total


@program(plain=plain_fused_add, dtypes=HALVES, sizes=SIZES,
         inputs={"x": ("N", "D"), "residual": ("N", "D"), "weight": ("D",)})
def fused_add_rms_norm(x, residual, weight):
    return ops.LigerFusedAddRMSNormFunction.apply(x, residual, weight, 1e-6, 0.0, "gemma", False)


@program(plain=lambda x, weight, bias, groups: plain_group_norm(x, weight, bias, groups, 1e-5),
         inputs={"x": ("N", "C", "W"), "weight": ("C",), "bias": ("C",)},
         dtypes=HALVES,
         sizes={"N": (1, 3), "G": (1, 3), "K": (1, 3), "C": "G * K", "W": (2, 33)},
         options={"groups": "G"})
def group_norm(x, weight, bias, groups):
    return ops.LigerGroupNormFunction.apply(x, weight, bias, x.shape[1], groups, 1e-5)


PAIR = {"a": ("N", "D"), "b": ("N", "D")}


@program(plain=lambda a, b: plain_gelu_tanh(a) * b, inputs=PAIR, dtypes=HALVES, sizes=SIZES)
def geglu(a, b):
    return ops.LigerGELUMulFunction.apply(a, b)


@program(plain=lambda a, b: a * torch.sigmoid(a) * b, inputs=PAIR, dtypes=HALVES, sizes=SIZES)
def swiglu(a, b):
    return ops.LigerSiLUMulFunction.apply(a, b)


@program(plain=lambda x: plain_softmax(x, -1), inputs={"x": ("N", "D")}, dtypes=HALVES, sizes=SIZES)
def softmax(x):
    return ops.LigerSoftmaxFunction.apply(x)


@program(plain=plain_sparsemax, inputs={"x": ("N", "D")}, dtypes=["float32"], sizes=SIZES)
def sparsemax(x):
    return ops.LigerSparsemaxFunction.apply(x, -1)


@program(plain=lambda x: x.clamp_min(0.0) ** 2, inputs={"x": ("N", "D")}, dtypes=HALVES,
         sizes=SIZES)
def relu_squared(x):
    return ops.LigerReLUSquaredFunction.apply(x)


def plain_cross_entropy(logits, targets, smoothing, softcap, z_loss, reduction):
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    logp = plain_log_softmax(logits, -1)
    most = logits.detach().amax(-1)
    lse = torch.log(torch.exp(logits - most[:, None]).sum(-1)) + most
    used = (targets != -100).to(logits.dtype)
    picked = logp.gather(-1, targets.clamp_min(0)[:, None])[:, 0]
    losses = used * (-(1.0 - smoothing) * picked - smoothing * logp.mean(-1) + z_loss * lse * lse)
    return losses if reduction == "none" else losses.sum() / (
        used.sum() if reduction == "mean" else 1.0)


@program(plain=plain_cross_entropy, dtypes=HALVES, sizes=SIZES,
         inputs={"logits": ("N", "V"),
                 "targets": {"shape": ("N",), "index": "V", "sentinel": -100}},
         options={"smoothing": [0.0, 0.1], "softcap": [None, 5.0], "z_loss": [0.0, 1e-3],
                  "reduction": ["none", "mean", "sum"]})
def cross_entropy(logits, targets, smoothing, softcap, z_loss, reduction):
    # a kernel writes the gradient over the logits: the caller keeps his own
    return ops.LigerCrossEntropyFunction.apply(
        logits * 1.0, targets, None, -100, z_loss, smoothing, reduction, softcap)[0]


@program(plain=plain_cross_entropy, dtypes=["float32"], sizes=SIZES,
         inputs={"logits": ("N", "V"), "targets": {"shape": ("N",), "index": "V"}},
         options={"smoothing": 0.0, "softcap": [None], "z_loss": 0.0, "reduction": ["mean"]})
def cross_entropy_of_a_leaf(logits, targets, smoothing, softcap, z_loss, reduction):
    return ops.LigerCrossEntropyFunction.apply(
        logits, targets, None, -100, z_loss, smoothing, reduction, softcap)[0]


def plain_jsd(x, y, beta):
    """Of log-probabilities, summed over a vocabulary and averaged over rows."""
    p, q = torch.exp(y), torch.exp(x)
    if beta == 0.0:
        return (p * (y - x)).sum() / len(x)
    mix = torch.log(beta * p + (1.0 - beta) * q)
    return (beta * p * (y - mix) + (1.0 - beta) * q * (x - mix)).sum() / len(x)


LOG_PROBABILITIES = {"x": {"shape": ("N", "V"), "values": "decay"},
                     "y": {"shape": ("N", "V"), "values": "decay", "grad": False}}


@program(plain=plain_jsd, inputs=LOG_PROBABILITIES, dtypes=["float32"], sizes=SIZES,
         options={"beta": [0.5, 0.1]})
def jsd(x, y, beta):
    return ops.LigerJSDFunction.apply(x, y, None, beta)


@program(plain=lambda x, y, reduction: {"sum": lambda t: t.sum(), "none": lambda t: t}[reduction](
    0.5 * (x - y).abs()),
    dtypes=["float32"], sizes=SIZES, options={"reduction": ["none"]},
    inputs={"x": {"shape": ("N", "V"), "values": "probability"},
            "y": {"shape": ("N", "V"), "values": "probability", "grad": False}})
def total_variation(x, y, reduction):
    return ops.LigerTVDLossFunction.apply(x, y, None, reduction)


def plain_poly_norm(x, weight, bias):
    powers = [x * x * x, x * x, x]
    return sum(weight[i] * plain_rms_norm(power, None, 1e-6)
               for i, power in enumerate(powers)) + bias


@program(plain=plain_poly_norm, dtypes=["float32"], sizes=SIZES,
         inputs={"x": ("N", "D"), "weight": (3,), "bias": ()})
def poly_norm(x, weight, bias):
    return ops.LigerPolyNormFunction.apply(x, weight, bias, 1e-6, False)
