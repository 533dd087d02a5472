"""What a case exercises, by name: layer kinds, activations, loss with its reduction, dtype; and what there is."""

from __future__ import annotations

from collections.abc import Mapping

from ..properties.claims import Claims, activation
from ..reference import ACTIVATIONS, LAYERS, LOSSES, Case
from ..reference.case import DTYPES
from ..reference.chain import walk

Features = Mapping[str, tuple[str, ...]]
FACETS = ("layer", "activation", "loss", "dtype", "door")


def features(case: Case) -> Features:
    """By facet, what the case exercises."""
    network = case.network
    specs = [spec for _, spec in walk(network.layers)]
    functions = {str(spec.options["function"]) for spec in specs if spec.kind == "activation"}
    return {"layer": tuple(sorted({spec.kind for spec in specs} - {"activation"})),
            "activation": tuple(sorted(functions)) or ("identity",),
            "loss": (f"{network.loss.kind} ({network.loss.reduction})",), "dtype": (case.dtype,)}


def unclaimed(claims: Claims) -> Features:
    """By facet, what there is and the claims do not have."""
    functions = {str(activation(spec).options["function"]) for spec in claims.hidden}
    functions |= {head.activation for head in claims.heads}
    losses = {head.loss for head in claims.heads}
    return {"layer": tuple(sorted(LAYERS.keys() - {"activation", "dense"})),
            "activation": tuple(sorted(ACTIVATIONS.keys() - functions)),
            "loss": tuple(sorted(LOSSES.keys() - losses)),
            "dtype": tuple(sorted(set(DTYPES) - set(claims.dtypes)))}
