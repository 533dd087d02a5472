"""The heads of a library that differentiates any loss its user writes down."""

from __future__ import annotations

from collections.abc import Iterable

from ...properties.claims import Head
from ...reference.network import STATED

LOSSES_OF = (
    ("identity", "absolute_error"), ("softmax", "cross_entropy"),
    ("identity", "softmax_cross_entropy"), ("sigmoid", "binary_cross_entropy"),
    ("identity", "sigmoid_cross_entropy"), ("identity", "inner_product"),
    ("tanh", "inner_product"), ("identity", "huber"), ("identity", "hinge"),
    ("identity", "squared_hinge"), ("softmax", "kl_divergence"),
    ("log_softmax", "kl_divergence_of_logs"),
)
ACROSS = ("softmax", "log_softmax")


def every_head(activations: Iterable[str]) -> list[Head]:
    """Every pair of an output activation and a loss, each under every reduction."""
    pairs = (*((name, "squared_error") for name in activations), *LOSSES_OF)
    return [Head(activation, loss, reduction=reduction)
            for activation, loss in pairs for reduction in STATED]


def hidden(activations: Iterable[str]) -> list[str]:
    """The activations that do not mix the units."""
    return [name for name in activations if name not in ACROSS]
