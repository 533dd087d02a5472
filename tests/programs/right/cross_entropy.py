"""Cross-entropy without a reduction: logits in, a loss for each row out."""

import torch
from torch.autograd.function import once_differentiable

from .operation import Operation, like, wide


def plain(logits, target):
    lse = torch.logsumexp(logits, -1)
    picked = logits.gather(-1, target[:, None])[:, 0]
    return lse - picked


class FusedCrossEntropy(torch.autograd.Function):
    """The log-normaliser is saved; backward is softmax minus one-hot, times the row's own upstream gradient."""

    @staticmethod
    def forward(ctx, logits, target):
        logits32 = wide(logits)
        lse = torch.logsumexp(logits32, -1)
        ctx.save_for_backward(logits, target, lse)
        return (lse - logits32[torch.arange(len(target)), target]).to(logits.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dloss):
        logits, target, lse = ctx.saved_tensors
        grad = torch.exp(wide(logits) - lse[:, None])
        grad[torch.arange(len(target)), target] -= 1
        return like(grad * wide(dloss)[:, None], logits), None


class ChunkedCrossEntropy(torch.autograd.Function):
    """Large vocabularies come in chunks: a logsumexp of each, and then of these; gradients chunk by chunk."""

    CHUNK = 48

    @staticmethod
    def lse(logits):
        chunks = [torch.logsumexp(wide(c), -1) for c in logits.split(ChunkedCrossEntropy.CHUNK, -1)]
        return torch.logsumexp(torch.stack(chunks[::-1]), 0)

    @staticmethod
    def forward(ctx, logits, target):
        ctx.save_for_backward(logits, target)
        chosen = logits.gather(1, target.unsqueeze(1)).squeeze(1)
        return (ChunkedCrossEntropy.lse(logits) - wide(chosen)).to(logits.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dloss):
        logits, target = ctx.saved_tensors
        lse, out = ChunkedCrossEntropy.lse(logits), torch.empty_like(logits)
        for start in range(0, logits.shape[1], ChunkedCrossEntropy.CHUNK):
            cols = slice(start, start + ChunkedCrossEntropy.CHUNK)
            p = torch.exp(wide(logits[:, cols]) - lse[:, None])
            here = torch.arange(start, start + p.shape[1]) == target[:, None]
            out[:, cols] = (torch.where(here, p - 1, p) * wide(dloss)[:, None]).to(logits.dtype)
        return out, None


def fused(logits, target):
    return FusedCrossEntropy.apply(logits, target)


def other(logits, target):
    return ChunkedCrossEntropy.apply(logits, target)


OPERATION = Operation(
    "cross-entropy", plain, fused, other,
    inputs={"logits": ("N", "C"), "target": {"shape": ("N",), "index": "C"}},
)
