"""What a case exercises, by name (layers, structures, activations, loss, dtype), and all names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from ..properties.claims import Claims, activation
from ..properties.structures import STRUCTURES, allowed, structures_of
from ..reference import ACTIVATIONS, LOSSES, Case
from ..reference.arrays import DTYPES

Features = Mapping[str, tuple[str, ...]]
FACETS = ("layer", "activation", "loss", "dtype", "door")


@runtime_checkable
class Exercising(Protocol):
    """A case that says itself what it exercises."""

    @property
    def batch(self) -> int: ...
    @property
    def exercised(self) -> Features: ...


def features(case: Case | Exercising) -> Features:
    """By facet, what the case exercises."""
    if isinstance(case, Exercising):
        return case.exercised
    network = case.network
    functions = {spec.function for _, spec in network.walk() if spec.function is not None}
    return {"layer": tuple(sorted(structures_of(network))),
            "activation": tuple(sorted(functions)) or ("identity",),
            "loss": (f"{network.loss.kind} ({network.loss.reduction})",), "dtype": (case.dtype,)}


def unclaimed(claims: Claims) -> Features:
    """By facet, what there is and the claims do not have; nothing, where they are of a program."""
    if not isinstance(claims, Claims):
        return {}
    functions = {str(activation(spec).function) for spec in claims.hidden}
    functions |= {head.activation for head in claims.heads}
    losses = {head.loss for head in claims.heads}
    return {"layer": tuple(sorted(STRUCTURES.keys() - allowed(claims.structures))),
            "activation": tuple(sorted(ACTIVATIONS.keys() - functions)),
            "loss": tuple(sorted(LOSSES.keys() - losses)),
            "dtype": tuple(sorted(set(DTYPES) - set(claims.dtypes)))}
