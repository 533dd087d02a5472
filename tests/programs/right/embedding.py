"""Embedding: rows picked by number; backward adds what came back for each number."""

import torch
from torch.autograd.function import once_differentiable

from .operation import Operation, like, wide


def plain(weight, ids):
    return weight[ids]


class SortedEmbedding(torch.autograd.Function):
    """CUDA's way: numbers are sorted, equal ones are a segment, a segment is one sum in float32."""

    @staticmethod
    def forward(ctx, weight, ids):
        ctx.save_for_backward(weight, ids)
        return weight.index_select(0, ids)

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        weight, ids = ctx.saved_tensors
        order = torch.argsort(ids, stable=True)
        rows, counts = torch.unique_consecutive(ids[order], return_counts=True)
        ends = counts.cumsum(0).tolist()
        grad = torch.zeros_like(wide(weight))
        for row, start, end in zip(rows.tolist(), [0, *ends], ends, strict=False):
            grad[row] = wide(dout[order[start:end]]).sum(0)
        return like(grad, weight), None


class OneHotEmbedding(torch.autograd.Function):
    """TPU style: a product with the one-hot matrix for each block of 64 numbers, the last block first."""

    @staticmethod
    def forward(ctx, weight, ids):
        ctx.save_for_backward(weight, ids)
        return weight[ids].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        weight, ids = ctx.saved_tensors
        grad = torch.zeros_like(wide(weight))
        for block, dblock in reversed(list(zip(ids.split(64), dout.split(64), strict=True))):
            hot = torch.nn.functional.one_hot(block, weight.shape[0]).to(grad.dtype)
            grad += hot.t() @ wide(dblock)
        return like(grad, weight), None


def fused(weight, ids):
    return SortedEmbedding.apply(weight, ids)


def other(weight, ids):
    return OneHotEmbedding.apply(weight, ids)


# PyTorch adds the rows of a gradient one after the other in the dtype itself.
OPERATION = Operation(
    "embedding", plain, fused, other,
    inputs={"weight": ("V", "D"), "ids": {"shape": ("N",), "index": "V"}},
    sums="dtype",
)
