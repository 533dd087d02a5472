"""Normalisation in PyTorch: its own layers, and where epsilon is added to the deviation, std."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from ..chain import Here, Layer

Tensor = Any
Own = Callable[[Here, Tensor], Tensor]


def on_deviation(x: Tensor, epsilon: float, axes: tuple[int, ...], centre: bool = True) -> Tensor:
    """x over its deviation plus epsilon; std has no gradient where all numbers are equal."""
    c = x - x.mean(dim=axes, keepdim=True) if centre else x
    variance = c.square().mean(dim=axes, keepdim=True)
    deviation = torch.where(variance > 0, variance, torch.ones_like(variance)).sqrt()
    return c / (torch.where(variance > 0, deviation, torch.zeros_like(variance)) + epsilon)


def affine(here: Here, x: Tensor, channels: int) -> Tensor:
    """x times scale plus bias, the features on the axis `channels`."""
    shape = [1] * x.ndim
    shape[channels] = -1
    scale, bias = here.parameter("scale"), here.parameter("bias")
    return x * scale.reshape(shape) + bias.reshape(shape)


def channels_second(function: Own) -> Own:
    """The function of (batch, channels, ...), for the layouts of this package."""
    def layer(here: Here, x: Tensor) -> Tensor:
        return function(here, x.movedim(-1, 1)).movedim(1, -1) if x.ndim < 4 else function(here, x)

    return layer


def constant(here: Here, local: str) -> Tensor:
    return here.values[f"{here.name}.{local}"]


def batch_norm(here: Here, x: Tensor) -> Tensor:
    options, others = here.spec.options, tuple(a for a in range(x.ndim) if a != 1)
    scale, bias = here.parameter("scale"), here.parameter("bias")
    if options["epsilon_on"] == "variance":
        given = (None, None) if options["training"] else (
            constant(here, "mean"), constant(here, "variance"))
        mean, variance = given
        return torch.batch_norm(x, scale, bias, mean, variance, options["training"], 0.0,
                                options["epsilon"], False)
    if options["training"]:
        return affine(here, on_deviation(x, options["epsilon"], others), 1)
    shape = (-1, *(1,) * (x.ndim - 2))
    deviation = constant(here, "variance").sqrt().reshape(shape) + options["epsilon"]
    return affine(here, (x - constant(here, "mean").reshape(shape)) / deviation, 1)


def group_norm(here: Here, x: Tensor) -> Tensor:
    options = here.spec.options
    groups = options.get("groups", x.shape[1])  # an instance norm has a group for every channel
    if options["epsilon_on"] == "variance":
        return torch.group_norm(x, groups, here.parameter("scale"), here.parameter("bias"),
                                options["epsilon"], False)
    grouped = x.reshape(len(x), groups, -1)
    return affine(here, on_deviation(grouped, options["epsilon"], (2,)).reshape(x.shape), 1)


def layer_norm(here: Here, x: Tensor) -> Tensor:
    options, shape = here.spec.options, x.shape[x.ndim - here.spec.options["axes"]:]
    scale, bias = here.parameter("scale"), here.parameter("bias")
    if options["epsilon_on"] == "variance":
        return F.layer_norm(x, shape, scale, bias, options["epsilon"])
    return on_deviation(x, options["epsilon"], trailing(here)) * scale + bias


def rms_norm(here: Here, x: Tensor) -> Tensor:
    options, shape = here.spec.options, x.shape[x.ndim - here.spec.options["axes"]:]
    if options["epsilon_on"] == "variance":
        return F.rms_norm(x, shape, here.parameter("scale"), options["epsilon"])
    return on_deviation(x, options["epsilon"], trailing(here), False) * here.parameter("scale")


def trailing(here: Here) -> tuple[int, ...]:
    return tuple(range(-here.spec.options["axes"], 0))


def weight_norm(here: Here, x: Tensor) -> Tensor:
    direction, bias = here.parameter("direction"), None
    weight = torch._weight_norm(direction, here.parameter("scale")[None], 1)
    if here.spec.options["bias"]:
        bias = here.parameter("bias")
    return F.linear(x.to(weight.dtype), weight.T, bias)


WHERE = ("epsilon", "epsilon_on")
LAYERS = {
    "batch_norm": Layer(channels_second(batch_norm), (*WHERE, "training")),
    "group_norm": Layer(channels_second(group_norm), (*WHERE, "groups")),
    "instance_norm": Layer(channels_second(group_norm), WHERE),
    "layer_norm": Layer(layer_norm, (*WHERE, "axes")),
    "rms_norm": Layer(rms_norm, (*WHERE, "axes")),
    "weight_norm": Layer(weight_norm, ("units", "bias")),
}
