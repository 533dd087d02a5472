"""Activations in unusual places: before the first layer, and two in a row."""

from __future__ import annotations

from itertools import pairwise

from ...reference import ACTIVATIONS, LayerSpec, Network
from ..structure import Choose, Limits, Structure, hidden_levels, spliced


def first(choose: Choose, network: Network, limits: Limits) -> Network | None:
    if not limits.hidden or not network.real:
        return None
    return spliced(network, 0, 0, (choose(limits.hidden),))


def in_a_row(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """A second activation behind a hidden one: without a kink, where one is claimed.

    A relu gives exact zeros, and a kink at 0 behind it would be met by them.
    """
    places = hidden_levels(network)
    if not places:
        return None
    at = choose(places).stop
    without = tuple(spec for spec in limits.hidden if not kinks(spec))
    return spliced(network, at, at, (choose(without or limits.hidden),))


def kinks(spec: LayerSpec) -> tuple[float, ...]:
    options = {name: value for name, value in spec.options.items() if name != "function"}
    return ACTIVATIONS[str(spec.function)].points(options)


def has_first(network: Network) -> bool:
    return bool(network.layers) and network.layers[0].function is not None


def two_in_a_row(layers: tuple[LayerSpec, ...]) -> bool:
    return any(a.function and b.function for a, b in pairwise(layers)) or any(
        two_in_a_row(branch) for spec in layers for branch in spec.branches)


STRUCTURES = {
    "activation_first": Structure("an activation before the first layer", first, has_first),
    "activations_in_a_row": Structure("two activations in a row", in_a_row,
                                      lambda network: two_in_a_row(network.layers), least=2),
}
