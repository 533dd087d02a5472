"""Causal attention with grouped queries and a soft cap on the logits."""

import torch
from torch.autograd.function import once_differentiable

from .operation import Operation, like, wide


def plain(q, k, v, cap, causal):
    group = q.shape[1] // k.shape[1]
    keys = k.repeat_interleave(group, dim=1)
    values = v.repeat_interleave(group, dim=1)
    scores = q @ keys.transpose(-1, -2) * q.shape[-1] ** -0.5
    capped = cap * torch.tanh(scores / cap)
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        capped = capped.masked_fill(later, float("-inf"))
    p = torch.softmax(capped, dim=-1)
    return p @ values


class FusedAttention(torch.autograd.Function):
    """Everything at once, with an axis for the heads of a group: sums over it are the gradients of k and v."""

    @staticmethod
    def probabilities(q, k, cap, causal):
        b, h, t, d = q.shape
        grouped = wide(q).reshape(b, k.shape[1], h // k.shape[1], t, d)
        tanh = torch.tanh(torch.einsum("bhgtd,bhsd->bhgts", grouped, wide(k)) * (d ** -0.5 / cap))
        logits = cap * tanh
        if causal:
            logits = logits.masked_fill(~torch.ones(t, t, dtype=torch.bool).tril(), -torch.inf)
        return grouped, tanh, torch.softmax(logits, -1)

    @staticmethod
    def forward(ctx, q, k, v, cap, causal):
        ctx.save_for_backward(q, k, v)
        ctx.cap, ctx.causal = cap, causal
        _, _, p = FusedAttention.probabilities(q, k, cap, causal)
        out = torch.einsum("bhgts,bhse->bhgte", p, wide(v))
        return out.reshape(*q.shape[:3], v.shape[-1]).to(q.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, do):
        q, k, v = ctx.saved_tensors
        grouped, tanh, p = FusedAttention.probabilities(q, k, ctx.cap, ctx.causal)
        do32 = wide(do).reshape(*p.shape[:-1], v.shape[-1])
        dv = torch.einsum("bhgts,bhgte->bhse", p, do32)
        dp = torch.einsum("bhgte,bhse->bhgts", do32, wide(v))
        ds = p * (dp - (p * dp).sum(-1, keepdim=True))
        ds = ds * (1 - tanh * tanh) * q.shape[-1] ** -0.5
        dq = torch.einsum("bhgts,bhsd->bhgtd", ds, wide(k)).reshape(q.shape)
        dk = torch.einsum("bhgts,bhgtd->bhsd", ds, grouped)
        return like(dq, q), like(dk, k), like(dv, v), None, None


class FlashAttention(torch.autograd.Function):
    """Tiles of 16 x 16 with an online softmax forward; backward has a loop over key tiles around one over query tiles."""

    TILE = 16

    @staticmethod
    def logits(qi, kj, i, j, cap, causal):
        tanh = torch.tanh(qi @ kj.transpose(-1, -2) / cap)
        logits = tanh * cap
        if causal:
            rows = torch.arange(i, i + qi.shape[-2])[:, None]
            columns = torch.arange(j, j + kj.shape[-2])[None, :]
            logits = torch.where(columns <= rows, logits, -torch.inf)
        return logits, tanh

    @staticmethod
    def tiles(length):
        return [(start, slice(start, start + FlashAttention.TILE)) for start in range(0, length, FlashAttention.TILE)]

    @staticmethod
    def forward(ctx, q, k, v, cap, causal):
        heads = torch.arange(q.shape[1]) // (q.shape[1] // k.shape[1])
        q32, k32, v32 = wide(q) * q.shape[-1] ** -0.5, wide(k)[:, heads], wide(v)[:, heads]
        out, lses = [], []
        for i, rows in FlashAttention.tiles(q.shape[2]):
            qi = q32[:, :, rows]
            m = torch.full((*qi.shape[:3], 1), -torch.inf, dtype=qi.dtype)
            total, acc = torch.zeros_like(m), torch.zeros(*qi.shape[:3], v.shape[-1], dtype=qi.dtype)
            for j, columns in FlashAttention.tiles(k.shape[2]):
                if causal and j > i + FlashAttention.TILE - 1:
                    break
                s, _ = FlashAttention.logits(qi, k32[:, :, columns], i, j, cap, causal)
                m_new = torch.maximum(m, s.amax(-1, keepdim=True))
                p, scale = torch.exp(s - m_new), torch.exp(m - m_new)
                total, acc = total * scale + p.sum(-1, keepdim=True), acc * scale + p @ v32[:, :, columns]
                m = m_new
            out.append(acc / total)
            lses.append(m + torch.log(total))
        o = torch.cat(out, 2)
        ctx.save_for_backward(q, k, v, o, torch.cat(lses, 2))
        ctx.cap, ctx.causal = cap, causal
        return o.to(q.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, do):
        q, k, v, o, lse = ctx.saved_tensors
        group, scale = q.shape[1] // k.shape[1], q.shape[-1] ** -0.5
        heads = torch.arange(q.shape[1]) // group
        q32, k32, v32, do32 = wide(q) * scale, wide(k)[:, heads], wide(v)[:, heads], wide(do)
        delta = (do32 * o).sum(-1, keepdim=True)
        dq, dk, dv = torch.zeros_like(q32), torch.zeros_like(k32), torch.zeros_like(v32)
        for j, columns in FlashAttention.tiles(k.shape[2]):
            for i, rows in FlashAttention.tiles(q.shape[2]):
                if ctx.causal and j > i + FlashAttention.TILE - 1:
                    continue
                s, tanh = FlashAttention.logits(q32[:, :, rows], k32[:, :, columns], i, j, ctx.cap, ctx.causal)
                p = torch.exp(s - lse[:, :, rows])
                dv[:, :, columns] += p.transpose(-1, -2) @ do32[:, :, rows]
                dp = do32[:, :, rows] @ v32[:, :, columns].transpose(-1, -2)
                ds = p * (dp - delta[:, :, rows]) * (1 - tanh.square())
                dq[:, :, rows] += ds @ k32[:, :, columns] * scale
                dk[:, :, columns] += ds.transpose(-1, -2) @ q32[:, :, rows]
        dk, dv = (each.unflatten(1, (k.shape[1], group)).sum(2) for each in (dk, dv))
        return like(dq, q), like(dk, k), like(dv, v), None, None


def fused(q, k, v, cap, causal):
    return FusedAttention.apply(q, k, v, cap, causal)


def other(q, k, v, cap, causal):
    return FlashAttention.apply(q, k, v, cap, causal)


OPERATION = Operation(
    "attention", plain, fused, other,
    inputs={"q": ("B", "G*H", "T", "D"), "k": ("B", "H", "T", "D"), "v": ("B", "H", "T", "E")},
    sizes={"B": (1, 2), "G": (1, 3), "H": (1, 2), "T": [1, 2, 3, 15, 16, 17, 33], "D": [1, 4, 8, 16], "E": [1, 4, 8, 12]},
    options={"cap": [2.0, 30.0], "causal": [True, False]},
)
