"""Branches that are added or multiplied may change places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ...reference import Case
from ..claims import Claims
from ..identity import Equation, Found, Property, Reply
from ..structures import structured

COMMUTE = ("add", "multiply")


def outer(case: Case) -> str | None:
    """The name of the first layer of the chain whose branches may change places."""
    shared = {str(spec.share).partition(".")[0] for _, spec in case.network.walk()
              if spec.share is not None}
    return next((str(i) for i, spec in enumerate(case.network.layers) if len(spec.branches) > 1
                 and spec.options.get("combine") in COMMUTE and str(i) not in shared
                 and all(inner.share is None for _, inner in case.network.walk())), None)


def turned(name: str, layer: str, count: int) -> str:
    """The name of an array once the branches of a layer are in reverse order."""
    head, _, rest = name.removeprefix(f"{layer}.").partition(".")
    return f"{layer}.{count - 1 - int(head)}.{rest}" if name.startswith(f"{layer}.") else name


def ask_branches(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    layer = outer(case)
    if layer is None or claims.networks:
        return None
    spec = case.network.layer(layer)
    network = case.network.having(layer, spec.but(branches=spec.branches[::-1]))
    if not structured(network, claims.structures):
        return None
    count = len(spec.branches)
    arrays = [{turned(name, layer, count): value for name, value in each.items()}
              for each in (case.parameters, case.constants)]
    return [case, replace(case, network=network, parameters=arrays[0], constants=arrays[1])]


def judge_branches(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    layer = outer(r[0].case)
    assert layer is not None
    count = len(r[0].case.network.layer(layer).branches)
    for name, gradient in r[0].gradients.items():
        if turned(name, layer, count) in r[1].gradients:
            yield name, gradient, r[1][turned(name, layer, count)]


PROPERTIES = {
    "branch_permutation": Property(
        "structure", "branches that are added or multiplied may change places", ask_branches,
        judge_branches),
}
