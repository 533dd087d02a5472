"""PyTorch's activations: each has a kernel of its own for its derivative."""

import torch
import torch.nn.functional as F
from eager import HALVES, program

SIZES = {"N": (1, 33), "D": (1, 257)}
ROOT_2_OVER_PI = (2.0 / torch.pi) ** 0.5


def activation(function, plain, dtypes=HALVES, **options):
    """A program of one tensor."""
    return program(function, plain=plain, inputs={"x": ("N", "D")}, dtypes=dtypes, sizes=SIZES,
                   options=options)


def plain_gelu(x):
    return 0.5 * x * (1.0 + torch.erf(x / 2.0 ** 0.5))


def plain_gelu_tanh(x):
    return 0.5 * x * (1.0 + torch.tanh(ROOT_2_OVER_PI * (x + 0.044715 * x * x * x)))


def softplus_of(x):
    """log(1 + exp(x)), of which neither branch overflows, also where it is not taken."""
    return torch.where(x > 0, x + torch.log1p(torch.exp(-x.clamp_min(0.0))),
                       torch.log1p(torch.exp(x.clamp_max(0.0))))


def plain_softplus(x, beta, threshold):
    scaled = x * beta
    return torch.where(scaled > threshold, x, softplus_of(scaled) / beta)


def plain_mish(x):
    return x * torch.tanh(softplus_of(x))


def plain_hardswish(x):
    return x * (x + 3.0).clamp(0.0, 6.0) / 6.0


def plain_elu(x, alpha):
    return torch.where(x > 0, x, alpha * torch.expm1(x.clamp_max(0.0)))


def plain_celu(x, alpha):
    return torch.where(x > 0, x, alpha * torch.expm1(x.clamp_max(0.0) / alpha))


def plain_selu(x):
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    return scale * torch.where(x > 0, x, alpha * torch.expm1(x.clamp_max(0.0)))


def plain_softshrink(x, lambd):
    return torch.where(x > lambd, x - lambd, torch.where(x < -lambd, x + lambd, 0.0 * x))


gelu = activation(lambda x: F.gelu(x), plain_gelu)
gelu_tanh = activation(lambda x: F.gelu(x, approximate="tanh"), plain_gelu_tanh)
silu = activation(F.silu, lambda x: x * torch.sigmoid(x))
mish = activation(F.mish, plain_mish)
softplus = activation(F.softplus, plain_softplus, beta=[1.0, 0.5, 2.0], threshold=[20.0])
logsigmoid = activation(F.logsigmoid, lambda x: -softplus_of(-x))
hardswish = activation(F.hardswish, plain_hardswish)
elu = activation(F.elu, plain_elu, alpha=[1.0, 0.3])
celu = activation(F.celu, plain_celu, ("float64", *HALVES), alpha=[1.0, 0.3])
selu = activation(F.selu, plain_selu)
softshrink = activation(F.softshrink, plain_softshrink, lambd=[0.5])
leaky_relu = activation(F.leaky_relu, lambda x, negative_slope: torch.where(
    x > 0, x, negative_slope * x), negative_slope=[0.01, 0.25])
sigmoid = activation(torch.sigmoid, torch.sigmoid)
tanh = activation(torch.tanh, torch.tanh)


def plain_glu(x):
    half = x.shape[-1] // 2
    return x[..., :half] * torch.sigmoid(x[..., half:])


glu = program(F.glu, plain=plain_glu, inputs={"x": ("N", "2*D")}, dtypes=HALVES, sizes=SIZES)
prelu = program(F.prelu, plain=lambda x, weight: torch.where(x > 0, x, weight * x),
                inputs={"x": ("N", "D"), "weight": ("D",)}, dtypes=HALVES, sizes=SIZES)
