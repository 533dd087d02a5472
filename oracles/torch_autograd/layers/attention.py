"""Attention in PyTorch: its own scaled_dot_product_attention, but where scores are capped."""

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from ..chain import Here, Layer

Tensor = Any


def projected(here: Here, name: str, x: Tensor) -> Tensor:
    bias = here.parameter(f"{name}_bias") if here.spec.options["bias"] else None
    return F.linear(x, here.parameter(f"{name}_weight").T, bias)


def in_heads(x: Tensor, heads: int) -> Tensor:
    """(batch, heads, time, width)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def rotated(x: Tensor, rotary: str) -> Tensor:
    """Neighbours, or the halves, as complex numbers times exp(i t 10000^(-2j/d))."""
    if rotary == "none":
        return x
    steps, width = x.shape[-2:]
    speed = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.outer(torch.arange(steps, dtype=torch.float64), speed)
    halves = rotary == "halves"
    z = x.unflatten(-1, (2, -1)).transpose(-1, -2) if halves else x.unflatten(-1, (-1, 2))
    z = torch.view_as_complex(z.contiguous()) * torch.polar(torch.ones_like(angle), angle).to(
        torch.complex64 if x.dtype == torch.float32 else torch.complex128)
    pairs = torch.view_as_real(z)
    return (pairs.transpose(-1, -2) if halves else pairs).flatten(-2)


def may_see(here: Here, x: Tensor) -> Tensor:
    """(batch, 1, time, time): whether a step may see another."""
    options, steps = here.spec.options, x.shape[1]
    allowed = torch.ones(len(x), 1, steps, steps, dtype=torch.bool)
    if options["causal"]:
        allowed = allowed.tril()
    if options["mask"]:
        allowed = allowed & (here.values[f"{here.name}.mask"] > 0)[:, None, None, :]
    return allowed


def attention(here: Here, x: Tensor) -> Tensor:
    options = here.spec.options
    heads = options["heads"]
    key_heads = options["key_heads"] or heads
    query = rotated(in_heads(projected(here, "query", x), heads), options["rotary"])
    key = rotated(in_heads(projected(here, "key", x), key_heads), options["rotary"])
    value = in_heads(projected(here, "value", x), key_heads)
    key, value = (a.repeat_interleave(heads // key_heads, dim=1) for a in (key, value))
    allowed = may_see(here, x)
    nothing = ~allowed.any(dim=-1, keepdim=True)  # such a step is shown all, and takes nothing
    if options["softcap"] is None:
        taken = F.scaled_dot_product_attention(query, key, value, allowed | nothing)
    else:
        cap = options["softcap"]
        scores = cap * torch.tanh(query @ key.mT / math.sqrt(query.shape[-1]) / cap)
        hidden = scores.masked_fill(~(allowed | nothing), -math.inf)
        taken = torch.softmax(hidden, dim=-1) @ value
    return projected(here, "output", taken.masked_fill(nothing, 0.0).transpose(1, 2).flatten(-2))


LAYERS = {
    "attention": Layer(attention, ("heads", "key_heads", "width", "bias", "causal", "mask",
                                   "rotary", "softcap")),
}
