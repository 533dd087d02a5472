"""Wrong backward passes of convolutions and pooling."""

import torch
from right import average_pool, conv1d
from right.operation import like, wide
from torch.nn import functional as F

from .bug import Bug
from .norms import applied

CONV = conv1d.OPERATION
POOL = average_pool.OPERATION


class Conv1d(torch.autograd.Function):
    """What the wrong ones share: forward, and dx and db."""

    @staticmethod
    def forward(ctx, x, weight, bias, groups, stride, padding):
        ctx.save_for_backward(x, weight, bias)
        ctx.how = {"groups": groups, "stride": stride, "padding": padding}
        return F.conv1d(wide(x), wide(weight), wide(bias), **ctx.how).to(x.dtype)

    @staticmethod
    def data_and_bias(ctx, dy):
        x, weight, bias = ctx.saved_tensors
        dx = torch.nn.grad.conv1d_input(x.shape, wide(weight), wide(dy), **ctx.how)
        return like(dx, x), None if bias is None else like(wide(dy).sum((0, 2)), bias)

    @staticmethod
    def columns(ctx, x, weight):
        padded = F.pad(wide(x), (ctx.how["padding"],) * 2)
        return padded.unfold(2, weight.shape[2], ctx.how["stride"])


class GroupsMixedUp(Conv1d):
    """dW takes the channels of all groups and cuts the first C / groups of the result."""

    @staticmethod
    def backward(ctx, dy):
        x, weight, _ = ctx.saved_tensors
        dx, db = Conv1d.data_and_bias(ctx, dy)
        dw = torch.einsum("nol,nclk->ock", wide(dy), Conv1d.columns(ctx, x, weight))
        return dx, like(dw[:, :weight.shape[1]], weight), db, None, None, None


class DepthwiseStrideForgotten(Conv1d):
    """The depthwise path for dW steps through x by one, whatever the stride."""

    @staticmethod
    def backward(ctx, dy):
        x, weight, _ = ctx.saved_tensors
        dx, db = Conv1d.data_and_bias(ctx, dy)
        if weight.shape[1] == 1 and ctx.how["groups"] == x.shape[1] and weight.shape[0] == x.shape[1]:
            padded, length = F.pad(wide(x), (ctx.how["padding"],) * 2), dy.shape[2]
            taps = [(wide(dy) * padded[:, :, k:k + length]).sum((0, 2)) for k in range(weight.shape[2])]
            dw = torch.stack(taps, 1)[:, None]
        else:
            dw = torch.nn.grad.conv1d_weight(wide(x), weight.shape, wide(dy), **ctx.how)
        return dx, like(dw, weight), db, None, None, None


class BiasTakenToBeThere(Conv1d):
    """db is made in any case."""

    @staticmethod
    def backward(ctx, dy):
        x, weight, bias = ctx.saved_tensors
        dx = torch.nn.grad.conv1d_input(x.shape, wide(weight), wide(dy), **ctx.how)
        dw = torch.nn.grad.conv1d_weight(wide(x), weight.shape, wide(dy), **ctx.how)
        return like(dx, x), like(dw, weight), wide(dy).sum((0, 2)).to(bias.dtype), None, None, None


class WholeWindowBackward(torch.autograd.Function):
    """Forward divides by the pixels that are there, backward by the window."""

    @staticmethod
    def forward(ctx, x, window, stride, padding, count_padding):
        ctx.shape, ctx.how = x.shape, (window, stride, padding)
        return F.avg_pool2d(wide(x), window, stride, padding, count_include_pad=count_padding).to(x.dtype)

    @staticmethod
    def backward(ctx, dy):
        window, stride, padding = ctx.how
        h, w = ctx.shape[2:]
        share = wide(dy) / (window * window)
        dx = torch.zeros(*ctx.shape[:2], h + 2 * padding, w + 2 * padding, dtype=share.dtype)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                here = (..., slice(i * stride, i * stride + window), slice(j * stride, j * stride + window))
                dx[here] += share[:, :, i:i + 1, j:j + 1]
        dx = dx[:, :, padding:padding + h, padding:padding + w]
        return dx.to(dy.dtype), None, None, None, None


_CONV = {"plain": CONV.plain, "inputs": CONV.inputs, "sizes": CONV.sizes, "options": CONV.options}

BUGS = (
    Bug("groups mixed up", "pytorch#51430", "dW has the channels of the first group", wrong=applied(GroupsMixedUp),
        at=("y = torch.einsum", "windows = windows.unflatten", "kernels = "), shows="several groups",
        few={"sizes": {"N": 2, "G": 2, "C": 2, "O": 2, "K": 3, "L": 9}}, core=True, **_CONV),
    Bug("depthwise stride", "burn#1891", "dW of a depthwise convolution is that of stride 1",
        wrong=applied(DepthwiseStrideForgotten),
        at=("y = torch.einsum", "windows = padded.unfold", "kernels = "),
        shows="groups as many as channels, stride 2",
        few={"sizes": {"N": 2, "G": 3, "C": 1, "O": 1, "K": 3, "L": 9}, "options": {"stride": 2}},
        **_CONV | {"sizes": CONV.sizes | {"C": 1, "O": (1, 2)}}),
    Bug("no bias", "causal-conv1d#61", "backward fails without a bias", wrong=applied(BiasTakenToBeThere),
        at=(), shows="the bias left out", few={"sizes": {"N": 2, "G": 2, "C": 2, "O": 2, "K": 3, "L": 9}}, **_CONV),
    Bug("whole window backward", "pytorch#198119", "backward divides by the window, padding or not",
        POOL.plain, applied(WholeWindowBackward), POOL.inputs, sizes=POOL.sizes, options=POOL.options,
        at=("return total / ", "total = "), shows="padding that is not counted",
        few={"sizes": {"N": 2, "C": 2, "H": 5, "W": 6}, "options": {"padding": 1, "count_padding": False}}, core=True),
)
