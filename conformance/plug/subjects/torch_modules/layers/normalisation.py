"""Normalisation: nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, also for features that are the last axis.

nn.BatchNorm1d and nn.GroupNorm refuse a batch of one number for each feature or group, where the
answer is the bias: the functions that they call do not.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm as normalised

from .....reference import LayerSpec
from ....contract import Declined
from ..builder import Builder, Called, Make


class BatchNorm(nn.BatchNorm2d):
    """nn.BatchNorm2d of any number of axes and any number of examples."""

    def forward(self, x: Tensor) -> Tensor:
        given = (None, None) if self.training else (self.running_mean, self.running_var)
        return torch.batch_norm(x, self.weight, self.bias, *given, self.training, 0.0, self.eps,
                                False)


class GroupNorm(nn.GroupNorm):
    """nn.GroupNorm of any number of examples, places and channels of a group."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps, False)


class FeaturesLast(nn.Module):
    """A module of (batch, channels, ...) for features that are the last axis, but of an image."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Any:
        if x.ndim == 4:
            return self.module(x)
        return self.module(x.movedim(-1, 1)).movedim(1, -1)


def own(builder: Builder, spec: LayerSpec, name: str) -> dict[str, Tensor]:
    """The layer's tensors, by the names that torch.nn has for them."""
    found = {theirs: builder.tensor(spec, name, ours) for theirs, ours in (
        ("weight", "scale"), ("bias", "bias"), ("running_mean", "mean"),
        ("running_var", "variance"))}
    return {theirs: tensor for theirs, tensor in found.items() if tensor is not None}


def standard(spec: LayerSpec) -> float:
    """Epsilon, which torch.nn adds to the variance."""
    if spec.options["epsilon_on"] != "variance":
        raise Declined("torch.nn adds epsilon to the variance")
    return float(spec.options["epsilon"])


def layer_norm(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    tensors = own(builder, spec, name)
    made = nn.LayerNorm if spec.kind == "layer_norm" else nn.RMSNorm
    return Called(made(list(tensors["weight"].shape), standard(spec), device="meta"), tensors)


def batch_norm(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    tensors = own(builder, spec, name)
    module = BatchNorm(len(tensors["weight"]), standard(spec), device="meta")
    return FeaturesLast(Called(module.train(spec.options["training"]), tensors))


def group_norm(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    """An instance norm is one with a group for every channel."""
    tensors = own(builder, spec, name)
    channels = len(tensors["weight"])
    groups = spec.options.get("groups", channels)
    module = GroupNorm(groups, channels, standard(spec), device="meta")
    return FeaturesLast(Called(module, tensors))


def weight_norm(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    """nn.Linear under PyTorch's own parametrization; the size of a unit's weights is a column."""
    direction, scale, bias = (builder.tensor(spec, name, local)
                              for local in ("direction", "scale", "bias"))
    assert direction is not None
    assert scale is not None
    n, m = direction.shape
    linear = normalised(nn.Linear(n, m, bias is not None, device="meta"))
    parts = "parametrizations.weight.original"
    return Called(linear, {f"{parts}0": scale[:, None], f"{parts}1": direction.T}
                  | ({} if bias is None else {"bias": bias}))


LAYERS: dict[str, Make] = {
    "layer_norm": layer_norm, "rms_norm": layer_norm, "batch_norm": batch_norm,
    "group_norm": group_norm, "instance_norm": group_norm, "weight_norm": weight_norm,
}
