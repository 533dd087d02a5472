"""Wrong backward passes of normalisations."""

import itertools

import torch
from right import group_norm, layer_norm, rms_norm
from right.operation import like, wide

from .bug import HALVES, Bug

LN = layer_norm.OPERATION
RMS = rms_norm.OPERATION
GN = group_norm.OPERATION


def next_power_of_2(n):
    return 1 << (n - 1).bit_length()


def cdiv(a, b):
    return -(-a // b)


# --- layer norm --------------------------------------------------------------------------------------------------


def ln_forward(x, weight, bias, eps):
    """y, mean and rstd, all in float32."""
    x32 = wide(x)
    mean = x32.mean(-1, keepdim=True)
    rstd = torch.rsqrt((x32 - mean).square().mean(-1, keepdim=True) + eps)
    return ((x32 - mean) * rstd * wide(weight) + wide(bias)).to(x.dtype), mean, rstd


def ln_dx(dy, xhat, rstd, weight):
    wdy = dy * wide(weight)
    return rstd * (wdy - wdy.mean(-1, keepdim=True) - xhat * (wdy * xhat).mean(-1, keepdim=True))


class LastBlockDropped(torch.autograd.Function):
    """A buffer of rows // BLOCK partial sums, and a grid of one program more."""

    BLOCK = 16

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        y, mean, rstd = ln_forward(x, weight, bias, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, mean, rstd = ctx.saved_tensors
        block, width = LastBlockDropped.BLOCK, x.shape[-1]
        xhat, g = (wide(x) - mean) * rstd, wide(dy)
        rows, grads = xhat.reshape(-1, width), g.reshape(-1, width)
        count = max(len(rows) // block, 1)
        partial_w, partial_b = torch.zeros(count, width, dtype=g.dtype), torch.zeros(count, width, dtype=g.dtype)
        for pid in range(count):
            here = slice(pid * block, (pid + 1) * block)
            partial_w[pid], partial_b[pid] = (grads[here] * rows[here]).sum(0), grads[here].sum(0)
        dx = ln_dx(g, xhat, rstd, weight)
        return like(dx, x), like(partial_w.sum(0), weight), like(partial_b.sum(0), weight), None


class RankTwoOnly(torch.autograd.Function):
    """M, N = x.shape[0], x.shape[-1]: a grid of M programs, each of a row of N."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        y, mean, rstd = ln_forward(x, weight, bias, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, mean, rstd = ctx.saved_tensors
        m, n = x.shape[0], x.shape[-1]
        xhat = ((wide(x) - mean) * rstd).reshape(-1, n)
        g, rstd = wide(dy).reshape(-1, n), rstd.reshape(-1, 1)
        dx = torch.zeros_like(xhat)
        dw, db = torch.zeros(n, dtype=g.dtype), torch.zeros(n, dtype=g.dtype)
        for pid in range(m):
            dx[pid] = ln_dx(g[pid], xhat[pid], rstd[pid], weight)
            dw += g[pid] * xhat[pid]
            db += g[pid]
        return like(dx.view(x.shape), x), like(dw, weight), like(db, weight), None


class PaddingLanes(torch.autograd.Function):
    """A row is loaded into a power of two of lanes, 0 in those past the end; backward has the variance anew from these."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        y, mean, _ = ln_forward(x, weight, bias, eps)
        ctx.save_for_backward(x, weight, mean)
        ctx.eps = eps
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, mean = ctx.saved_tensors
        n = x.shape[-1]
        lanes = torch.nn.functional.pad(wide(x), (0, next_power_of_2(n) - n))
        diff = lanes - mean
        rstd = torch.rsqrt((diff * diff).sum(-1, keepdim=True) / n + ctx.eps)
        xhat, g = diff[..., :n] * rstd, wide(dy)
        rows = (0, 1)
        return like(ln_dx(g, xhat, rstd, weight), x), like((g * xhat).sum(rows), weight), like(g.sum(rows), weight), None


class ShiftStored(torch.autograd.Function):
    """xhat is x * scale + shift; both are kept in the dtype of x, as mean and rstd once were."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        y, mean, rstd = ln_forward(x, weight, bias, eps)
        ctx.save_for_backward(x, weight, rstd, (-mean * rstd).to(x.dtype))
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, rstd, shift = ctx.saved_tensors
        g, xhat = wide(dy), wide(x) * rstd + wide(shift)
        rows = (0, 1)
        return like(ln_dx(g, xhat, rstd, weight), x), like((g * xhat).sum(rows), weight), like(g.sum(rows), weight), None


class BiasRace(torch.autograd.Function):
    """Blocks of rows add to the bias' gradient without a barrier: one call in ten loses the first block."""

    CALLS = itertools.count(1)

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        y, mean, rstd = ln_forward(x, weight, bias, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, mean, rstd = ctx.saved_tensors
        g, xhat = wide(dy), (wide(x) - mean) * rstd
        blocks = [block.sum(0) for block in g.reshape(-1, x.shape[-1]).split(8)]
        lost = next(BiasRace.CALLS) % 10 == 0
        db = sum(blocks[lost:], torch.zeros_like(blocks[0]))
        return like(ln_dx(g, xhat, rstd, weight), x), like((g * xhat).sum((0, 1)), weight), like(db, weight), None


# --- RMS norm with a residual ------------------------------------------------------------------------------------


def rms_forward(x, residual, weight, eps):
    h = wide(x) + wide(residual)
    rstd = torch.rsqrt(h.square().mean(-1, keepdim=True) + eps)
    return (h * rstd * wide(weight)).to(x.dtype), h.to(x.dtype), h, rstd


def rms_dx(dy, h, rstd, weight):
    wdy, xhat = dy * wide(weight), h * rstd
    return rstd * (wdy - xhat * (wdy * xhat).mean(-1, keepdim=True))


class AddRMSNorm(torch.autograd.Function):
    """What the wrong ones share: forward."""

    @staticmethod
    def forward(ctx, x, residual, weight, eps):
        y, out, h, rstd = rms_forward(x, residual, weight, eps)
        ctx.save_for_backward(h, rstd, weight, x)
        return y, out


class CotangentTakenAsContiguous(AddRMSNorm):
    """dy's pointer is read row by row with the strides of a contiguous tensor, whatever its own are."""

    @staticmethod
    def backward(ctx, dy, dh):
        h, rstd, weight, x = ctx.saved_tensors
        pointer = dy.as_strided((dy.untyped_storage().nbytes() // dy.element_size() - dy.storage_offset(),), (1,))
        at = torch.arange(dy.numel()).clamp(max=len(pointer) - 1)
        g = wide(pointer[at].view(dy.shape))
        dx = rms_dx(g, h, rstd, weight) + wide(dh)
        return like(dx, x), like(dx, x), like((g * h * rstd).sum(0), weight), None


class ResidualInside(AddRMSNorm):
    """The stream's own gradient is added to dy, before the norm's backward."""

    @staticmethod
    def backward(ctx, dy, dh):
        h, rstd, weight, x = ctx.saved_tensors
        wdy, xhat = wide(dy) * wide(weight) + wide(dh), h * rstd
        dx = rstd * (wdy - xhat * (wdy * xhat).mean(-1, keepdim=True))
        return like(dx, x), like(dx, x), like((wide(dy) * xhat).sum(0), weight), None


class ResidualNone(AddRMSNorm):
    """The residual's gradient is left out of the tuple."""

    @staticmethod
    def backward(ctx, dy, dh):
        h, rstd, weight, x = ctx.saved_tensors
        dx = rms_dx(wide(dy), h, rstd, weight) + wide(dh)
        return like(dx, x), None, like((wide(dy) * h * rstd).sum(0), weight), None


class WeightNone(AddRMSNorm):
    """Only dX: the weight is frozen in the use its author had in mind."""

    @staticmethod
    def backward(ctx, dy, dh):
        h, rstd, weight, x = ctx.saved_tensors
        dx = like(rms_dx(wide(dy), h, rstd, weight) + wide(dh), x)
        return dx, dx.clone(), None, None


class WeightSummedInStorage(AddRMSNorm):
    """dW is added up row by row in the dtype of the weight."""

    @staticmethod
    def backward(ctx, dy, dh):
        h, rstd, weight, x = ctx.saved_tensors
        dx = like(rms_dx(wide(dy), h, rstd, weight) + wide(dh), x)
        dw = torch.zeros_like(weight)
        for row in (wide(dy) * h * rstd).to(weight.dtype):
            dw += row
        return dx, dx.clone(), dw, None


class WritesIntoCotangent(AddRMSNorm):
    """To save memory dX goes where dY was."""

    @staticmethod
    def backward(ctx, dy, dh):
        h, rstd, weight, x = ctx.saved_tensors
        dw = like((wide(dy) * h * rstd).sum(0), weight)
        dx = rms_dx(wide(dy), h, rstd, weight) + wide(dh)
        if dy.is_contiguous():
            dy.copy_(dx)
            return dy, like(dx, x), dw, None
        return like(dx, x), like(dx, x), dw, None


# --- group norm and broadcasts -----------------------------------------------------------------------------------


def gn_forward(x, weight, bias, groups, eps):
    n, c = x.shape[:2]
    grouped = wide(x).reshape(n, groups, c // groups, -1)
    mean = grouped.mean((2, 3), keepdim=True)
    rstd = torch.rsqrt((grouped - mean).square().mean((2, 3), keepdim=True) + eps)
    xhat = (grouped - mean) * rstd
    y = xhat * wide(weight).view(1, groups, -1, 1) + wide(bias).view(1, groups, -1, 1)
    return y.view(x.shape).to(x.dtype), mean, rstd


class GroupNorm(torch.autograd.Function):
    """What the wrong ones share: forward."""

    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps):
        y, mean, rstd = gn_forward(x, weight, bias, groups, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        ctx.groups = groups
        return y


class WidthForArea(GroupNorm):
    """N = C / G * x.shape[-1]: right for sequences, for which it was written."""

    @staticmethod
    def backward(ctx, dy):
        x, weight, mean, rstd = ctx.saved_tensors
        n, c, g = *x.shape[:2], ctx.groups
        dy32 = wide(dy).reshape(n, g, c // g, -1)
        xhat = (wide(x).reshape(n, g, c // g, -1) - mean) * rstd
        wdy = dy32 * wide(weight).view(1, g, -1, 1)
        count = c // g * x.shape[-1]
        c1 = (xhat * wdy).sum((2, 3), keepdim=True) / count
        c2 = wdy.sum((2, 3), keepdim=True) / count
        dx = (wdy - (xhat * c1 + c2)) * rstd
        dw, db = (dy32 * xhat).sum((0, 3)).view(c), dy32.sum((0, 3)).view(c)
        return like(dx.view(x.shape), x), like(dw, weight), like(db, weight), None, None


class FirstGroupsGamma(GroupNorm):
    """The tile of gamma is read once, before the loop over groups."""

    @staticmethod
    def backward(ctx, dy):
        x, weight, mean, rstd = ctx.saved_tensors
        n, c, g = *x.shape[:2], ctx.groups
        size, dx = c // g, torch.empty(x.shape, dtype=rstd.dtype)
        dw, db = torch.zeros(c, dtype=rstd.dtype), torch.zeros(c, dtype=rstd.dtype)
        gamma = wide(weight[:size]).view(1, size, 1, 1)
        for group in range(g):
            here = slice(group * size, (group + 1) * size)
            scale = rstd[:, group].view(n, 1, 1, 1)
            xhat = (wide(x[:, here]) - mean[:, group].view(n, 1, 1, 1)) * scale
            grad = wide(dy[:, here])
            wdy, axes = grad * gamma, (1, 2, 3)
            dx[:, here] = scale * (wdy - wdy.mean(axes, keepdim=True) - xhat * (wdy * xhat).mean(axes, keepdim=True))
            dw[here], db[here] = (grad * xhat).sum((0, 2, 3)), grad.sum((0, 2, 3))
        return like(dx, x), like(dw, weight), like(db, weight), None, None


class ChannelsLastMisread(GroupNorm):
    """dgamma's kernel takes x for contiguous: pixels of one channel are read for those of another."""

    @staticmethod
    def backward(ctx, dy):
        x, weight, mean, rstd = ctx.saved_tensors
        n, c, g = *x.shape[:2], ctx.groups
        dy32 = wide(dy).reshape(n, g, c // g, -1)
        xhat = (wide(x).reshape(n, g, c // g, -1) - mean) * rstd
        wdy = dy32 * wide(weight).view(1, g, -1, 1)
        dx = rstd * (wdy - wdy.mean((2, 3), keepdim=True) - xhat * (wdy * xhat).mean((2, 3), keepdim=True))
        pointer = x.as_strided((x.untyped_storage().nbytes() // x.element_size() - x.storage_offset(),), (1,))
        read = wide(pointer[torch.arange(x.numel()).clamp(max=len(pointer) - 1)]).view(n, g, c // g, -1)
        dw = (dy32 * (read - mean) * rstd).sum((0, 3)).view(c)
        return like(dx.view(x.shape), x), like(dw, weight), like(dy32.sum((0, 3)).view(c), weight), None, None


def modulated(x, scale, shift):
    scaled = x * (1 + scale)
    return scaled + shift


class OneBroadcastAxisSummed(torch.autograd.Function):
    """scale is (B, 1, D), shift (1, 1, D): both are added up over tokens, and over the batch neither."""

    @staticmethod
    def forward(ctx, x, scale, shift):
        ctx.save_for_backward(x, scale, shift)
        return (wide(x) * (1 + wide(scale)) + wide(shift)).to(x.dtype)

    @staticmethod
    def backward(ctx, dy):
        x, scale, shift = ctx.saved_tensors
        g = wide(dy)
        dshift = torch.zeros_like(wide(shift))
        for sample in g:
            dshift[:] = sample.sum(0)
        return like(g * (1 + wide(scale)), x), like((g * wide(x)).sum(1, keepdim=True), scale), like(dshift, shift)


def _of(operation, function):
    """What a row has of a right operation: its plain form, its inputs, and the wrong function applied."""
    return {"plain": operation.plain, "inputs": operation.inputs, "options": operation.options,
            "sizes": operation.sizes, "wrong": applied(function)}


def applied(function):
    """The Function as something that takes its options by name."""
    def wrong(*inputs, **options):
        return function.apply(*inputs, *options.values())
    wrong.__qualname__ = function.__qualname__
    return wrong


BUGS = (
    Bug("last block dropped", "attorch#18", "the last block of rows is in neither dW nor db", **_of(LN, LastBlockDropped),
        at=("return xhat * weight + bias",), shows="rows not a multiple of 16, more than 16",
        few={"sizes": {"B": 3, "T": 11, "D": 5}}, core=True),
    Bug("rank two only", "FlagGems#5392", "rows beyond the first axis are not visited", **_of(LN, RankTwoOnly),
        at=("mean = ", "centred = ", "var = ", "xhat = ", "return xhat * weight + bias"), shows="rank 3",
        few={"sizes": {"B": 3, "T": 7, "D": 5}}, core=True),
    Bug("padding lanes in the variance", "quack 9310d47", "lanes past the width add mean^2 to the variance",
        **_of(LN, PaddingLanes), at=("var = ", "xhat = "), shows="a width that is no power of two, a large mean",
        few={"sizes": {"B": 2, "T": 3, "D": 769}}, core=True),
    Bug("shift stored in the dtype", "pytorch#188375", "xhat is a difference of rounded numbers, not 0 at width 1",
        **_of(LN, ShiftStored), at=("mean = ", "centred = ", "xhat = ", "return xhat * weight"),
        shows="width 1, a large mean",
        few={"sizes": {"B": 2, "T": 9, "D": 1}}, dtypes=HALVES),
    Bug("race in the bias", "jax-mps#168", "one call in ten loses a block", **_of(LN, BiasRace),
        at=("return xhat * weight + bias",), shows="repeated calls", few={"sizes": {"B": 3, "T": 11, "D": 5}}),
    Bug("cotangent taken as contiguous", "FlagGems#1084", "dy is read with strides that it has not",
        **_of(RMS, CotangentTakenAsContiguous), at=("return normed * weight, h",), shows="a transposed or expanded dy",
        few={"sizes": {"N": 5, "D": 7}}, core=True),
    Bug("residual inside", "quack#53", "the stream's gradient goes through the norm", **_of(RMS, ResidualInside),
        at=("h = x + residual", "return normed * weight, h", "mean_square = ", "normed = "), shows="both outputs used",
        few={"sizes": {"N": 5, "D": 7}}, core=True),
    Bug("residual None", "quack#52", "the residual has no gradient", **_of(RMS, ResidualNone), at=("h = x + residual",),
        shows="always", few={"sizes": {"N": 5, "D": 7}}),
    Bug("weight None", "unsloth#4533", "the weight has no gradient", **_of(RMS, WeightNone),
        at=("return normed * weight, h",), shows="always", few={"sizes": {"N": 5, "D": 7}}),
    Bug("dW summed in storage", "Liger-Kernel#950", "dW is accumulated in the storage dtype",
        **_of(RMS, WeightSummedInStorage) | {"sizes": {"D": (1, 33)}}, at=("return normed * weight, h",),
        shows="many rows", few={"sizes": {"N": 513, "D": 3}}, dtypes=HALVES),
    Bug("writes into the cotangent", "Liger-Kernel#1305", "dx is written where dy was", **_of(RMS, WritesIntoCotangent),
        at=(), shows="a cotangent that is used again", few={"sizes": {"N": 5, "D": 7}}),
    Bug("width for area", "Liger-Kernel#1375", "means of the backward pass divide by W, not H W",
        **_of(GN, WidthForArea), at=("mean = ", "var = ", "xhat = "), shows="height above 1",
        few={"sizes": {"N": 2, "G": 2, "C": 3, "H": 4, "W": 3}}, core=True),
    Bug("gamma of the first group", "tt-metal#56202", "every group has the first one's gamma",
        **_of(GN, FirstGroupsGamma), at=("return xhat * weight",), shows="several groups",
        few={"sizes": {"N": 2, "G": 3, "C": 2, "H": 4, "W": 3}}, core=True),
    Bug("channels last misread", "pytorch#140913", "dgamma reads x as if it were contiguous",
        **_of(GN, ChannelsLastMisread), at=("return xhat * weight", "xhat = "), shows="x in channels last",
        few={"sizes": {"N": 2, "G": 2, "C": 2, "H": 4, "W": 3}}),
    Bug("a broadcast axis not summed", "pytorch#13669", "the batch overwrites where it should add",
        modulated, applied(OneBroadcastAxisSummed),
        inputs={"x": ("B", "T", "D"), "scale": ("B", 1, "D"), "shift": (1, 1, "D")}, at=("return scaled + shift",),
        shows="more than one sample", few={"sizes": {"B": 3, "T": 4, "D": 5}}, core=True),
)
