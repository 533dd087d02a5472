"""The dense layer in PyTorch: F.linear, whose weight is (units, in)."""

from typing import Any

import torch.nn.functional as F  # noqa: N812

from ..chain import Here, Layer


def dense(here: Here, x: Any) -> Any:
    weight = here.parameter("weight")
    bias = here.parameter("bias") if here.spec.options["bias"] else None
    if here.spec.options["bias"] == "layer":
        return F.linear(x.to(weight.dtype), weight.T) + bias
    return F.linear(x.to(weight.dtype), weight.T, bias)


LAYERS = {"dense": Layer(dense, ("units", "bias"))}
