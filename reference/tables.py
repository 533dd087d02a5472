"""All the mathematics as one explicit value: replace an entry and you have another backpropagation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .activations import ACTIVATIONS, Activation
from .chain import step
from .layers import LAYERS, Rule
from .losses import LOSSES, Loss
from .training import UPDATES, Update


class Tables(NamedTuple):
    """The layer kinds, activations, losses, the chain rule's step between layers, and the update rules of training."""

    layers: Mapping[str, Rule] = LAYERS
    activations: Mapping[str, Activation] = ACTIVATIONS
    losses: Mapping[str, Loss] = LOSSES
    sweep: Callable[[list[Any], int, Any], tuple[Any, dict[str, Any]]] = step
    training: Mapping[str, Update] = UPDATES


TABLES = Tables()
