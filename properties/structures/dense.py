"""A plain chain of dense layers, with an activation behind each: what everything grows from."""

from __future__ import annotations

from collections.abc import Sequence

from ...reference import LayerSpec, LossSpec, Network
from ..structure import Bias, Choose, Limits, Structure


def chain(sizes: Sequence[int], biases: Sequence[Bias], after: Sequence[LayerSpec],
          loss: LossSpec) -> Network:
    """The network of these units per level, the inputs first; a last identity is left out."""
    layers: list[LayerSpec] = []
    for units, bias, function in zip(sizes[1:], biases, after, strict=True):
        layers += [LayerSpec("dense", {"units": units, "bias": bias}), function]
    if layers[-1].function == "identity":
        layers.pop()
    return Network((sizes[0],), tuple(layers), loss)


def as_it_is(choose: Choose, network: Network, limits: Limits) -> Network:
    return network


def has(network: Network) -> bool:
    return any(spec.kind == "dense" for _, spec in network.walk())


STRUCTURES = {
    "dense": Structure("dense layers", as_it_is, has, chain),
}
