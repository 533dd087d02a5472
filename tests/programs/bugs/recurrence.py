"""Wrong backward passes of whatever goes step by step: linear attention, scans, recurrent networks."""

import torch
from right.operation import like, wide

from .bug import Bug
from .norms import applied


def normalised_linear_attention(q, k, v):
    causal = torch.ones(q.shape[0], q.shape[0], dtype=q.dtype, device=q.device).tril()
    scores = (q @ k.t()) * causal
    normaliser = scores.sum(1, keepdim=True) + 1
    return (scores @ v) / normaliser


class NoNormaliserInKeys(torch.autograd.Function):
    """The running sum of keys is taken for a constant in dk."""

    @staticmethod
    def forward(ctx, q, k, v):
        s = (wide(q) @ wide(k).t()).tril()
        z = s.sum(1, keepdim=True) + 1
        o = s @ wide(v) / z
        ctx.save_for_backward(q, k, v, s, z, o)
        return o.to(q.dtype)

    @staticmethod
    def backward(ctx, do):
        q, k, v, s, z, o = ctx.saved_tensors
        g = wide(do) / z
        ds = (g @ wide(v).t()).tril()
        dz = -(g * o).sum(1, keepdim=True)
        dq = (ds + dz).tril() @ wide(k)
        return like(dq, q), like(ds.t() @ wide(q), k), like(s.t() @ g, v)


def gated_linear_attention(q, k, v, gate):
    steps = torch.zeros_like(q[:, :1]) if gate is None else gate
    decay = torch.cumsum(steps, 0)
    weights = torch.exp(decay - decay.t()).tril()
    scores = (q @ k.t()) * weights
    return scores @ v


class KeysNeverAssigned(torch.autograd.Function):
    """dk is written inside `if gate is not None`; without one it is what memory held."""

    @staticmethod
    def forward(ctx, q, k, v, gate):
        decay = torch.zeros(len(q), 1, dtype=wide(q).dtype) if gate is None else wide(gate).cumsum(0)
        w = torch.exp(decay - decay.t()).tril()
        ctx.save_for_backward(q, k, v, gate, w)
        return ((wide(q) @ wide(k).t()) * w @ wide(v)).to(q.dtype)

    @staticmethod
    def backward(ctx, do):
        q, k, v, gate, w = ctx.saved_tensors
        g, s = wide(do), wide(q) @ wide(k).t()
        ds = (g @ wide(v).t()) * w
        dk, dgate = torch.empty_like(k), None
        if gate is not None:
            dk.copy_(ds.t() @ wide(q))
            through = ds * s
            ddecay = through.sum(1) - through.sum(0)
            dgate = like(ddecay.flip(0).cumsum(0).flip(0)[:, None], gate)
        return like(ds @ wide(k), q), dk, like((s * w).t() @ g, v), dgate


def forgetting_attention(q, k, v, gate):
    total = torch.cumsum(gate, 0)
    bias = total - total.t()
    scores = q @ k.t() * q.shape[-1] ** -0.5 + bias
    later = torch.ones_like(scores, dtype=torch.bool).triu(1)
    p = torch.softmax(scores.masked_fill(later, float("-inf")), -1)
    return p @ v


class GateOfKeysWithWrongSign(torch.autograd.Function):
    """The gate acts on queries with plus and on keys with minus; backward adds both."""

    @staticmethod
    def forward(ctx, q, k, v, gate):
        total = wide(gate).cumsum(0)
        s = wide(q) @ wide(k).t() * q.shape[-1] ** -0.5 + total - total.t()
        p = torch.softmax(s.masked_fill(torch.ones_like(s, dtype=torch.bool).triu(1), -torch.inf), -1)
        ctx.save_for_backward(q, k, v, gate, p)
        return (p @ wide(v)).to(q.dtype)

    @staticmethod
    def backward(ctx, do):
        q, k, v, gate, p = ctx.saved_tensors
        dp = wide(do) @ wide(v).t()
        ds = p * (dp - (dp * p).sum(1, keepdim=True))
        dtotal = ds.sum(1, keepdim=True) + ds.sum(0)[:, None]
        dgate = dtotal.flip(0).cumsum(0).flip(0)
        scaled = ds * q.shape[-1] ** -0.5
        return (like(scaled @ wide(k), q), like(scaled.t() @ wide(q), k), like(p.t() @ wide(do), v), like(dgate, gate))


def selective_scan(a, b):
    h = torch.zeros_like(b[0])
    states = []
    for t in range(len(a)):
        h = torch.exp(a[t]) * h + b[t]
        states.append(h)
    return torch.stack(states), h


class PaddedStepsForget(torch.autograd.Function):
    """Chunks of 8 steps; past the end a step has the factor 0, which forgets, where exp(0) would keep."""

    CHUNK = 8

    @staticmethod
    def forward(ctx, a, b):
        h, states = torch.zeros_like(wide(b[0])), []
        for decay, x in zip(wide(a).exp(), wide(b), strict=True):
            h = decay * h + x
            states.append(h)
        ctx.save_for_backward(a, b, torch.stack(states))
        return torch.stack(states).to(b.dtype), h.to(b.dtype)

    @staticmethod
    def backward(ctx, dstates, dlast):
        a, b, states = ctx.saved_tensors
        steps, padding = len(a), -len(a) % PaddedStepsForget.CHUNK
        decay = torch.nn.functional.pad(wide(a).exp(), (0, 0, 0, padding))
        g = torch.nn.functional.pad(wide(dstates), (0, 0, 0, padding))
        dh, da, db = wide(dlast), torch.zeros_like(wide(a)), torch.zeros_like(wide(b))
        for t in reversed(range(steps + padding)):
            dh = dh + g[t]
            if t < steps:
                db[t] = dh
                da[t] = dh * decay[t] * (states[t - 1] if t else 0)
            dh = dh * decay[t]
        return like(da, a), like(db, b)


def both_directions(x, w, u, w_back, u_back):
    h = torch.zeros_like(x[0])
    forward = []
    for t in range(len(x)):
        h = torch.tanh(x[t] @ w.t() + h @ u.t())
        forward.append(h)
    h = torch.zeros_like(x[0])
    backward = []
    for t in reversed(range(len(x))):
        h = torch.tanh(x[t] @ w_back.t() + h @ u_back.t())
        backward.insert(0, h)
    return torch.stack(forward) + torch.stack(backward)


class CotangentOverwritten(torch.autograd.Function):
    """dx of one direction is written to the workspace that held dy, and the other direction reads dy there."""

    @staticmethod
    def states(x, w, u, order):
        h, kept = torch.zeros_like(x[0]), {}
        for t in order:
            kept[t] = h = torch.tanh(x[t] @ w.t() + h @ u.t())
        return torch.stack([kept[t] for t in range(len(x))])

    @staticmethod
    def forward(ctx, x, w, u, w_back, u_back):
        x32, steps = wide(x), range(len(x))
        hs = CotangentOverwritten.states(x32, wide(w), wide(u), steps)
        hs_back = CotangentOverwritten.states(x32, wide(w_back), wide(u_back), steps[::-1])
        ctx.save_for_backward(x, w, u, w_back, u_back, hs, hs_back)
        return (hs + hs_back).to(x.dtype)

    @staticmethod
    def direction(x, w, u, hs, workspace, order):
        """dx, dw and du of one direction; dx is in the workspace afterwards."""
        dh, dw, du = torch.zeros_like(x[0]), torch.zeros_like(w), torch.zeros_like(u)
        for t, before in zip(order, [*order[1:], None], strict=True):
            dz = (workspace[t] + dh) * (1 - hs[t] ** 2)
            dw += dz.t() @ x[t]
            if before is not None:
                du += dz.t() @ hs[before]
            dh = dz @ u
            workspace[t] = dz @ w
        return workspace.clone(), dw, du

    @staticmethod
    def backward(ctx, dy):
        x, w, u, w_back, u_back, hs, hs_back = ctx.saved_tensors
        workspace, steps = wide(dy).clone(), list(range(len(x)))
        dx, dw, du = CotangentOverwritten.direction(wide(x), wide(w), wide(u), hs, workspace, steps[::-1])
        dx_back, dw_back, du_back = CotangentOverwritten.direction(
            wide(x), wide(w_back), wide(u_back), hs_back, workspace, steps)
        return like(dx + dx_back, x), like(dw, w), like(du, u), like(dw_back, w_back), like(du_back, u_back)


UNIT, DECAY = {"values": "unit"}, {"values": "decay"}

BUGS = (
    Bug("no normaliser in dk", "flash-linear-attention#875", "the normaliser's part of dk is missing",
        normalised_linear_attention, applied(NoNormaliserInKeys),
        {"q": {"shape": ("T", "D"), **UNIT}, "k": {"shape": ("T", "D"), **UNIT}, "v": ("T", "E")},
        sizes={"T": (1, 65), "D": (1, 16), "E": (1, 16)},
        at=("normaliser = ", "return (scores @ v) / normaliser", "scores = "),
        shows="always", few={"sizes": {"T": 5, "D": 3, "E": 4}}),
    Bug("dk never assigned", "flash-linear-attention#863", "without a gate dk is memory as it was",
        gated_linear_attention, applied(KeysNeverAssigned),
        {"q": ("T", "D"), "k": ("T", "D"), "v": ("T", "E"), "gate": {"shape": ("T", 1), "optional": True, **DECAY}},
        sizes={"T": (1, 33), "D": (1, 16), "E": (1, 16)}, at=("scores = ",), shows="no gate, fresh memory",
        few={"sizes": {"T": 5, "D": 3, "E": 4}}),
    Bug("sign of the keys' gate", "flash-linear-attention 7362d874", "the gate's part by way of the keys is added",
        forgetting_attention, applied(GateOfKeysWithWrongSign),
        {"q": ("T", "D"), "k": ("T", "D"), "v": ("T", "E"), "gate": {"shape": ("T", 1), **DECAY}},
        sizes={"T": (1, 33), "D": (1, 16), "E": (1, 16)}, at=("bias = ",), shows="more than one step",
        few={"sizes": {"T": 5, "D": 3, "E": 4}}),
    Bug("padded steps forget", "mamba#368", "the last state's gradient is lost in the padding of a chunk",
        selective_scan, applied(PaddedStepsForget), {"a": {"shape": ("T", "D"), **DECAY}, "b": ("T", "D")},
        sizes={"T": (1, 33), "D": (1, 33)}, at=("return torch.stack(states), h", "h = torch.exp"),
        shows="steps not a multiple of 8, the last state used", few={"sizes": {"T": 5, "D": 3}}),
    Bug("dy overwritten by dx", "mxnet#18203", "the second direction reads dx where it takes dy to be",
        both_directions, applied(CotangentOverwritten),
        {"x": ("T", "B", "D"), "w": ("D", "D"), "u": ("D", "D"), "w_back": ("D", "D"), "u_back": ("D", "D")},
        sizes={"T": (1, 7), "B": (1, 5), "D": (1, 8)},
        at=("return torch.stack(forward)", "h = torch.tanh(x[t] @ w_back", "backward.insert"), shows="always",
        few={"sizes": {"T": 3, "B": 2, "D": 4}}),
)
