"""Dropout: what is dropped learns nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...reference import TABLES, Case
from ...reference.wiring import Place, wired
from ..claims import Claims
from ..identity import Equation, Found, Property, Reply

Around = tuple[str, Place]


def dropped(case: Case) -> list[Around]:
    """The masks behind a site, with functions of single units between, and the site."""
    layers, found = case.network.layers, []
    for i, spec in enumerate(layers):
        start = i
        while start and elementwise(str(layers[start - 1].function)):
            start -= 1
        place = wired(case.network).place(f"{start - 1}.weight") if spec.kind == "dropout" else None
        if place is not None and place.alone and place.site.gives == "output":
            found.append((f"{i}.mask", place))
    return found


def elementwise(function: str) -> bool:
    return function in TABLES.activations and TABLES.activations[function].df is not None


def ask_dropped(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """The first unit dropped in all examples."""
    constants = dict(case.constants)
    for mask, place in dropped(case):
        if place.layer == dropped(case)[0][1].layer:
            constants[mask] = np.array(constants[mask])
            constants[mask][..., 0] = 0
    return [case.but(constants=constants)] if dropped(case) else None


def judge_dropped(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    _, place = dropped(r[0].case)[0]
    for name in place.parameters:
        yield name, r[0][name].value[..., 0], 0.0


PROPERTIES = {
    "dropped_unit": Property(
        "dropout", "a unit that is dropped in all examples has gradients of exactly 0",
        ask_dropped, judge_dropped),
}
