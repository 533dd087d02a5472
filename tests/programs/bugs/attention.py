"""Wrong backward passes of attention, and of what stands around it."""

import torch
from right import attention
from right.operation import like, wide

from .bug import Bug
from .norms import applied

ATTENTION = attention.OPERATION
SMALL = {"B": (1, 3), "H": (1, 3), "T": (1, 33), "S": (1, 33), "D": (1, 16), "E": (1, 16)}


def softmax_backward(p, dp):
    return p * (dp - (dp * p).sum(-1, keepdim=True))


# --- grouped queries with a soft cap -----------------------------------------------------------------------------


class Grouped(torch.autograd.Function):
    """What the wrong ones share: forward, with the keys and values of every head laid out."""

    @staticmethod
    def forward(ctx, q, k, v, cap, causal):
        group, scale = q.shape[1] // k.shape[1], q.shape[-1] ** -0.5
        kk, vv = (wide(each).repeat_interleave(group, 1) for each in (k, v))
        tanh = torch.tanh(wide(q) @ kk.transpose(-1, -2) * scale / cap)
        s = tanh * cap
        if causal:
            s = s.masked_fill(torch.ones(s.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
        p = torch.softmax(s, -1)
        ctx.save_for_backward(q, k, v, kk, vv, tanh, p)
        ctx.group, ctx.scale, ctx.cap, ctx.causal = group, scale, cap, causal
        return (p @ vv).to(q.dtype)


class NoSoftcapDerivative(Grouped):
    """Backward was there before the cap was."""

    @staticmethod
    def backward(ctx, do):
        q, k, v, kk, vv, _, p = ctx.saved_tensors
        g = wide(do)
        ds = softmax_backward(p, g @ vv.transpose(-1, -2)) * ctx.scale
        dk, dv = ds.transpose(-1, -2) @ wide(q), p.transpose(-1, -2) @ g
        dk, dv = (each.unflatten(1, (-1, ctx.group)).sum(2) for each in (dk, dv))
        return like(ds @ kk, q), like(dk, k), like(dv, v), None, None


class GroupNotSummed(Grouped):
    """Heads of a group write dk and dv to the same place, one after the other."""

    @staticmethod
    def backward(ctx, do):
        q, k, v, kk, vv, tanh, p = ctx.saved_tensors
        g = wide(do)
        ds = softmax_backward(p, g @ vv.transpose(-1, -2)) * (1 - tanh ** 2) * ctx.scale
        dk, dv = torch.zeros_like(k), torch.zeros_like(v)
        for head in range(q.shape[1]):
            dk[:, head // ctx.group] = (ds[:, head].transpose(-1, -2) @ wide(q[:, head])).to(k.dtype)
            dv[:, head // ctx.group] = (p[:, head].transpose(-1, -2) @ g[:, head]).to(v.dtype)
        return like(ds @ kk, q), dk, dv, None, None


class AlwaysCausal(Grouped):
    """The loop over query blocks begins at the diagonal whether the mask is on or off."""

    @staticmethod
    def backward(ctx, do):
        q, k, v, kk, vv, tanh, p = ctx.saved_tensors
        g = wide(do)
        ds = softmax_backward(p, g @ vv.transpose(-1, -2)) * (1 - tanh ** 2) * ctx.scale
        lower_ds, lower_p = ds.tril(), p.tril()
        dk, dv = lower_ds.transpose(-1, -2) @ wide(q), lower_p.transpose(-1, -2) @ g
        dk, dv = (each.unflatten(1, (-1, ctx.group)).sum(2) for each in (dk, dv))
        return like(ds @ kk, q), like(dk, k), like(dv, v), None, None


# --- several heads, keys of another length -----------------------------------------------------------------------


def cross_attention(q, k, v):
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    p = torch.softmax(scores, -1)
    return p @ v


class Heads(torch.autograd.Function):
    """What the wrong ones share: forward."""

    @staticmethod
    def forward(ctx, q, k, v):
        p = torch.softmax(wide(q) @ wide(k).transpose(-1, -2) * q.shape[-1] ** -0.5, -1)
        ctx.save_for_backward(q, k, v, p)
        return (p @ wide(v)).to(q.dtype)

    @staticmethod
    def gradients(q, k, v, p, g):
        ds = softmax_backward(p, g @ wide(v).transpose(-1, -2)) * q.shape[-1] ** -0.5
        return like(ds @ wide(k), q), like(ds.transpose(-1, -2) @ wide(q), k), like(p.transpose(-1, -2) @ g, v)


class TileReadsPastTheEnd(Heads):
    """Query tiles of 16 rows: the last one runs into the rows of the next head, and is not masked."""

    TILE = 16

    @staticmethod
    def backward(ctx, do):
        q, k, v, p = ctx.saved_tensors
        dq, dk, dv = Heads.gradients(q, k, v, p, wide(do))
        heads, t = q.shape[0] * q.shape[1], q.shape[2]
        extra = -t % TileReadsPastTheEnd.TILE
        flat_q, flat_do = wide(q).reshape(-1, q.shape[3]), wide(do).reshape(-1, do.shape[3])
        more_k, more_v = torch.zeros_like(wide(k)).flatten(0, 1), torch.zeros_like(wide(v)).flatten(0, 1)
        for head in range(heads):
            rows = slice((head + 1) * t, min((head + 1) * t + extra, heads * t))
            key, value = (wide(each).flatten(0, 1)[head] for each in (k, v))
            probabilities = torch.softmax(flat_q[rows] @ key.t() * q.shape[-1] ** -0.5, -1)
            ds = softmax_backward(probabilities, flat_do[rows] @ value.t()) * q.shape[-1] ** -0.5
            more_k[head], more_v[head] = ds.t() @ flat_q[rows], probabilities.t() @ flat_do[rows]
        dk = like(wide(dk) + more_k.view(k.shape), k)
        return dq, dk, like(wide(dv) + more_v.view(v.shape), v)


class StridesOfQueries(Heads):
    """One set of strides is handed to the kernel; dq's loop steps through k with those of q."""

    @staticmethod
    def backward(ctx, do):
        q, k, v, p = ctx.saved_tensors
        _, dk, dv = Heads.gradients(q, k, v, p, wide(do))
        memory, (b, h, s, d) = k.contiguous().view(-1), k.shape
        batch, head, row = h * q.shape[2] * d, q.shape[2] * d, d
        at = (torch.arange(b)[:, None, None, None] * batch + torch.arange(h)[:, None, None] * head
              + torch.arange(s)[:, None] * row + torch.arange(d))
        read = wide(memory[at.clamp(max=memory.numel() - 1)])
        ds = softmax_backward(p, wide(do) @ wide(v).transpose(-1, -2)) * d ** -0.5
        return like(ds @ read, q), dk, dv


class ValueWidthOfKeys(Heads):
    """The tile of dv has the width of the keys' heads: columns beyond it are left as they are."""

    @staticmethod
    def backward(ctx, do):
        q, k, v, p = ctx.saved_tensors
        dq, dk, full = Heads.gradients(q, k, v, p, wide(do))
        dv = torch.zeros_like(v)
        dv[..., :q.shape[3]] = full[..., :q.shape[3]]
        return dq, dk, dv


# --- a bias on the scores, dropout -------------------------------------------------------------------------------


def biased_attention(q, k, v, bias):
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias
    p = torch.softmax(scores, -1)
    return p @ v


class BiasAloneForgotten(torch.autograd.Function):
    """Where neither q, k nor v wants a gradient there is nothing to do."""

    @staticmethod
    def forward(ctx, q, k, v, bias):
        p = torch.softmax(wide(q) @ wide(k).transpose(-1, -2) * q.shape[-1] ** -0.5 + wide(bias), -1)
        ctx.save_for_backward(q, k, v, bias, p)
        return (p @ wide(v)).to(q.dtype)

    @staticmethod
    def backward(ctx, do):
        q, k, v, bias, p = ctx.saved_tensors
        if not any(ctx.needs_input_grad[:3]):
            return None, None, None, None
        ds = softmax_backward(p, wide(do) @ wide(v).transpose(-1, -2))
        scaled = ds * q.shape[-1] ** -0.5
        return (like(scaled @ wide(k), q), like(scaled.transpose(-1, -2) @ wide(q), k),
                like(p.transpose(-1, -2) @ wide(do), v), like(ds.sum((0, 1)), bias))


def dropout(x, keep, p):
    kept = x * keep
    return kept / (1 - p)


class ScaledByP(torch.autograd.Function):
    """Backward multiplies by p."""

    @staticmethod
    def forward(ctx, x, keep, p):
        ctx.save_for_backward(keep)
        ctx.p = p
        return (wide(x) * keep / (1 - p)).to(x.dtype)

    @staticmethod
    def backward(ctx, dy):
        (keep,) = ctx.saved_tensors
        return (wide(dy) * keep * ctx.p).to(dy.dtype), None, None


def attention_with_dropout(q, k, v, keep, p):
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    weights = torch.softmax(scores, -1)
    dropped = weights * keep / (1 - p)
    return dropped @ v


class NoDropoutInSoftmax(torch.autograd.Function):
    """The mask is used for dv, and for the gradient of the probabilities it is not."""

    @staticmethod
    def forward(ctx, q, k, v, keep, p):
        weights = torch.softmax(wide(q) @ wide(k).transpose(-1, -2) * q.shape[-1] ** -0.5, -1)
        dropped = torch.where(keep, weights / (1 - p), 0)
        ctx.save_for_backward(q, k, v, weights, dropped)
        return (dropped @ wide(v)).to(q.dtype)

    @staticmethod
    def backward(ctx, do):
        q, k, v, weights, dropped = ctx.saved_tensors
        dv = dropped.transpose(-1, -2) @ wide(do)
        ds = softmax_backward(weights, wide(do) @ wide(v).transpose(-1, -2)) * q.shape[-1] ** -0.5
        return like(ds @ wide(k), q), like(ds.transpose(-1, -2) @ wide(q), k), like(dv, v), None, None


# --- sparse keys, sequences of several lengths, rotary -----------------------------------------------------------


def sparse_attention(q, k, v, picks):
    there = picks >= 0
    keys = k[picks.clamp(min=0)]
    values = v[picks.clamp(min=0)]
    scores = torch.einsum("td,tkd->tk", q, keys) * q.shape[-1] ** -0.5
    scores = scores.masked_fill(~there, -3e4)
    p = torch.softmax(scores, -1) * there
    return torch.einsum("tk,tkd->td", p, values)


class SentinelScattered(torch.autograd.Function):
    """Entries of -1 are masked in the scores; their part of dv goes to row -1, which is the last."""

    @staticmethod
    def forward(ctx, q, k, v, picks):
        there, safe = picks >= 0, picks.clamp(min=0)
        s = (wide(q)[:, None] * wide(k)[safe]).sum(-1) * q.shape[-1] ** -0.5
        p = torch.softmax(s.masked_fill(~there, -1e30), -1)
        ctx.save_for_backward(q, k, v, picks, p)
        return ((p * there)[..., None] * wide(v)[safe]).sum(1).to(q.dtype)

    @staticmethod
    def backward(ctx, do):
        q, k, v, picks, p = ctx.saved_tensors
        there, safe, g, scale = picks >= 0, picks.clamp(min=0), wide(do), q.shape[-1] ** -0.5
        dp = (g[:, None] * wide(v)[safe]).sum(-1) * there
        ds = softmax_backward(p, dp) * scale
        dk, dv = torch.zeros_like(wide(k)), torch.zeros_like(wide(v))
        rows = picks % len(k)
        unmasked = torch.softmax((wide(q)[:, None] * wide(k)[safe]).sum(-1) * scale, -1)
        weights = torch.where(there, p * there, unmasked)
        dk.index_add_(0, rows.flatten(), (ds[..., None] * wide(q)[:, None]).flatten(0, 1))
        dv.index_add_(0, rows.flatten(), (weights[..., None] * g[:, None]).flatten(0, 1))
        return like((ds[..., None] * wide(k)[safe]).sum(1), q), like(dk, k), like(dv, v), None


def attention_of_lengths(q, k, v, lengths):
    there = (torch.arange(k.shape[1], device=k.device) < lengths[:, None])[:, None, :]
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    scores = scores.masked_fill(~there, -3e4)
    p = torch.softmax(scores, -1) * there
    return p @ v


class NothingToNormalise(torch.autograd.Function):
    """The log-normaliser of a sequence of length 0 is -inf, and exp(-inf + inf) is no number."""

    @staticmethod
    def forward(ctx, q, k, v, lengths):
        there = (torch.arange(k.shape[1]) < lengths[:, None])[:, None, :]
        s = wide(q) @ wide(k).transpose(-1, -2) * q.shape[-1] ** -0.5
        s = s.masked_fill(~there, -torch.inf)
        lse = torch.logsumexp(s, -1, keepdim=True)
        out = torch.where(lse == -torch.inf, 0, torch.exp(s - lse)) @ wide(v)
        ctx.save_for_backward(q, k, v, s, lse)
        return out.to(q.dtype)

    @staticmethod
    def backward(ctx, do):
        q, k, v, s, lse = ctx.saved_tensors
        p = torch.exp(s - lse)
        dq, dk, dv = Heads.gradients(q, k, v, p, wide(do))
        return dq, dk, dv, None


def rotary(x, cos, sin):
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


class RotaryInPlace(torch.autograd.Function):
    """The rotated vector is written where the vector was."""

    @staticmethod
    def forward(ctx, x, cos, sin):
        half = x.shape[-1] // 2
        ctx.save_for_backward(x.clone(), cos, sin)
        first, second, target = wide(x[..., :half]).clone(), wide(x[..., half:]).clone(), x.detach()
        c, s = wide(cos), wide(sin)
        y = torch.cat([first * c - second * s, second * c + first * s], -1).to(x.dtype)
        if target.is_contiguous():
            target.copy_(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, cos, sin = ctx.saved_tensors
        (g1, g2), (x1, x2) = wide(dy).chunk(2, -1), wide(x).chunk(2, -1)
        dx = torch.cat([g1 * wide(cos) + g2 * wide(sin), g2 * wide(cos) - g1 * wide(sin)], -1)
        rows = tuple(range(x.dim() - cos.dim()))
        return like(dx, x), like((g1 * x1 + g2 * x2).sum(rows), cos), like((g2 * x1 - g1 * x2).sum(rows), sin)


QKV = {"q": ("B", "H", "T", "D"), "k": ("B", "H", "S", "D"), "v": ("B", "H", "S", "E")}
_GROUPED = {"plain": ATTENTION.plain, "inputs": ATTENTION.inputs, "sizes": ATTENTION.sizes,
            "options": ATTENTION.options}

BUGS = (
    Bug("no derivative of the cap", "flash-attention#2402", "1 - tanh^2 is missing", wrong=applied(NoSoftcapDerivative),
        at=("capped = cap",), shows="logits near the cap",
        few={"sizes": {"B": 1, "G": 2, "H": 1, "T": 5, "D": 8, "E": 4}, "options": {"cap": 2.0}}, core=True, **_GROUPED),
    Bug("group not summed", "levanter#449", "dk and dv are those of the group's last head",
        wrong=applied(GroupNotSummed), at=("keys = k.repeat", "values = v.repeat", "scores = ", "return p @ values"),
        shows="several query heads for a key head",
        few={"sizes": {"B": 1, "G": 3, "H": 2, "T": 5, "D": 8, "E": 4}}, core=True, **_GROUPED),
    Bug("always causal", "triton#5660", "without the mask dk and dv are still those with it", wrong=applied(AlwaysCausal),
        at=("return p @ values", "scores = ", "capped = ", "p = torch.softmax"), shows="causal off",
        few={"sizes": {"B": 1, "G": 1, "H": 2, "T": 5, "D": 8, "E": 4}, "options": {"causal": False}}, **_GROUPED),
    Bug("tile reads past the end", "flash-attention a4f148b6", "rows of the next head are added to dk and dv",
        cross_attention, applied(TileReadsPastTheEnd), QKV, sizes=SMALL,
        at=("scores = ", "p = ", "return p @ v"), shows="a length that is no multiple of 16, several heads",
        few={"sizes": {"B": 2, "H": 2, "T": 5, "S": 4, "D": 4, "E": 4}}),
    Bug("strides of the queries", "flash-attention#818", "k is read with the strides of q",
        cross_attention, applied(StridesOfQueries), QKV, sizes=SMALL, at=("scores = ",),
        shows="keys of another length, several heads",
        few={"sizes": {"B": 2, "H": 2, "T": 5, "S": 4, "D": 4, "E": 4}}),
    Bug("value width of the keys", "flash-attention#2552", "columns of dv beyond the keys' width are 0",
        cross_attention, applied(ValueWidthOfKeys), QKV, sizes=SMALL, at=("return p @ v",),
        shows="values wider than keys", few={"sizes": {"B": 1, "H": 2, "T": 5, "S": 4, "D": 4, "E": 7}}),
    Bug("bias alone", "pytorch#188302", "the bias has no gradient where nothing else wants one",
        biased_attention, applied(BiasAloneForgotten),
        {"q": ("B", "H", "T", "D"), "k": ("B", "H", "S", "D"), "v": ("B", "H", "S", "E"), "bias": ("T", "S")},
        sizes=SMALL, at=("scores = ",), shows="only the bias wants a gradient",
        few={"sizes": {"B": 1, "H": 2, "T": 5, "S": 4, "D": 4, "E": 4},
             "inputs": {name: {"shape": shape, "grad": False} for name, shape in QKV.items()}}),
    Bug("dropout scaled by p", "apex#816", "the kept entries' gradient is times p, not over 1 - p",
        dropout, applied(ScaledByP), {"x": ("N", "D"), "keep": {"shape": ("N", "D"), "dtype": "bool"}},
        options={"p": [0.1, 0.3]}, at=("return kept / (1 - p)", "kept = "), shows="dropout",
        few={"sizes": {"N": 5, "D": 7}}),
    Bug("no dropout in the softmax", "nki-samples#81", "the probabilities' gradient is not masked",
        attention_with_dropout, applied(NoDropoutInSoftmax),
        QKV | {"keep": {"shape": ("B", "H", "T", "S"), "dtype": "bool"}}, sizes=SMALL, options={"p": [0.1, 0.3]},
        at=("dropped = ",), shows="dropout", few={"sizes": {"B": 1, "H": 2, "T": 5, "S": 4, "D": 4, "E": 4}}),
    Bug("sentinel scattered", "flash-attention#2755", "entries of -1 add to the last row of dv",
        sparse_attention, applied(SentinelScattered),
        {"q": ("T", "D"), "k": ("S", "D"), "v": ("S", "D"), "picks": {"shape": ("T", "K"), "index": "S", "sentinel": -1}},
        sizes={"T": (1, 33), "S": (1, 33), "D": (1, 16), "K": (1, 8)},
        at=("values = ", "p = torch.softmax", "return torch.einsum"), shows="padded entries",
        few={"sizes": {"T": 5, "S": 6, "D": 4, "K": 3}}),
    Bug("a sequence of length 0", "flash-attention#2421", "no number where there is no key",
        attention_of_lengths, applied(NothingToNormalise),
        {"q": ("B", "T", "D"), "k": ("B", "S", "D"), "v": ("B", "S", "E"), "lengths": {"shape": ("B",), "index": "S + 1"}},
        sizes=SMALL, at=(), shows="a length of 0", few={"sizes": {"B": 3, "T": 2, "S": 2, "D": 4, "E": 3}}),
    Bug("rotary in place", "unsloth#5001", "the input is overwritten", rotary, applied(RotaryInPlace),
        {"x": ("B", "T", "2*D"), "cos": ("T", "D"), "sin": ("T", "D")}, at=(), shows="an input that is used again",
        few={"sizes": {"B": 2, "T": 3, "D": 4}}),
)
