"""flash-linear-attention: recurrences and layers in Triton, through Triton's interpreter."""

import torch
from backproof import program
from package_shelf import use

use("triton", "einops", "fla-core")
import interpreted  # noqa: E402, F401
from fla.modules.activations import logsigmoid as fla_logsigmoid  # noqa: E402
from fla.modules.activations import swiglu as fla_swiglu  # noqa: E402
from fla.modules.activations import swish as fla_swish  # noqa: E402
from fla.modules.l2warp import l2_warp  # noqa: E402
from fla.modules.layernorm import rms_norm as fla_rms_norm  # noqa: E402
from fla.modules.token_shift import token_shift as fla_token_shift  # noqa: E402
from fla.ops.delta_rule import fused_recurrent_delta_rule  # noqa: E402
from fla.ops.hgrn import fused_recurrent_hgrn  # noqa: E402
from fla.ops.linear_attn import fused_recurrent_linear_attn  # noqa: E402
from torch_norms import plain_rms_norm  # noqa: E402
from torch_pointwise import softplus_of  # noqa: E402

SIZES = {"B": (1, 2), "T": (1, 9), "H": (1, 2), "D": [4, 8, 16], "N": (1, 17), "W": (1, 33)}
ROW = ("B", "T", "W")


def float32(plain, **inputs):
    return program(plain=plain, inputs=inputs, dtypes=["float32"], sizes=SIZES, framework="torch")


@float32(lambda x, weight: plain_rms_norm(x, weight, 1e-5), x=("N", "W"), weight=("W",))
def rms_norm(x, weight):
    return fla_rms_norm(x, weight, None)


@float32(lambda x: x * torch.sigmoid(x), x=("N", "W"))
def swish(x):
    return fla_swish(x)


@float32(lambda x: -softplus_of(-x), x=("N", "W"))
def logsigmoid(x):
    return fla_logsigmoid(x)


@float32(lambda x, y: x * torch.sigmoid(x) * y, x=("N", "W"), y=("N", "W"))
def swiglu(x, y):
    return fla_swiglu(x, y)


@float32(lambda x: torch.nn.functional.pad(x, (0, 0, 1, 0))[:, :-1] - x, x=ROW)
def token_shift(x):
    return fla_token_shift(x)


def plain_hgrn(x, g):
    h, kept = torch.zeros_like(x[:, 0]), []
    for t in range(x.shape[1]):
        h = torch.exp(g[:, t]) * h + x[:, t]
        kept.append(h)
    return torch.stack(kept, 1)


@float32(plain_hgrn, x=ROW, g={"shape": ROW, "values": "decay"})
def hgrn(x, g):
    return fused_recurrent_hgrn(x, g)[0]


def states(q, k, v, step):
    """What every query reads of the state after its step, scaled by the root of the width."""
    state, read = q.new_zeros(q.shape[0], q.shape[2], q.shape[3], v.shape[3]), []
    for t in range(q.shape[1]):
        state = step(state, k[:, t], v[:, t], t)
        read.append(torch.einsum("bhd,bhde->bhe", q[:, t], state) * q.shape[-1] ** -0.5)
    return torch.stack(read, 1)


def outer(k, v):
    return k[..., :, None] * v[..., None, :]


def plain_linear_attention(q, k, v):
    return states(q, k, v, lambda state, k, v, t: state + outer(k, v))


def plain_delta_rule(q, k, v, beta):
    return states(q, k, v, lambda state, k, v, t: state + outer(
        k, beta[:, t, :, None] * (v - torch.einsum("bhd,bhde->bhe", k, state))))


HEADS = ("B", "T", "H", "D")


@float32(plain_linear_attention, q=HEADS, k=HEADS, v=HEADS)
def linear_attention(q, k, v):
    return fused_recurrent_linear_attn(q, k, v, normalize=False)[0]


@float32(plain_delta_rule, q=HEADS, k={"shape": HEADS, "values": "small"}, v=HEADS,
         beta={"shape": ("B", "T", "H"), "values": "unit"})
def delta_rule(q, k, v, beta):
    return fused_recurrent_delta_rule(q, k, v, beta)[0]


def plain_l2_warp(loss, logits):
    """The loss as it is, and beside it the gradient of a penalty on the largest logits."""
    largest = logits.max(-1).values  # of equal ones the first alone
    penalty = 0.5e-2 * (largest * largest).mean()
    return loss + (penalty - penalty.detach())


@float32(plain_l2_warp, loss=(), logits={"shape": ("B", "T", "W"), "values": "usual"})
def l2_penalty(loss, logits):
    return l2_warp(loss, logits, 1e-2)
