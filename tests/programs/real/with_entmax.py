"""entmax: sparse alternatives to softmax, whose backward passes use the Jacobian in closed form."""

import torch
from backproof import program
from package_shelf import use

use("entmax")
import entmax  # noqa: E402

SIZES = {"N": (1, 17), "D": (1, 129)}
SCORES = {"x": ("N", "D")}


def support_of_sparsemax(x):
    """Which entries of a row are above its threshold: it depends on the order alone."""
    ordered = x.detach().double().sort(-1, descending=True).values
    count = torch.arange(1, x.shape[-1] + 1)
    size = (count * ordered > ordered.cumsum(-1) - 1.0).sum(-1, keepdim=True)
    tau = (ordered.cumsum(-1).gather(-1, size - 1) - 1.0) / size
    return x.detach().double() > tau


def plain_sparsemax(x):
    inside = support_of_sparsemax(x).to(x.dtype)
    tau = ((x * inside).sum(-1, keepdim=True) - 1.0) / inside.sum(-1, keepdim=True)
    return (x - tau) * inside


def support_of_entmax15(x):
    ordered = x.detach().double().sort(-1, descending=True).values / 2.0
    count = torch.arange(1, x.shape[-1] + 1)
    mean = ordered.cumsum(-1) / count
    scatter = (ordered * ordered).cumsum(-1) - count * mean * mean
    tau = mean - ((1.0 - scatter) / count).clamp_min(0.0).sqrt()
    size = (tau <= ordered).sum(-1, keepdim=True)
    return x.detach().double() / 2.0 > tau.gather(-1, size - 1)


def plain_entmax15(x):
    inside = support_of_entmax15(x).to(x.dtype)
    count, half = inside.sum(-1, keepdim=True), x / 2.0
    mean = (half * inside).sum(-1, keepdim=True) / count
    off = (half - mean) * inside
    scatter = (off * off).sum(-1, keepdim=True)
    root = (half - mean + torch.sqrt((1.0 - scatter) / count)) * inside
    return root * root


sparsemax = program(lambda x: entmax.sparsemax(x), plain=plain_sparsemax, inputs=SCORES,
                    dtypes=["float32"], sizes=SIZES, framework="torch")
entmax15 = program(lambda x: entmax.entmax15(x), plain=plain_entmax15, inputs=SCORES,
                   dtypes=["float32"], sizes=SIZES, framework="torch")


def plain_entmax(x, above):
    """The root of the normalisation by bisection, then by one step of Newton that is differentiated.

    The derivative of a root is that of the step, with its slope held fast.
    """
    power = 1.0 / (0.1 + above)
    scaled = x * (0.1 + above)
    with torch.no_grad():
        low = scaled.amax(-1, keepdim=True) - 1.0
        high = low + 1.0
        for _ in range(80):
            tau = (low + high) / 2.0
            over = ((scaled - tau).clamp_min(0.0) ** power).sum(-1, keepdim=True) > 1.0
            low, high = torch.where(over, tau, low), torch.where(over, high, tau)
        inside = scaled > tau
        slope = (power * torch.where(inside, scaled - tau, 1.0) ** (power - 1.0) * inside
                 ).sum(-1, keepdim=True)
    tau = tau + (powered(scaled - tau, power, inside).sum(-1, keepdim=True) - 1.0) / slope
    return powered(scaled - tau, power, inside)


def powered(x, power, inside):
    return torch.where(inside, torch.where(inside, x, 1.0) ** power, 0.0)


@program(plain=plain_entmax, dtypes=["float32"], sizes=SIZES,
         inputs={"x": ("N", "D"), "above": {"shape": ("N", 1), "values": "unit"}})
def entmax_bisect(x, above):
    return entmax.entmax_bisect(x, 1.1 + above)


def picked(x, targets):
    return x.gather(-1, targets[:, None])[:, 0]


LABELS = {"x": ("N", "D"), "targets": {"shape": ("N",), "index": "D"}}


def plain_sparsemax_loss(x, targets):
    p = plain_sparsemax(x)
    return (p * (x - 0.5 * p)).sum(-1) + 0.5 - picked(x, targets)



@program(plain=plain_sparsemax_loss, inputs=LABELS, dtypes=["float32"], sizes=SIZES)
def sparsemax_loss(x, targets):
    return entmax.SparsemaxLoss(reduction="none")(x, targets)
