"""PyTorch's look-ups, scatters and scans beside loops and products over everything."""

import torch
import torch.nn.functional as F
from eager import HALVES, program

SIZES = {"N": (1, 129), "C": (1, 33), "D": (1, 33), "B": (1, 9), "T": (1, 17)}


def rows_of(indices, size, like):
    """A one-hot row for each index."""
    return (indices[..., None] == torch.arange(size)).to(like.dtype)


def plain_embedding(indices, table, padding_idx=None):
    hot = rows_of(indices, len(table), table)
    if padding_idx is None:
        return hot @ table
    used = torch.arange(len(table)) != padding_idx
    return hot @ torch.where(used[:, None], table, table.detach())


TABLE = {"indices": {"shape": ("B", "T"), "index": "C"}, "table": ("C", "D")}


@program(plain=plain_embedding, inputs=TABLE, dtypes=HALVES, sizes=SIZES,
         options={"padding_idx": [None, 0]})
def embedding(indices, table, padding_idx):
    return F.embedding(indices, table, padding_idx)


def plain_bag(indices, table, weights=None, mode="sum"):
    rows = plain_embedding(indices, table)
    if mode == "max":
        return rows.max(1).values
    rows = rows if weights is None else rows * weights[..., None]
    return rows.sum(1) if mode == "sum" else rows.sum(1) / indices.shape[1]


@program(plain=plain_bag, inputs=TABLE, dtypes=HALVES, sizes=SIZES,
         options={"mode": ["sum", "mean", "max"]})
def embedding_bag(indices, table, mode):
    return F.embedding_bag(indices, table, mode=mode)


@program(plain=plain_bag, inputs={**TABLE, "weights": ("B", "T")}, dtypes=HALVES, sizes=SIZES)
def weighted_embedding_bag(indices, table, weights):
    return F.embedding_bag(indices, table, mode="sum", per_sample_weights=weights)


AT = {"x": ("N", "D"), "at": {"shape": ("N",), "index": "C"}}


@program(plain=lambda x, at, size: rows_of(at, size, x).T @ x, inputs=AT, dtypes=HALVES,
         sizes=SIZES, options={"size": "C"})
def index_add(x, at, size):
    return x.new_zeros(size, x.shape[1]).index_add(0, at, x)


@program(plain=lambda x, at, size: rows_of(at, size, x).T @ x, inputs=AT, dtypes=HALVES,
         sizes=SIZES, options={"size": "C"})
def scatter_add(x, at, size):
    return x.new_zeros(size, x.shape[1]).scatter_add(0, at[:, None].expand_as(x), x)


@program(plain=lambda x, at, size: rows_of(at, size, x).T @ x, inputs=AT, dtypes=HALVES,
         sizes=SIZES, options={"size": "C"})
def index_put_accumulate(x, at, size):
    return x.new_zeros(size, x.shape[1]).index_put((at,), x, accumulate=True)


def plain_scatter_reduce(x, at, size, reduce):
    hot = rows_of(at, size, x)
    if reduce == "mean":
        return hot.T @ x / hot.sum(0).clamp_min(1.0)[:, None]
    chosen = torch.where(hot[..., None] > 0, x[:, None], -torch.inf if reduce == "amax" else 1.0)
    if reduce == "amax":
        return torch.where(hot.sum(0)[:, None] > 0, chosen.amax(0), 0.0)
    return torch.stack([chosen[:, i].prod(0) for i in range(size)])


@program(plain=plain_scatter_reduce, inputs=AT, dtypes=["float32"], sizes=SIZES,
         options={"size": "C", "reduce": ["mean", "amax"]})
def scatter_reduce(x, at, size, reduce):
    return x.new_zeros(size, x.shape[1]).scatter_reduce(
        0, at[:, None].expand_as(x), x, reduce, include_self=False)


@program(plain=lambda x, at: torch.einsum("nkc,nc->nk", rows_of(at, x.shape[1], x), x),
         inputs={"x": ("N", "C"), "at": {"shape": ("N", "T"), "index": "C"}}, dtypes=HALVES,
         sizes=SIZES)
def gather(x, at):
    return x.gather(1, at)


@program(plain=lambda x, at: rows_of(at, len(x), x) @ x, dtypes=HALVES, sizes=SIZES,
         inputs={"x": ("C", "D"), "at": {"shape": ("N",), "index": "C"}})
def index_select(x, at):
    return x.index_select(0, at)


ROWS = {"x": ("B", "T")}


def plain_prod(x):
    total = torch.ones_like(x[:, 0])
    for column in x.unbind(1):
        total = total * column
    return total


def scanned(x, step):
    kept = [x[:, 0]]
    for column in x.unbind(1)[1:]:
        kept.append(step(kept[-1], column))
    return torch.stack(kept, 1)


prod = program(lambda x: x.prod(1), plain=plain_prod, inputs=ROWS, dtypes=HALVES, sizes=SIZES)
cumsum = program(lambda x: x.cumsum(1), plain=lambda x: scanned(x, torch.add), inputs=ROWS,
                 dtypes=HALVES, sizes=SIZES)
cumprod = program(lambda x: x.cumprod(1), plain=lambda x: scanned(x, torch.mul), inputs=ROWS,
                  dtypes=HALVES, sizes=SIZES)


def plain_logcumsumexp(x):
    most = x.detach().cummax(1).values
    seen = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
    terms = torch.exp(torch.where(seen, x[:, None] - most[..., None], -torch.inf))
    return most + torch.log(terms.sum(-1))


logcumsumexp = program(lambda x: torch.logcumsumexp(x, 1), plain=plain_logcumsumexp, inputs=ROWS,
                       dtypes=HALVES, sizes=SIZES)
logaddexp = program(torch.logaddexp, inputs={"x": ("B", "T"), "y": ("B", "T")}, dtypes=HALVES,
                    plain=lambda x, y: torch.maximum(x, y).detach() + torch.log(
                        torch.exp(x - torch.maximum(x, y).detach())
                        + torch.exp(y - torch.maximum(x, y).detach())),
                    sizes=SIZES)
