"""Wrong backward passes of whatever picks rows by number."""

import torch
from right import embedding
from right.operation import like, wide

from .bug import HALVES, Bug
from .norms import applied

EMBEDDING = embedding.OPERATION


class LaterOverwrites(torch.autograd.Function):
    """A scatter that stores, where it should add."""

    @staticmethod
    def forward(ctx, weight, ids):
        ctx.save_for_backward(weight, ids)
        return weight[ids]

    @staticmethod
    def backward(ctx, dout):
        weight, ids = ctx.saved_tensors
        grad = torch.zeros_like(weight)
        for position, row in enumerate(ids.tolist()):
            grad[row] = dout[position]
        return grad, None


def padded_embedding(weight, ids, padding_idx):
    rows = weight[ids]
    is_padding = (ids == padding_idx)[:, None]
    return torch.where(is_padding, rows.detach(), rows)


class PaddingRowOfTheFastPath(torch.autograd.Function):
    """More than 256 numbers take another kernel, which has not heard of padding."""

    @staticmethod
    def forward(ctx, weight, ids, padding_idx):
        ctx.save_for_backward(weight, ids)
        ctx.padding_idx = padding_idx
        return weight[ids]

    @staticmethod
    def backward(ctx, dout):
        weight, ids = ctx.saved_tensors
        grad = torch.zeros_like(wide(weight))
        if ids.numel() > 256:
            order = torch.argsort(ids)
            grad.index_add_(0, ids[order], wide(dout[order]))
        else:
            keep = ids != ctx.padding_idx
            grad.index_add_(0, ids[keep], wide(dout[keep]))
        return like(grad, weight), None, None


class AccumulatesInStorage(torch.autograd.Function):
    """Atomic adds in the dtype of the table."""

    @staticmethod
    def forward(ctx, weight, ids):
        ctx.save_for_backward(weight, ids)
        return weight[ids]

    @staticmethod
    def backward(ctx, dout):
        weight, ids = ctx.saved_tensors
        grad = torch.zeros_like(weight)
        for row, addend in zip(ids.tolist(), dout, strict=True):
            grad[row] += addend
        return grad, None


def picked_tokens(x, ids):
    index = ids[:, :, None].expand(-1, -1, x.shape[2])
    return x.gather(1, index)


class BatchStride(torch.autograd.Function):
    """Row b of dx begins at b times the number of picked tokens, not of all."""

    @staticmethod
    def forward(ctx, x, ids):
        ctx.save_for_backward(x, ids)
        return torch.stack([sample[picks] for sample, picks in zip(x, ids, strict=True)])

    @staticmethod
    def backward(ctx, dout):
        x, ids = ctx.saved_tensors
        batch, tokens, width = x.shape
        grad = torch.zeros(batch * tokens, width, dtype=wide(x).dtype)
        for b in range(batch):
            grad.index_add_(0, (b * ids.shape[1] + ids[b]).clamp(max=len(grad) - 1), wide(dout[b]))
        return like(grad.view(x.shape), x), None


BUGS = (
    Bug("later index overwrites", "tt-metal#6232", "equal numbers: the last one's gradient stands for all",
        EMBEDDING.plain, applied(LaterOverwrites), inputs=EMBEDDING.inputs, at=("return weight[ids]",),
        shows="repeated numbers", few={"sizes": {"V": 3, "D": 4, "N": 9}}, core=True),
    Bug("padding row is not 0", "pytorch#28716", "many numbers: the padding row has a gradient",
        padded_embedding, applied(PaddingRowOfTheFastPath), inputs=EMBEDDING.inputs,
        sizes={"V": (1, 33), "D": (1, 17)}, options={"padding_idx": [0]},
        at=("rows = ", "return torch.where"), shows="the padding number, many numbers",
        few={"sizes": {"V": 3, "D": 2, "N": 257}}, core=True),
    Bug("accumulates in storage", "SOL-ExecBench embedding + RMS norm", "rows are added up in the storage dtype",
        EMBEDDING.plain, applied(AccumulatesInStorage), inputs=EMBEDDING.inputs,
        sizes={"V": (1, 129), "D": (1, 33)}, at=("return weight[ids]",), shows="a number that comes often (Zipf)",
        few={"sizes": {"V": 2, "D": 4, "N": 129}}, dtypes=HALVES),
    Bug("batch stride", "unsloth-zoo#776", "right in the first sample of a batch only",
        picked_tokens, applied(BatchStride),
        inputs={"x": ("B", "S", "D"), "ids": {"shape": ("B", "K"), "index": "S"}},
        at=("return x.gather",), shows="two samples, fewer picked than there are",
        few={"sizes": {"B": 3, "S": 5, "K": 2, "D": 4}}),
)
