"""PyTorch's softmax, its losses, and attention."""

import torch
import torch.nn.functional as F
from eager import HALVES, program

ROWS = {"N": (1, 40), "D": (1, 769), "C": (1, 257)}


def plain_softmax(x, dim):
    e = torch.exp(x - x.detach().amax(dim, keepdim=True))
    return e / e.sum(dim, keepdim=True)


def plain_log_softmax(x, dim):
    shifted = x - x.detach().amax(dim, keepdim=True)
    return shifted - torch.log(torch.exp(shifted).sum(dim, keepdim=True))


softmax = program(torch.softmax, plain=plain_softmax, inputs={"x": ("N", "D")}, dtypes=HALVES,
                  options={"dim": [0, 1]}, sizes=ROWS)
log_softmax = program(torch.log_softmax, plain=plain_log_softmax, inputs={"x": ("N", "D")},
                      dtypes=HALVES, options={"dim": [0, 1]}, sizes=ROWS)


def plain_logsumexp(x, dim):
    most = x.detach().amax(dim, keepdim=True)
    return torch.log(torch.exp(x - most).sum(dim)) + most.squeeze(dim)


logsumexp = program(torch.logsumexp, plain=plain_logsumexp, inputs={"x": ("N", "D")},
                    dtypes=HALVES, options={"dim": [0, 1]}, sizes=ROWS)


def plain_cross_entropy(logits, targets, weight, reduction, smoothing):
    logp = plain_log_softmax(logits, -1)
    counts = (targets != -100).to(logits.dtype)
    at = targets.clamp_min(0)
    weight = torch.ones_like(logits[0]) if weight is None else weight
    smooth = -(logp * weight).sum(-1) / logits.shape[-1]
    picked = -logp.gather(-1, at[:, None])[:, 0] * weight[at]
    losses = ((1.0 - smoothing) * picked + smoothing * smooth) * counts
    if reduction == "none":
        return losses
    return losses.sum() / ((weight[at] * counts).sum() if reduction == "mean" else 1.0)


@program(plain=plain_cross_entropy,
         inputs={"logits": ("N", "C"),
                 "targets": {"shape": ("N",), "index": "C", "sentinel": -100},
                 "weight": {"shape": ("C",), "optional": True, "values": "positive",
                            "grad": False}},
         dtypes=HALVES, sizes=ROWS,
         options={"reduction": ["none", "mean", "sum"], "smoothing": [0.0, 0.1]})
def cross_entropy(logits, targets, weight, reduction, smoothing):
    return F.cross_entropy(logits, targets, weight, reduction=reduction, label_smoothing=smoothing)


@program(plain=lambda logits, scores: -(plain_log_softmax(logits, -1)
                                        * plain_softmax(scores, -1)).sum(-1),
         inputs={"logits": ("N", "C"), "scores": ("N", "C")}, dtypes=["float32"], sizes=ROWS)
def cross_entropy_with_probabilities(logits, scores):
    return F.cross_entropy(logits, torch.softmax(scores, -1), reduction="none")


def masked_softmax(scores, mask):
    """Rows of which nothing is left are 0."""
    most = scores.detach().masked_fill(~mask, -1e30).amax(-1, keepdim=True)
    e = torch.exp((scores - most).masked_fill(~mask, -torch.inf))
    total = e.sum(-1, keepdim=True)
    return e / torch.where(mask.any(-1, keepdim=True), total, 1.0)


def plain_attention(q, k, v, mask=None, causal=False, scale=None):
    k = k.repeat_interleave(q.shape[1] // k.shape[1], 1)
    v = v.repeat_interleave(q.shape[1] // v.shape[1], 1)
    scores = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    return (plain_softmax(scores, -1) if mask is None else masked_softmax(scores, mask)) @ v


HEADS = {"B": (1, 3), "K": (1, 3), "R": (1, 3), "H": "K * R", "T": (1, 65), "S": (1, 65),
         "D": (1, 64), "E": (1, 64)}
QKV = {"q": ("B", "H", "T", "D"), "k": ("B", "H", "S", "D"), "v": ("B", "H", "S", "E")}


@program(plain=plain_attention, inputs=QKV, dtypes=HALVES, sizes=HEADS,
         options={"causal": [False, True], "scale": [None, 0.3]})
def attention(q, k, v, causal, scale):
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale)


@program(plain=plain_attention, dtypes=HALVES, sizes=HEADS,
         inputs={**QKV, "mask": {"shape": ("T", "S"), "dtype": "bool"}})
def attention_with_mask(q, k, v, mask):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


@program(plain=plain_attention, dtypes=HALVES, sizes=HEADS, options={"causal": [False, True]},
         inputs={"q": ("B", "H", "T", "D"), "k": ("B", "K", "T", "D"), "v": ("B", "K", "T", "D")})
def attention_with_grouped_heads(q, k, v, causal):
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True)
