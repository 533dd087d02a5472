"""PyTorch as a user writes it: a tree of nn.Modules, torch.nn.functional, loss.backward(), .grad.

The tree has the names of the description: the `2.0.1.weight` of the model is the network's.

Two departures from PyTorch's defaults. nn.Softplus is the identity above 20, off by 2e-9 there:
`threshold=50` is exact. And F.binary_cross_entropy clamps its logarithms at -100, and p (1 - p) at
1e-12: the formula is written out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor, nn

from ...properties.claims import Head
from ...reference import LayerSpec, Network
from ...reference.network import REDUCTIONS
from ..implementing import implementation
from ..subject import Subject, subject_of

Array = Any


# --- what PyTorch has ----------------------------------------------------------------------------


ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": lambda slope: nn.LeakyReLU(slope),
    "softplus": lambda: nn.Softplus(threshold=50),
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "softmax": lambda: nn.Softmax(dim=-1),
}

COMBINE: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "add": lambda ys: reduce(torch.add, ys),
    "multiply": lambda ys: reduce(torch.mul, ys),
    "concatenate": lambda ys: torch.cat(ys, dim=-1),
}


def values(p: Tensor, t: Tensor) -> Tensor:
    """Class indices as one-hot rows."""
    return F.one_hot(t, p.shape[-1]).to(p.dtype) if t.ndim < p.ndim else t


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared_error": lambda p, t: F.mse_loss(p, t, reduction="none"),
    "absolute_error": lambda p, t: F.l1_loss(p, t, reduction="none"),
    "cross_entropy": lambda p, t: -(values(p, t) * p.log()).sum(-1),
    "softmax_cross_entropy": lambda z, t: -(values(z, t) * F.log_softmax(z, dim=-1)).sum(-1),
    "binary_cross_entropy": lambda p, t: -(t * p.log() + (1 - t) * (1 - p).log()),
    "sigmoid_cross_entropy":
        lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="none"),
    "inner_product": lambda p, t: p * t,
}

REDUCE: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": torch.sum,
    "mean_over_batch": lambda loss: loss.sum() / loss.shape[0],
    "mean": torch.mean,
}

HEADS = [
    Head(activation, loss, reduction=reduction)
    for activation, loss in (
        *((name, "squared_error") for name in ACTIVATIONS), ("identity", "absolute_error"),
        ("softmax", "cross_entropy"), ("identity", "softmax_cross_entropy"),
        ("sigmoid", "binary_cross_entropy"), ("identity", "sigmoid_cross_entropy"),
        ("identity", "inner_product"), ("tanh", "inner_product"),
    )
    for reduction in REDUCTIONS
]


# --- the modules ---------------------------------------------------------------------------------


class Branches(nn.ModuleList):
    """Modules side by side on one input: added (a residual block), multiplied, or joined."""

    def __init__(self, branches: Iterable[nn.Module], combine: str):
        super().__init__(branches)
        self.combine = combine

    def forward(self, x: Tensor) -> Tensor:
        return COMBINE[self.combine]([branch(x) for branch in self])


class Back(nn.Module):
    """Back through the matrix of an nn.Linear: a decoder that is tied to its encoder."""

    def __init__(self, weight: nn.Parameter, bias: nn.Parameter | None):
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.T, self.bias)


def linear(weight: nn.Parameter, bias: nn.Parameter | None) -> nn.Linear:
    """An nn.Linear with these parameters."""
    units, inputs = weight.shape
    made = nn.Linear(inputs, units, bias is not None, device="meta")
    made.weight = weight
    if bias is not None:
        made.bias = bias
    return made


# --- from the description to the modules ---------------------------------------------------------


class Builder:
    """Makes the modules of a network from its parameters, NumPy arrays by name.

    A layer that shares another's parameters gets the very nn.Parameter of the other.
    """

    def __init__(self, parameters: dict[str, Array]):
        self.parameters = {name: nn.Parameter(torch.from_numpy(np.ascontiguousarray(value.T)))
                           for name, value in parameters.items()}

    def chain(self, layers: Iterable[LayerSpec], prefix: str = "") -> nn.Sequential:
        """The layers one after another."""
        return nn.Sequential(*(self.layer(spec, f"{prefix}{i}") for i, spec in enumerate(layers)))

    def layer(self, spec: LayerSpec, name: str) -> nn.Module:
        """The module of one layer."""
        if spec.function is not None:
            options = {key: value for key, value in spec.options.items() if key != "function"}
            return ACTIVATIONS[spec.function](**options)
        if spec.branches:
            branches = (self.chain(b, f"{name}.{i}.") for i, b in enumerate(spec.branches))
            return Branches(branches, spec.options["combine"])
        return self.affine(spec, name)

    def affine(self, spec: LayerSpec, name: str) -> nn.Module:
        """x W + b, where W and b may be another layer's, and W transposed."""
        weight = self.parameter(spec, name, "weight")
        bias = self.parameter(spec, name, "bias") if spec.options["bias"] else None
        return Back(weight, bias) if spec.transpose else linear(weight, bias)

    def parameter(self, spec: LayerSpec, name: str, local: str) -> nn.Parameter:
        """The layer's own parameter, or the one that it shares."""
        own = self.parameters.get(f"{name}.{local}")
        return self.parameters[f"{spec.share}.{local}"] if own is None else own


def gradients(model: nn.Module) -> dict[str, Array]:
    """What backward left in .grad, by name: an nn.Linear's (units, in) as (in, units)."""
    return {name: parameter.grad.numpy().T for name, parameter in model.named_parameters()
            if parameter.grad is not None}


@implementation(hidden=[name for name in ACTIVATIONS if name != "softmax"], heads=HEADS, bias="any",
                dtypes=("float64", "float32"), layers="all")
def backprop(network: Network, parameters: dict[str, Array], inputs: Array,
             targets: Array) -> tuple[Any, Any]:
    model, spec = Builder(parameters).chain(network.layers), network.loss
    x = torch.from_numpy(inputs).requires_grad_()
    unreduced = LOSSES[spec.kind](model(x), torch.from_numpy(targets))
    loss = spec.scale * REDUCE[spec.reduction](unreduced)
    loss.backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    return loss.detach().numpy(), {**gradients(model), "inputs": x.grad.numpy()}


def subject() -> Subject:
    return subject_of(backprop, "torch", made_of=["torch"], stateless=True)
