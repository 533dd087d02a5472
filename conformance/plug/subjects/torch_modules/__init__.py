"""PyTorch as a user writes it: a tree of nn.Modules, torch.nn.functional, loss.backward(), .grad.

A layer kind is a row of a file in `layers/`, which makes its module; a network of kinds that have
one is what the subject claims.
"""

from __future__ import annotations

from typing import Any

import torch

from ....properties.claims import Head
from ....properties.structures import STRUCTURES
from ....reference import TABLES, Network, infer
from ....reference.network import COTANGENT, STATED, WEIGHTED
from ...implementing import implementation
from ...subject import Subject, subject_of
from .builder import Array, Builder
from .layers import LAYERS
from .layers.activation import ACTIVATIONS
from .losses import LOSSES, REDUCE

HEADS = [
    Head(activation, loss, reduction=reduction)
    for activation, loss in (
        *((name, "squared_error") for name in ACTIVATIONS), ("identity", "absolute_error"),
        ("softmax", "cross_entropy"), ("identity", "softmax_cross_entropy"),
        ("sigmoid", "binary_cross_entropy"), ("identity", "sigmoid_cross_entropy"),
        ("identity", "inner_product"), ("tanh", "inner_product"), ("identity", "huber"),
        ("identity", "hinge"), ("identity", "squared_hinge"), ("softmax", "kl_divergence"),
        ("log_softmax", "kl_divergence_of_logs"),
    )
    for reduction in STATED
]
HIDDEN = [name for name in ACTIVATIONS if name not in ("softmax", "log_softmax")]
KNOWN = [name for name in STRUCTURES if name not in TABLES.layers or name in LAYERS]


@implementation(hidden=HIDDEN, heads=HEADS, bias="any",
                dtypes=("float64", "float32"), layers=KNOWN)
def backprop(network: Network, parameters: dict[str, Array], inputs: Array,
             targets: Array) -> tuple[Any, Any]:
    shapes, spec = infer(network), network.loss
    builder = Builder(LAYERS, parameters, {*shapes.parameters, *shapes.states})
    x = torch.from_numpy(inputs).requires_grad_(network.real)
    unreduced = LOSSES[spec.kind](builder.chain(network.layers)(x), torch.from_numpy(targets), spec)
    if spec.reduction == WEIGHTED:
        unreduced = unreduced * builder.tensors[COTANGENT]
    loss = spec.scale * REDUCE[spec.reduction](unreduced)
    loss.backward()  # type: ignore[no-untyped-call]
    of_inputs = {"inputs": x.grad.numpy()} if x.grad is not None else {}
    return loss.detach().numpy(), {**builder.gradients(), **of_inputs}


def subject() -> Subject:
    return subject_of(backprop, "torch", made_of=["torch"], stateless=True)
