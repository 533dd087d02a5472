"""Sequences: inputs (batch, time, features), every layer applied at every time step."""

from __future__ import annotations

from dataclasses import replace

from ...reference import TABLES, Network
from ..structure import Choose, Limits, Structure

STEPS = (1, 2, 2, 3, 3, 5)


def grow(choose: Choose, network: Network, limits: Limits) -> Network | None:
    if len(network.input_shape) > 1 or not network.real:
        return None
    return replace(network, input_shape=(choose(STEPS), *network.input_shape))


def has(network: Network) -> bool:
    """Inputs of several axes, and no layer that is about more than the last of them."""
    return len(network.input_shape) > 1 and all(
        TABLES.layers[spec.kind].axes == 1 for _, spec in network.walk())


STRUCTURES = {
    "sequence": Structure("sequences: (batch, time, features)", grow, has),
}
