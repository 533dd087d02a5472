"""Sequences: inputs (batch, time, features), every layer applied at every time step."""

from __future__ import annotations

from dataclasses import replace

from ...reference import Network
from ..structure import Choose, Limits, Structure

STEPS = (1, 2, 2, 3, 3, 5)


def grow(choose: Choose, network: Network, limits: Limits) -> Network | None:
    if len(network.input_shape) > 1 or not network.real:
        return None
    return replace(network, input_shape=(choose(STEPS), *network.input_shape))


STRUCTURES = {
    "sequence": Structure("sequences: (batch, time, features)", grow,
                          lambda network: len(network.input_shape) > 1),
}
