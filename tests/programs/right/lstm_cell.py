"""One step of an LSTM: new hidden state and new cell."""

import torch
from torch.autograd.function import once_differentiable

from .operation import Operation, like, wide


def plain(x, h, c, w_ih, w_hh, b_ih, b_hh):
    gates = x @ w_ih.t() + b_ih + h @ w_hh.t() + b_hh
    i, f, g, o = gates.chunk(4, -1)
    cell = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


class FusedLSTMCell(torch.autograd.Function):
    """cuDNN's way: the activated gates are a workspace of float32, one product for each weight."""

    @staticmethod
    def forward(ctx, x, h, c, w_ih, w_hh, b_ih, b_hh):
        z = torch.addmm(wide(b_ih) + wide(b_hh), wide(x), wide(w_ih).t()).addmm_(wide(h), wide(w_hh).t())
        i, f, g, o = z.chunk(4, 1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        cell = torch.addcmul(f * wide(c), i, g)
        ctx.workspace = i, f, g, o, cell.tanh()
        ctx.save_for_backward(x, h, c, w_ih, w_hh, b_ih, b_hh)
        return (o * ctx.workspace[4]).to(x.dtype), cell.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dh, dcell):
        x, h, c, w_ih, w_hh, b_ih, b_hh = ctx.saved_tensors
        i, f, g, o, tanh_cell = ctx.workspace
        dh32 = wide(dh)
        dc = wide(dcell) + dh32 * o * (1 - tanh_cell ** 2)
        dgates = torch.cat([dc * g * i * (1 - i), dc * wide(c) * f * (1 - f), dc * i * (1 - g * g),
                            dh32 * tanh_cell * o * (1 - o)], 1)
        db = dgates.sum(0)
        return (like(dgates @ wide(w_ih), x), like(dgates @ wide(w_hh), h), like(dc * f, c),
                like(dgates.t() @ wide(x), w_ih), like(dgates.t() @ wide(h), w_hh), like(db, b_ih), like(db, b_hh))


class JoinedLSTMCell(torch.autograd.Function):
    """x and h joined, and both weights; gate by gate; backward computes the gates again."""

    @staticmethod
    def gates(x, h, w_ih, w_hh, b_ih, b_hh):
        joined = torch.cat([wide(h), wide(x)], 1)
        weights = torch.cat([wide(w_hh), wide(w_ih)], 1)
        i, f, g, o = (joined @ w.t() + (b1 + b2) for w, b1, b2 in
                      zip(weights.chunk(4), wide(b_hh).chunk(4), wide(b_ih).chunk(4), strict=True))
        return joined, weights, torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)

    @staticmethod
    def forward(ctx, x, h, c, w_ih, w_hh, b_ih, b_hh):
        ctx.save_for_backward(x, h, c, w_ih, w_hh, b_ih, b_hh)
        _, _, i, f, g, o = JoinedLSTMCell.gates(x, h, w_ih, w_hh, b_ih, b_hh)
        cell = i * g + f * wide(c)
        return (torch.tanh(cell) * o).to(x.dtype), cell.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dh, dcell):
        x, h, c, w_ih, w_hh, b_ih, b_hh = ctx.saved_tensors
        joined, weights, i, f, g, o = JoinedLSTMCell.gates(x, h, w_ih, w_hh, b_ih, b_hh)
        t = torch.tanh(f * wide(c) + i * g)
        dc = (1 - t) * (1 + t) * o * wide(dh) + wide(dcell)
        dz = (i * (1 - i) * (g * dc), f * (1 - f) * (wide(c) * dc), (1 + g) * (1 - g) * (i * dc), o * (1 - o) * (t * wide(dh)))
        dw = torch.cat([each.flip(0).t() @ joined.flip(0) for each in dz])
        db = torch.cat([each.flip(0).sum(0) for each in dz])
        djoined = sum(each @ w for each, w in reversed(list(zip(dz, weights.chunk(4), strict=True))))
        hidden = h.shape[1]
        return (like(djoined[:, hidden:], x), like(djoined[:, :hidden], h), like(f * dc, c),
                like(dw[:, hidden:], w_ih), like(dw[:, :hidden], w_hh), like(db, b_ih), like(db.clone(), b_hh))


def fused(x, h, c, w_ih, w_hh, b_ih, b_hh):
    return FusedLSTMCell.apply(x, h, c, w_ih, w_hh, b_ih, b_hh)


def other(x, h, c, w_ih, w_hh, b_ih, b_hh):
    return JoinedLSTMCell.apply(x, h, c, w_ih, w_hh, b_ih, b_hh)


OPERATION = Operation(
    "LSTM cell", plain, fused, other,
    inputs={"x": ("N", "I"), "h": ("N", "H"), "c": ("N", "H"), "w_ih": ("4*H", "I"), "w_hh": ("4*H", "H"),
            "b_ih": ("4*H",), "b_hh": ("4*H",)},
    sizes={"N": (1, 33), "I": [1, 3, 16, 33], "H": [1, 2, 15, 16, 17]},
)
