"""Whether a network keeps to claims about its layers: biases, widths, activations.

Nothing here looks at numbers; whether a whole case is inside some claims says `membership`.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..reference import TABLES, LayerSpec, Network
from .claims import Claims, Range, activation


def within(value: int, limits: Range) -> bool:
    return limits[0] <= value and (limits[1] is None or value <= limits[1])


def biased(claims: Claims, network: Network) -> bool:
    options = [spec.options["bias"] not in (False, "none") and spec.options["bias"]
               for _, spec in network.walk() if "bias" in spec.options]
    if "layer" in options or claims.bias == "layer":
        return claims.bias == "layer" and set(options) == {"layer"}
    given = list(map(bool, options))
    return {"always": all(given), "never": not any(given), "any": True,
            "all_or_none": all(given) or not any(given)}[claims.bias]


def even(network: Network) -> bool:
    """Whether all layers with units but the last have one number of them."""
    units = [spec.units for _, spec in network.walk() if spec.units is not None]
    return len(set(units[:-1])) <= 1


def output_activation(network: Network) -> LayerSpec | None:
    """The function that gives the network's output, None where its last layer is none."""
    return network.layers[-1] if network.layers and network.layers[-1].function else None


def hidden_activations(network: Network) -> list[LayerSpec]:
    """All functions but the one that gives the output."""
    found = [spec for _, spec in network.walk() if spec.function is not None]
    return found[:-1] if output_activation(network) is not None else found


def activated(claims: Claims, network: Network) -> bool:
    """Whether the hidden activations are claimed ones; none at all is the identity."""
    hidden, claimed = hidden_activations(network), list(map(activation, claims.hidden))
    if bare(network.layers):
        hidden = [*hidden, activation("identity")]
    if claims.same_hidden and any(spec != hidden[0] for spec in hidden):
        return False
    last = output_activation(network) or activation("identity")
    if claims.same_output and any(spec != last for spec in hidden):
        return False
    return all(spec in claimed for spec in hidden)


def bare(layers: Iterable[LayerSpec]) -> bool:
    """Whether an affine layer hands on to the next one without a function between them."""
    open_ = False
    for spec in layers:
        if open_ and (spec.units is not None or spec.branches):
            return True
        open_ = affine(spec) or (open_ and spec.function is None and spec.units is None)
    return False


def affine(spec: LayerSpec) -> bool:
    """Whether the layer is one of units, given real numbers, and what it gives is x W + b."""
    rule = TABLES.layers[spec.kind]
    return spec.units is not None and rule.takes == "real" and any(
        site.gives == "output" for site in rule.sites(spec))


def made_inside(claims: Claims, network: Network) -> bool:
    """Whether biases, activations and the options of its layers are claimed ones."""
    return claims.allow(network) and biased(claims, network) and activated(claims, network)
