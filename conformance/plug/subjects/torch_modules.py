"""PyTorch as a user writes it: nn.Linear and torch.nn.functional, loss.backward(), .grad.

Two departures from its defaults. F.softplus is the identity above 20, off by 2e-9 there: `threshold=50` is exact. And
F.binary_cross_entropy clamps its logarithms at -100, and p (1 - p) at 1e-12: the formula is written out.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention

from ...properties.claims import Head
from ...reference import LayerSpec, Network
from ...reference.network import REDUCTIONS
from ..implementing import implementation
from ..subject import Subject, subject_of

Array = Any


def values(p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Class indices as one-hot rows."""
    return F.one_hot(t, p.shape[-1]).to(p.dtype) if t.ndim < p.ndim else t


ACTIVATIONS: dict[str, Any] = {
    "identity": lambda x: x,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": lambda x, slope: F.leaky_relu(x, slope),
    "softplus": lambda x: F.softplus(x, threshold=50),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "softmax": lambda x: torch.softmax(x, dim=-1),
}

LOSSES: dict[str, Any] = {
    "squared_error": lambda p, t: F.mse_loss(p, t, reduction="none"),
    "absolute_error": lambda p, t: F.l1_loss(p, t, reduction="none"),
    "cross_entropy": lambda p, t: -(values(p, t) * p.log()).sum(-1),
    "softmax_cross_entropy": lambda z, t: -(values(z, t) * F.log_softmax(z, dim=-1)).sum(-1),
    "binary_cross_entropy": lambda p, t: -(t * p.log() + (1 - t) * (1 - p).log()),
    "sigmoid_cross_entropy": lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="none"),
    "inner_product": lambda p, t: p * t,
}

REDUCE: dict[str, Any] = {
    "sum": torch.sum,
    "mean_over_batch": lambda loss: loss.sum() / loss.shape[0],
    "mean": torch.mean,
}

HEADS = [
    Head(activation, loss, reduction=reduction)
    for activation, loss in (
        *((name, "squared_error") for name in ACTIVATIONS), ("identity", "absolute_error"),
        ("softmax", "cross_entropy"), ("identity", "softmax_cross_entropy"), ("sigmoid", "binary_cross_entropy"),
        ("identity", "sigmoid_cross_entropy"), ("identity", "inner_product"), ("tanh", "inner_product"),
    )
    for reduction in REDUCTIONS
]


def linear(weight: Array, bias: Array | None) -> torch.nn.Linear:
    """An nn.Linear with these numbers: weight (in, units) becomes its (units, in)."""
    make: Any = torch.nn.utils.skip_init
    made: torch.nn.Linear = make(torch.nn.Linear, *weight.shape, bias=bias is not None, dtype=_dtype(weight))
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(weight.T))
        if bias is not None:
            made.bias.copy_(torch.from_numpy(bias))
    return made


def _dtype(array: Array) -> torch.dtype:
    return torch.from_numpy(array).dtype


class Chain(torch.nn.Module):
    """The network; its modules are the dense layers, by their index."""

    def __init__(self, network: Network, parameters: dict[str, Array]):
        super().__init__()
        self.network = network
        self.dense = torch.nn.ModuleDict({
            str(i): linear(parameters[f"{i}.weight"], parameters.get(f"{i}.bias"))
            for i, spec in enumerate(network.layers) if spec.kind == "dense"
        })

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for i, spec in enumerate(self.network.layers):
            x = self.dense[str(i)](x) if spec.kind == "dense" else activate(spec, x)
        return x

    def gradients(self) -> dict[str, Array]:
        grads = {name: parameter.grad for name, parameter in self.dense.named_parameters()}
        return {name: (grad.T if grad.ndim == 2 else grad).numpy() for name, grad in grads.items() if grad is not None}


def activate(spec: LayerSpec, x: torch.Tensor) -> torch.Tensor:
    options = {key: value for key, value in spec.options.items() if key != "function"}
    return ACTIVATIONS[spec.options["function"]](x, **options)  # type: ignore[no-any-return]


@implementation(hidden=[name for name in ACTIVATIONS if name != "softmax"], heads=HEADS, bias="any",
                dtypes=("float64", "float32"))
def backprop(network: Network, parameters: dict[str, Array], inputs: Array, targets: Array) -> tuple[Any, Any]:
    model, spec = Chain(network, parameters), network.loss
    x = torch.from_numpy(inputs).requires_grad_()
    loss = spec.scale * REDUCE[spec.reduction](LOSSES[spec.kind](model(x), torch.from_numpy(targets)))
    loss.backward()
    return loss.detach().numpy(), {**model.gradients(), "inputs": x.grad.numpy()}  # type: ignore[union-attr]


def subject() -> Subject:
    return subject_of(backprop, "torch", made_of=["torch"], stateless=True)
