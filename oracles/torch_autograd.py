"""PyTorch's reverse mode over a forward of its own: nothing of the reference but the description.

Conventions on kinks are PyTorch's: relu'(0) = 0, leaky_relu'(0) = slope, |0|' = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from ..reference.case import Answer, Case
from ..reference.description import LayerSpec, LossSpec
from . import known_options, row

Tensor = Any
Values = Mapping[str, Tensor]

# F.softplus is the identity above its threshold, 20 unless told: wrong by 1e-10 there. At 40, exp(-40) rounds away.
ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "identity": lambda x: x,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": lambda x, slope: F.leaky_relu(x, slope),
    "softplus": lambda x: F.softplus(x, threshold=40.0),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "softmax": lambda x: torch.softmax(x, dim=-1),
}

COMBINE: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "add": lambda ys: reduce(torch.add, ys),
    "concatenate": lambda ys: torch.cat(ys, dim=-1),
    "multiply": lambda ys: reduce(torch.mul, ys),
}


def _reduced(unreduced: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """A loss PyTorch has no function for (or only a clamped one), reduced as PyTorch reduces."""
    return lambda p, t, reduction: getattr(unreduced(p, t), reduction)()


def _rows(p: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """(..., classes) as (rows, classes), where PyTorch looks for the classes; t the same, or its indices as (rows,)."""
    return p.reshape(-1, p.shape[-1]), (t.reshape(-1) if t.ndim < p.ndim else t.reshape(-1, t.shape[-1]))


def _cross_entropy(p: Tensor, t: Tensor, reduction: str) -> Tensor:
    p, t = _rows(p, t)
    if t.ndim < p.ndim:
        return F.nll_loss(torch.log(p), t, reduction=reduction)
    return getattr(-(t * torch.log(p)).sum(dim=-1), reduction)()


# A row is loss(p, t, reduction), with p: (batch, ..., units) and reduction "sum" or "mean" over the unreduced array.
# F.binary_cross_entropy clamps its logarithms at -100 and its p(1 - p) at 1e-12, so it is not used.
LOSSES: dict[str, Callable[..., Tensor]] = {
    "squared_error": lambda p, t, reduction: F.mse_loss(p, t, reduction=reduction),
    "absolute_error": lambda p, t, reduction: F.l1_loss(p, t, reduction=reduction),
    "cross_entropy": _cross_entropy,
    "softmax_cross_entropy": lambda z, t, reduction: F.cross_entropy(*_rows(z, t), reduction=reduction),
    "binary_cross_entropy": _reduced(lambda p, t: -(t * torch.log(p) + (1 - t) * torch.log1p(-p))),
    "sigmoid_cross_entropy": lambda z, t, reduction: F.binary_cross_entropy_with_logits(z, t, reduction=reduction),
    "inner_product": _reduced(torch.mul),
}


def _parameter(spec: LayerSpec, name: str, values: Values, local: str) -> Tensor:
    """A layer's parameter: its own, or the owner's (matrices transposed where the layer says so)."""
    shared = values.get(f"{spec.share}.{local}")
    if shared is None or (spec.transpose and shared.ndim != 2):
        return values[f"{name}.{local}"]
    return shared.T if spec.transpose else shared


def _dense(spec: LayerSpec, name: str, values: Values, x: Tensor) -> Tensor:
    weight = _parameter(spec, name, values, "weight")
    bias = _parameter(spec, name, values, "bias") if spec.options["bias"] else None
    return F.linear(x.to(weight.dtype), weight.T, bias)


def _activation(spec: LayerSpec, name: str, values: Values, x: Tensor) -> Tensor:
    options = dict(spec.options)
    return row("torch", "activation", options.pop("function"), ACTIVATIONS)(x, **options)


def _parallel(spec: LayerSpec, name: str, values: Values, x: Tensor) -> Tensor:
    ys = [forward(branch, f"{name}.{b}.", values, x) for b, branch in enumerate(spec.options["branches"])]
    return row("torch", "combine", spec.options["combine"], COMBINE)(ys)


# A row is the layer, (spec, name, values, x) -> y, and the options it knows.
LAYERS: dict[str, tuple[Callable[..., Tensor], tuple[str, ...]]] = {
    "dense": (_dense, ("units", "bias")),
    "activation": (_activation, ("function", "slope")),
    "parallel": (_parallel, ("branches", "combine")),
}


def forward(layers: Iterable[LayerSpec], prefix: str, values: Values, x: Tensor) -> Tensor:
    """The output of the layers; `values` are parameters and constants by global name."""
    for i, spec in enumerate(layers):
        layer, options = row("torch", "layer kind", spec.kind, LAYERS)
        known_options("torch", spec.kind, spec.options, options)
        x = layer(spec, f"{prefix}{i}", values, x)
    return x


def loss_of(spec: LossSpec, p: Tensor, t: Tensor) -> Tensor:
    """The reduced, scaled loss of outputs p: (batch, ..., units); t: values of that shape, or class indices."""
    t = t if t.ndim < p.ndim else t.to(p.dtype)
    loss = row("torch", "loss", spec.kind, LOSSES)(p, t, "mean" if spec.reduction == "mean" else "sum")
    return spec.scale * (loss / p.shape[0] if spec.reduction == "mean_over_batch" else loss)


def _tensor(array: Any, dtype: str) -> Tensor:
    """A copy; real numbers in `dtype`, indices as they are."""
    array = np.asarray(array)
    return torch.from_numpy(np.array(array, dtype=dtype if array.dtype.kind == "f" else None, order="C"))


def answer(case: Case, dtype: str | None = "float64") -> Answer:
    """Loss and gradients as NumPy arrays of `dtype` ("float32", "float64"; None: the case's), computed in it."""
    with torch.inference_mode(False), torch.enable_grad():
        return _answer(case, dtype or case.dtype)


def _answer(case: Case, dtype: str) -> Answer:
    leaves = {name: _tensor(value, dtype) for name, value in case.parameters.items()}
    constants = {name: _tensor(value, dtype) for name, value in case.constants.items()}
    inputs, targets = _tensor(case.inputs, dtype), _tensor(case.targets, dtype)
    wanted = {**leaves, "inputs": inputs} if case.network.input_kind == "real" else leaves
    for leaf in wanted.values():
        leaf.requires_grad_()
    outputs = forward(case.network.layers, "", {**leaves, **constants}, inputs)
    loss = loss_of(case.network.loss, outputs, targets)
    return Answer(loss.detach().numpy()[()], _gradients(loss, wanted))


def _gradients(loss: Tensor, leaves: Values) -> dict[str, np.ndarray]:
    """dloss/dleaf by name, as arrays of their own; zeros for a leaf the loss does not use."""
    if not loss.requires_grad:
        return {name: np.zeros_like(leaf.detach().numpy()) for name, leaf in leaves.items()}
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return {name: np.array(gradient.numpy()) for name, gradient in zip(leaves, gradients, strict=True)}
