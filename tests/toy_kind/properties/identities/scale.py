"""The scale layer: what it multiplies by, the weights behind it may divide by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...reference import Case
from ...reference.wiring import wired
from ..claims import Claims
from ..identity import Equation, Found, Property, Reply, every


def next_weights(case: Case) -> dict[str, str]:
    """By the name of a factor, that of the weight which reads it and which no other layer uses."""
    layers = case.network.layers
    behind = {f"{i}.scale": wired(case.network).place(f"{i + 1}.weight")
              for i, spec in enumerate(layers) if spec.kind == "scale"}
    return {scale: place.weight for scale, place in behind.items()
            if scale in case.parameters and place is not None and place.alone}


def ask_rescaled(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """The factors doubled, the weights behind them halved."""
    changed = dict[str, Any]()
    for scale, weight in next_weights(case).items():
        changed |= {scale: 2 * case.parameters[scale], weight: case.parameters[weight] / 2}
    return [case, case.but(parameters=changed)] if changed else None


def judge_rescaled(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    pairs = next_weights(r[0].case)
    yield from every(r[0], r[1], but=(*pairs, *pairs.values()))
    yield from ((scale, r[0][scale], r[1][scale] * 2.0) for scale in pairs)
    yield from ((weight, r[0][weight], r[1][weight] * 0.5) for weight in pairs.values())


PROPERTIES = {
    "scale_rescaling": Property(
        "scale", "factors may double where the weights behind them halve", ask_rescaled,
        judge_rescaled),
}
