"""PyTorch's losses and distances beside their definitions."""

import torch
import torch.nn.functional as F
from eager import HALVES, program
from torch_pointwise import softplus_of
from torch_softmax import plain_log_softmax

SIZES = {"N": (1, 33), "D": (1, 129)}
PAIR = {"x": ("N", "D"), "y": ("N", "D")}
REDUCTIONS = {"reduction": ["none", "mean", "sum"]}


def reduced(losses, reduction):
    return {"none": lambda: losses, "mean": losses.mean, "sum": losses.sum}[reduction]()


def plain_huber(x, y, reduction, delta):
    off = x - y
    size = off.abs()
    return reduced(torch.where(size < delta, 0.5 * off * off, delta * (size - 0.5 * delta)),
                   reduction)


@program(plain=plain_huber, inputs=PAIR, dtypes=HALVES, sizes=SIZES,
         options={**REDUCTIONS, "delta": [1.0, 0.3]})
def huber_loss(x, y, reduction, delta):
    return F.huber_loss(x, y, reduction, delta)


@program(plain=lambda x, y, reduction, beta: plain_huber(x, y, reduction, beta) / beta,
         inputs=PAIR, dtypes=HALVES, sizes=SIZES, options={**REDUCTIONS, "beta": [1.0, 0.3]})
def smooth_l1_loss(x, y, reduction, beta):
    return F.smooth_l1_loss(x, y, reduction=reduction, beta=beta)


def plain_kl_div(x, y, reduction, log_target):
    terms = torch.exp(y) * (y - x) if log_target else y * (torch.log(y) - x)
    return reduced(terms, reduction)


@program(plain=plain_kl_div, dtypes=HALVES, sizes=SIZES,
         inputs={"x": ("N", "D"), "y": {"shape": ("N", "D"), "values": "probability"}},
         options={**REDUCTIONS, "log_target": [False, True]})
def kl_div(x, y, reduction, log_target):
    return F.kl_div(x, y, reduction=reduction, log_target=log_target)


def plain_bce_with_logits(x, y, pos_weight, reduction):
    weight = 1.0 if pos_weight is None else 1.0 + (pos_weight - 1.0) * y
    return reduced((1.0 - y) * x + weight * softplus_of(-x), reduction)


@program(plain=plain_bce_with_logits, dtypes=HALVES, sizes=SIZES, options=REDUCTIONS,
         inputs={"x": ("N", "D"), "y": {"shape": ("N", "D"), "values": "probability"},
                 "pos_weight": {"shape": ("D",), "optional": True, "values": "positive",
                                "grad": False}})
def bce_with_logits(x, y, pos_weight, reduction):
    return F.binary_cross_entropy_with_logits(x, y, pos_weight=pos_weight, reduction=reduction)


@program(plain=lambda p, y, reduction: reduced(
    -(y * torch.log(p) + (1.0 - y) * torch.log1p(-p)), reduction),
    dtypes=HALVES, sizes=SIZES, options=REDUCTIONS,
    inputs={"p": {"shape": ("N", "D"), "values": "probability"},
            "y": {"shape": ("N", "D"), "values": "probability"}})
def bce(p, y, reduction):
    return F.binary_cross_entropy(p, y, reduction=reduction)


def plain_ctc(logits, targets):
    """The loss of every sequence, by the forward recursion over the labels and blanks between."""
    logp = plain_log_softmax(logits, -1)
    times, batch, _ = logp.shape
    labels = torch.zeros(batch, 2 * targets.shape[1] + 1, dtype=torch.long)
    labels[:, 1::2] = targets + 1
    skip = torch.zeros_like(labels, dtype=torch.bool)
    skip[:, 2:] = (labels[:, 2:] != 0) & (labels[:, 2:] != labels[:, :-2])
    never = torch.full(labels.shape, -1e30, dtype=logp.dtype)
    alpha = torch.cat([logp[0].gather(1, labels)[:, :2], never[:, 2:]], 1)
    for t in range(1, times):
        one = torch.cat([never[:, :1], alpha[:, :-1]], 1)
        two = torch.cat([never[:, :2], alpha[:, :-2]], 1).masked_fill(~skip, -1e30)
        alpha = torch.logsumexp(torch.stack([alpha, one, two]), 0) + logp[t].gather(1, labels)
    return -torch.logsumexp(alpha[:, -2:], 1)


@program(plain=plain_ctc, dtypes=["float32"],
         inputs={"logits": ("T", "N", "C"), "targets": {"shape": ("N", "S"), "index": "C - 1"}},
         sizes={"T": (7, 17), "N": (1, 5), "C": (2, 17), "S": (1, 3)})
def ctc_loss(logits, targets):
    times, batch, _ = logits.shape
    return F.ctc_loss(F.log_softmax(logits, -1), targets + 1, torch.full((batch,), times),
                      torch.full((batch,), targets.shape[1]), reduction="none")


def plain_cosine_similarity(x, y):
    norms = (x * x).sum(-1).clamp_min(1e-16).sqrt() * (y * y).sum(-1).clamp_min(1e-16).sqrt()
    return (x * y).sum(-1) / norms


@program(plain=plain_cosine_similarity, inputs=PAIR, dtypes=HALVES, sizes=SIZES)
def cosine_similarity(x, y):
    return F.cosine_similarity(x, y)


def distances(x, y, p):
    off = (x[:, None] - y).abs()
    return off.sum(-1) if p == 1.0 else off.pow(p).sum(-1).pow(1.0 / p)


@program(plain=distances, dtypes=["float32"], sizes={**SIZES, "M": (1, 33), "D": (1, 33)},
         inputs={"x": ("N", "D"), "y": ("M", "D")}, options={"p": [1.0, 2.0, 3.0]})
def cdist(x, y, p):
    return torch.cdist(x, y, p)


@program(plain=lambda x, p: distances(x, x, p)[tuple(torch.triu_indices(len(x), len(x), 1))],
         dtypes=["float32"], sizes={"N": (2, 17), "D": (1, 33)}, inputs={"x": ("N", "D")},
         options={"p": [1.0, 2.0, 3.0]})
def pdist(x, p):
    return F.pdist(x, p)


@program(plain=lambda x, y: ((x - y) * (x - y)).mean(), inputs=PAIR, dtypes=HALVES, sizes=SIZES)
def mse_loss(x, y):
    return F.mse_loss(x, y)


@program(plain=lambda x, y: softplus_of(-x * torch.sign(y.detach())).mean(), sizes=SIZES,
         inputs={"x": ("N", "D"), "y": {"shape": ("N", "D"), "grad": False}}, dtypes=HALVES)
def soft_margin_loss(x, y):
    return F.soft_margin_loss(x, torch.sign(y))
