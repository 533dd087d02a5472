"""The dense layer in PyTorch: F.linear, whose weight is (units, in)."""

from typing import Any

import torch.nn.functional as F  # noqa: N812

from ..chain import Here, Layer


def dense(here: Here, x: Any) -> Any:
    weight = here.parameter("weight")
    bias = here.parameter("bias") if here.spec.options["bias"] else None
    if bias is not None and bias.numel() < weight.shape[1]:  # one number for all units
        bias = bias.expand(weight.shape[1])
    return F.linear(x.to(weight.dtype), weight.T, bias)


LAYERS = {"dense": Layer(dense, ("units", "bias"))}
