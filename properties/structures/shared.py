"""Layers that use the parameters of another: as they are, or with the matrices transposed."""

from __future__ import annotations

from dataclasses import replace

from ...reference import Network
from ..structure import Choose, Layers, Level, Limits, Structure, hidden_levels, spliced


def after(choose: Choose, limits: Limits) -> Layers:
    """The activation behind an added layer."""
    return (choose(limits.hidden),) if limits.hidden else ()


def again(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """A level behind a hidden one that uses its parameters; a square one is added if needed."""
    places = [level for level in hidden_levels(network)
              if limits.room(1 if level.inputs == level.spec.units else 2)]
    if not places:
        return None
    level = choose(places)
    if level.inputs != level.spec.units:
        network = spliced(network, level.stop, level.stop, (level.spec, *after(choose, limits)))
        level = Level(level.stop, level.spec, network.layers[level.stop + 1], level.spec.units or 0)
    shared = replace(level.spec, share=str(level.at))
    return spliced(network, level.stop, level.stop, (shared, *after(choose, limits)))


def transposed(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """A level behind a hidden one that goes back through its matrix, as an autoencoder does."""
    places = hidden_levels(network)
    if not places or not limits.room(1):
        return None
    level = choose(places)
    back = replace(level.spec.but(units=level.inputs), share=str(level.at), transpose=True)
    return spliced(network, level.stop, level.stop, (back, *after(choose, limits)))


def shares(network: Network, transpose: bool) -> bool:
    """Whether a layer uses another's parameters so; those of an embedding are another matter."""
    return any(spec.share is not None and spec.transpose == transpose
               and network.layer(spec.share).kind != "embedding" for _, spec in network.walk())


STRUCTURES = {
    "shared": Structure("a layer that uses another's parameters", again,
                        lambda network: shares(network, False), least=3),
    "transposed": Structure("a layer that uses another's matrix transposed", transposed,
                            lambda network: shares(network, True), even=False, least=3),
}
