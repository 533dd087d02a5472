"""PyTorch's fused normalisations beside their definitions."""

import torch
import torch.nn.functional as F
from eager import HALVES, program

ROWS = {"N": (1, 40), "D": (1, 769)}
GAIN = {"shape": ("D",), "optional": True}


def _scaled(x, weight, bias):
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def plain_layer_norm(x, weight, bias, eps):
    centred = x - x.mean(-1, keepdim=True)
    variance = (centred * centred).mean(-1, keepdim=True)
    return _scaled(centred * torch.rsqrt(variance + eps), weight, bias)


@program(plain=plain_layer_norm, inputs={"x": ("N", "D"), "weight": GAIN, "bias": GAIN},
         dtypes=HALVES, options={"eps": [1e-5, 1e-3]}, sizes=ROWS)
def layer_norm(x, weight, bias, eps):
    return F.layer_norm(x, x.shape[-1:], weight, bias, eps)


@program(plain=lambda x, eps: plain_layer_norm(x.flatten(1), None, None, eps).view_as(x),
         inputs={"x": ("N", "H", "W")}, dtypes=HALVES, options={"eps": [1e-5]},
         sizes={"N": (1, 17), "H": (1, 9), "W": (1, 33)})
def layer_norm_of_two_axes(x, eps):
    return F.layer_norm(x, x.shape[1:], eps=eps)


def plain_rms_norm(x, weight, eps):
    return _scaled(x * torch.rsqrt((x * x).mean(-1, keepdim=True) + eps), weight, None)


@program(plain=plain_rms_norm, inputs={"x": ("N", "D"), "weight": GAIN}, dtypes=HALVES,
         options={"eps": [1e-6, 1e-3]}, sizes=ROWS)
def rms_norm(x, weight, eps):
    return F.rms_norm(x, x.shape[-1:], weight, eps)


def plain_group_norm(x, weight, bias, groups, eps):
    n, c, *rest = x.shape
    rows = plain_layer_norm(x.reshape(n, groups, -1), None, None, eps).view(n, c, -1)
    return _scaled(rows, None if weight is None else weight[:, None],
                   None if bias is None else bias[:, None]).view(n, c, *rest)


CHANNELS = {"N": (1, 8), "G": (1, 4), "K": (1, 8), "C": "G * K", "H": (1, 9), "W": (1, 17)}
PER_CHANNEL = {"shape": ("C",), "optional": True}


@program(plain=plain_group_norm,
         inputs={"x": ("N", "C", "H", "W"), "weight": PER_CHANNEL, "bias": PER_CHANNEL},
         dtypes=HALVES, options={"groups": "G", "eps": [1e-5]}, sizes=CHANNELS, where="K*H*W > 1")
def group_norm(x, weight, bias, groups, eps):
    return F.group_norm(x, groups, weight, bias, eps)


def plain_batch_norm(x, weight, bias, eps):
    columns = x.transpose(0, 1).flatten(1)
    rows = plain_layer_norm(columns, None, None, eps)
    rows = _scaled(rows, None if weight is None else weight[:, None],
                   None if bias is None else bias[:, None])
    return rows.view(x.shape[1], x.shape[0], *x.shape[2:]).transpose(0, 1)


@program(plain=plain_batch_norm,
         inputs={"x": ("N", "C", "H", "W"), "weight": PER_CHANNEL, "bias": PER_CHANNEL},
         dtypes=HALVES, options={"eps": [1e-5]}, sizes=CHANNELS, where="N*H*W > 1")
def batch_norm(x, weight, bias, eps):
    return F.batch_norm(x, None, None, weight, bias, True, 0.1, eps)


@program(plain=lambda x, eps: plain_layer_norm(x, None, None, eps), dtypes=HALVES,
         inputs={"x": ("N", "C", "W")}, options={"eps": [1e-5]},
         sizes={"N": (1, 8), "C": (1, 17), "W": (2, 65)})
def instance_norm(x, eps):
    return F.instance_norm(x, eps=eps)


def plain_normalize(x, dim):
    return x / x.pow(2).sum(dim, keepdim=True).sqrt().clamp_min(1e-12)


@program(plain=plain_normalize, inputs={"x": ("N", "D")}, dtypes=HALVES,
         options={"dim": [0, 1]}, sizes=ROWS)
def normalize(x, dim):
    return F.normalize(x, dim=dim)


def plain_local_response_norm(x, size):
    square = F.pad((x * x).transpose(1, 2), (size // 2, (size - 1) // 2))
    around = square.unfold(-1, size, 1).sum(-1).transpose(1, 2) / size
    return x / (1.0 + 1e-2 * around) ** 0.75


@program(plain=plain_local_response_norm, inputs={"x": ("N", "C", "W")}, dtypes=["float32"],
         options={"size": [2, 3, 5]}, sizes={"N": (1, 5), "C": (1, 17), "W": (1, 17)})
def local_response_norm(x, size):
    return F.local_response_norm(x, size, alpha=1e-2)
