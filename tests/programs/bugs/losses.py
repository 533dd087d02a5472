"""Wrong backward passes of losses."""

import torch
from right import cross_entropy, softmax
from right.operation import like, wide
from torch.nn import functional as F

from .bug import HALVES, Bug
from .norms import applied

CE = cross_entropy.OPERATION


def linear_cross_entropy(x, weight, bias, target):
    logits = x @ weight.t() + bias
    log_p = torch.log_softmax(logits, -1)
    return -log_p.gather(-1, target[:, None])[:, 0]


class FirstCotangentForAll(torch.autograd.Function):
    """Gradients are made in forward; backward multiplies the three of them by the one number it expects."""

    @staticmethod
    def forward(ctx, x, weight, bias, target):
        logits = wide(x) @ wide(weight).t() + wide(bias)
        loss = F.cross_entropy(logits, target, reduction="none")
        grad_logits = torch.softmax(logits, -1)
        grad_logits[torch.arange(len(target)), target] -= 1
        ctx.save_for_backward(grad_logits @ wide(weight), grad_logits.t() @ wide(x), grad_logits.sum(0))
        return loss.to(x.dtype)

    @staticmethod
    def backward(ctx, grad_output):
        scale = wide(grad_output).flatten()[0]
        return (*((each * scale).to(grad_output.dtype) for each in ctx.saved_tensors), None)


def cross_entropy_with_z_loss(logits, target):
    log_z = torch.logsumexp(logits, -1)
    picked = logits.gather(-1, target[:, None])[:, 0]
    penalty = 0.1 * log_z ** 2
    return log_z - picked + penalty


class PenaltyIgnoresCotangent(torch.autograd.Function):
    """The penalty's gradient is added as it is, as in the L2 wrap of RWKV."""

    @staticmethod
    def forward(ctx, logits, target):
        lse = torch.logsumexp(wide(logits), -1)
        ctx.save_for_backward(logits, target, lse)
        return (lse - wide(logits).gather(1, target[:, None]).squeeze(1) + 0.1 * lse * lse).to(logits.dtype)

    @staticmethod
    def backward(ctx, grad_output):
        logits, target, lse = ctx.saved_tensors
        p = torch.exp(wide(logits) - lse[:, None])
        hot = F.one_hot(target, logits.shape[1])
        return like((p - hot) * wide(grad_output)[:, None] + 0.2 * lse[:, None] * p, logits), None


class RowPointerNotAdvanced(torch.autograd.Function):
    """Every row's program loads the upstream gradient from the pointer itself."""

    @staticmethod
    def forward(ctx, logits, target):
        lse = torch.logsumexp(wide(logits), -1)
        ctx.save_for_backward(logits, target, lse)
        return (lse - wide(logits).gather(1, target[:, None]).squeeze(1)).to(logits.dtype)

    @staticmethod
    def backward(ctx, grad_output):
        logits, target, lse = ctx.saved_tensors
        dlogits, grad_output_ptr = torch.empty_like(logits), grad_output.contiguous()
        for row in range(len(logits)):
            upstream = wide(grad_output_ptr[0])
            p = torch.exp(wide(logits[row]) - lse[row])
            p[target[row]] -= 1.0
            dlogits[row] = (p * upstream).to(logits.dtype)
        return dlogits, None


def cross_entropy_reduced(logits, target, reduction):
    log_z = torch.logsumexp(logits, -1)
    picked = logits.gather(-1, target[:, None])[:, 0]
    losses = log_z - picked
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


class AlwaysOverBatch(torch.autograd.Function):
    """Backward was written for the mean, and knows no other reduction."""

    @staticmethod
    def forward(ctx, logits, target, reduction):
        ctx.save_for_backward(logits, target)
        return F.cross_entropy(wide(logits), target, reduction=reduction).to(logits.dtype)

    @staticmethod
    def backward(ctx, grad_output):
        logits, target = ctx.saved_tensors
        grad = torch.softmax(wide(logits), 1) - F.one_hot(target, logits.shape[1])
        return like(grad / len(logits) * wide(grad_output).reshape(-1)[0], logits), None, None


class RoundedBeforeMinusOne(torch.autograd.Function):
    """The probabilities are written to the logits' buffer, and the 1 is taken off there."""

    @staticmethod
    def forward(ctx, logits, target):
        lse = torch.logsumexp(wide(logits), -1)
        ctx.save_for_backward(logits, target, lse)
        return (lse - wide(logits).gather(1, target[:, None]).squeeze(1)).to(logits.dtype)

    @staticmethod
    def backward(ctx, grad_output):
        logits, target, lse = ctx.saved_tensors
        buffer = torch.exp(wide(logits) - lse[:, None]).to(logits.dtype)
        buffer[torch.arange(len(target)), target] -= 1
        return like(wide(buffer) * wide(grad_output)[:, None], logits), None


class FirstBlockNormalised(torch.autograd.Function):
    """BLOCK_SIZE is 64: the sum of a wider row is over the first block, in backward alone."""

    BLOCK_SIZE = 64

    @staticmethod
    def forward(ctx, x):
        y = torch.softmax(wide(x), -1)
        ctx.save_for_backward(y)
        return y.to(x.dtype)

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        block, g = FirstBlockNormalised.BLOCK_SIZE, wide(dy)
        dot = (y[:, :block] * g[:, :block]).sum(1, keepdim=True)
        return (y * (g - dot)).to(dy.dtype)


def smooth_l1(x, target, beta):
    difference = x - target
    distance = difference.abs()
    squared = 0.5 * difference ** 2 / beta
    return torch.where(distance < beta, squared, distance - 0.5 * beta)


class SignedThreshold(torch.autograd.Function):
    """The branch is chosen by the difference, not by its size."""

    @staticmethod
    def forward(ctx, x, target, beta):
        ctx.save_for_backward(x, target)
        ctx.beta = beta
        return F.smooth_l1_loss(wide(x), wide(target), reduction="none", beta=beta).to(x.dtype)

    @staticmethod
    def backward(ctx, grad_output):
        x, target = ctx.saved_tensors
        diff = wide(x) - wide(target)
        grad = torch.where(diff < ctx.beta, diff / ctx.beta, torch.sign(diff)) * wide(grad_output)
        return like(grad, x), like(-grad, target), None


BUGS = (
    Bug("first cotangent for all", "Liger-Kernel#1298", "dx, dW and db are times grad[0]",
        linear_cross_entropy, applied(FirstCotangentForAll),
        inputs={"x": ("N", "D"), "weight": ("C", "D"), "bias": ("C",), "target": {"shape": ("N",), "index": "C"}},
        sizes={"N": (1, 65), "D": (1, 65), "C": (2, 65)},
        at=("return -log_p", "log_p = ", "logits = "), shows="a cotangent that is not uniform",
        few={"sizes": {"N": 5, "D": 3, "C": 4}}, core=True),
    Bug("penalty ignores the cotangent", "flash-linear-attention#963", "a part of the gradient is not times grad",
        cross_entropy_with_z_loss, applied(PenaltyIgnoresCotangent), inputs=CE.inputs,
        at=("penalty = ", "return log_z - picked + penalty"), shows="a cotangent other than 1",
        few={"sizes": {"N": 5, "C": 4}}, core=True),
    Bug("row pointer not advanced", "TransformerEngine#2139", "every row has the first one's upstream gradient",
        CE.plain, applied(RowPointerNotAdvanced), inputs=CE.inputs,
        at=("return lse - picked", "lse = ", "picked = "), shows="a cotangent that is not uniform",
        few={"sizes": {"N": 5, "C": 4}}, core=True),
    Bug("always over the batch", "aprender#2182", "reductions none and sum are divided by the batch",
        cross_entropy_reduced, applied(AlwaysOverBatch), inputs=CE.inputs,
        options={"reduction": ["none", "sum", "mean"]},
        at=("return losses", "losses = ", "log_z = ", "picked = "), shows="reduction none or sum",
        few={"sizes": {"N": 5, "C": 4}}),
    Bug("rounded before the minus 1", "Liger-Kernel#1329", "the probability is stored before 1 is taken off",
        CE.plain, applied(RoundedBeforeMinusOne), inputs=CE.inputs, at=("lse = ", "return lse - picked", "picked = "),
        shows="the target's probability near 1", few={"sizes": {"N": 33, "C": 2}}, dtypes=HALVES, core=True),
    Bug("width above the block", "Liger-Kernel#1252", "the sum of a wide row is over its first block",
        softmax.OPERATION.plain, applied(FirstBlockNormalised), inputs={"x": ("N", "D")},
        at=("e.sum", "e = ", "shifted = "), shows="more than 64 columns", few={"sizes": {"N": 3, "D": 129}}),
    Bug("threshold on the signed difference", "attorch#13", "large negative differences have the slope of small ones",
        smooth_l1, applied(SignedThreshold), inputs={"x": ("N", "D"), "target": ("N", "D")},
        options={"beta": [0.5, 1.0]},
        at=("return torch.where", "distance = ", "squared = "), shows="negative differences",
        few={"sizes": {"N": 5, "D": 7}}),
)
