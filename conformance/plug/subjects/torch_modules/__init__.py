"""PyTorch as a user writes it: a tree of nn.Modules, torch.nn.functional, loss.backward(), .grad.

A layer kind is a row of a file in `layers/`, which makes its module; a network of kinds that have
one is what the subject claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ....properties.structures import STRUCTURES
from ....reference import TABLES, Network, infer
from ....reference.network import COTANGENT, WEIGHTED
from ...implementing import implementation
from ...subject import Subject, subject_of
from ..heads import every_head, hidden
from .builder import Array, Builder, Make
from .layers import LAYERS
from .layers.activation import ACTIVATIONS
from .losses import LOSSES, REDUCE

KNOWN = [name for name in STRUCTURES if name not in TABLES.layers or name in LAYERS]


def answer(rows: Mapping[str, Make], network: Network, parameters: dict[str, Array],
           inputs: Array, targets: Array) -> tuple[Any, Any]:
    """Loss and gradients of the network whose modules these rows make."""
    shapes, spec = infer(network), network.loss
    builder = Builder(rows, parameters, {*shapes.parameters, *shapes.states})
    x = torch.from_numpy(inputs).requires_grad_(network.real)
    unreduced = LOSSES[spec.kind](builder.chain(network.layers)(x), torch.from_numpy(targets), spec)
    if spec.reduction == WEIGHTED:
        unreduced = unreduced * builder.tensors[COTANGENT]
    loss = spec.scale * REDUCE[spec.reduction](unreduced)
    loss.backward()  # type: ignore[no-untyped-call]
    of_inputs = {"inputs": x.grad.numpy()} if x.grad is not None else {}
    return loss.detach().numpy(), {**builder.gradients(), **of_inputs}


@implementation(hidden=hidden(ACTIVATIONS), heads=every_head(ACTIVATIONS), bias="any",
                dtypes=("float64", "float32"), layers=KNOWN)
def backprop(network: Network, parameters: dict[str, Array], inputs: Array,
             targets: Array) -> tuple[Any, Any]:
    return answer(LAYERS, network, parameters, inputs, targets)


def subject() -> Subject:
    return subject_of(backprop, "torch", made_of=["torch"], stateless=True)
