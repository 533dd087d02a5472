"""Attention: nn.MultiheadAttention where it is that, else F.scaled_dot_product_attention."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor, nn

from .....reference import LayerSpec
from ..builder import Builder, Called, Make

PARTS = ("query", "key", "value", "output")


class Ours(nn.Module):
    """Self-attention with what nn.MultiheadAttention lacks: shared keys, rotation, a cap."""

    def __init__(self, options: Mapping[str, Any], tensors: Mapping[str, Tensor]):
        super().__init__()
        self.options, self.tensors = dict(options), dict(tensors)

    def projected(self, part: str, x: Tensor) -> Tensor:
        return F.linear(x, self.tensors[f"{part}_weight"].T, self.tensors.get(f"{part}_bias"))

    def in_heads(self, part: str, x: Tensor, heads: int) -> Tensor:
        y = self.projected(part, x)
        return y.view(*y.shape[:2], heads, -1).transpose(1, 2)

    def rotated(self, x: Tensor) -> Tensor:
        """Every pair turned by the angle of its step."""
        rotary, (steps, width) = self.options["rotary"], x.shape[-2:]
        if rotary == "none":
            return x
        speeds = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angles = torch.arange(steps, dtype=torch.float64)[:, None] * speeds
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        if rotary == "halves":
            a, b = x.chunk(2, dim=-1)
            return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)
        a, b = x[..., ::2], x[..., 1::2]
        return torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2)

    def hidden(self, x: Tensor) -> Tensor:
        """(batch, 1, time, time): true where a step may not see another."""
        steps = x.shape[1]
        found = torch.zeros(len(x), 1, steps, steps, dtype=torch.bool)
        if self.options["causal"]:
            found = found | torch.ones(steps, steps, dtype=torch.bool).triu(1)
        if self.options["mask"]:
            found = found | (self.tensors["mask"] == 0)[:, None, None, :]
        return found

    def forward(self, x: Tensor) -> Tensor:
        heads, cap = self.options["heads"], self.options["softcap"]
        groups = self.options["key_heads"] or heads
        query = self.rotated(self.in_heads("query", x, heads))
        key = self.rotated(self.in_heads("key", x, groups))
        value, hidden = self.in_heads("value", x, groups), self.hidden(x)
        blind = hidden.all(dim=-1, keepdim=True)
        if cap is None:
            y = F.scaled_dot_product_attention(query, key, value, ~hidden | blind, enable_gqa=True)
        else:
            key, value = (a.repeat_interleave(heads // groups, 1) for a in (key, value))
            scores = cap * torch.tanh(query @ key.mT / (cap * math.sqrt(query.shape[-1])))
            y = scores.masked_fill(hidden & ~blind, -math.inf).softmax(-1) @ value
        y = torch.where(blind, torch.zeros_like(y), y)
        return self.projected("output", y.transpose(1, 2).flatten(2))


class Theirs(nn.Module):
    """nn.MultiheadAttention of a sequence to itself."""

    def __init__(self, module: nn.Module, causal: bool):
        super().__init__()
        self.module, self.causal = module, causal

    def forward(self, x: Tensor) -> Any:
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1) if self.causal else None
        return self.module(x, x, x, None, False, mask)[0]


def attention(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    options = spec.options
    names = ["mask", *(f"{part}_{what}" for part in PARTS for what in ("weight", "bias"))]
    found = {local: builder.tensor(spec, name, local) for local in names}
    tensors = {local: tensor for local, tensor in found.items() if tensor is not None}
    n, heads = len(tensors["query_weight"]), options["heads"]
    plain = (options["softcap"] is None and options["rotary"] == "none" and not options["mask"]
             and options["key_heads"] in (None, heads) and tensors["query_weight"].shape[1] == n)
    if not plain:
        return Ours(options, tensors)
    theirs = {"in_proj_weight": torch.cat([tensors[f"{part}_weight"].T for part in PARTS[:3]]),
              "out_proj.weight": tensors["output_weight"].T}
    if options["bias"]:
        theirs |= {"in_proj_bias": torch.cat([tensors[f"{part}_bias"] for part in PARTS[:3]]),
                   "out_proj.bias": tensors["output_bias"]}
    module = nn.MultiheadAttention(n, heads, bias=options["bias"], batch_first=True, device="meta")
    return Theirs(Called(module, theirs), options["causal"])


LAYERS: dict[str, Make] = {"attention": attention}
