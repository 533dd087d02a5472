"""Dropout, with a mask that is given: behind an activation, or at the inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...reference import Case, LayerSpec, Network, forward
from ..structure import Choose, Limits, Structure, hidden_levels, spliced

RATES = (0.1, 0.2, 0.25, 0.5, 0.9, 0)


def grow(choose: Choose, network: Network, limits: Limits) -> Network | None:
    places = [level.stop for level in hidden_levels(network)]
    places += [0] if network.real else []
    if not places:
        return None
    rate = choose(limits.options("dropout", "rate", RATES))
    return spliced(network, at := choose(places), at, (LayerSpec("dropout", {"rate": rate}),))


def masks(case: Case) -> dict[str, float]:
    """By the name of a mask, the rate of its layer."""
    return {f"{name}.mask": spec.options["rate"] for name, spec in case.network.walk()
            if spec.kind == "dropout"}


def values(case: Case, rng: Any) -> Case:
    """Masks with as many zeros as the rate says, with all of one, or that keep a whole example.

    An example that is dropped whole may put units on their kink: there one unit is kept.
    """
    constants = dict(case.constants)
    for name, rate in masks(case).items():
        mask = constants[name]
        kind = rng.choice(("half", "rate", "rate", "all", "none of one"))
        if kind == "rate":
            mask = (rng.uniform(size=mask.shape) >= rate).astype(mask.dtype)
        elif kind == "all":
            mask = np.ones_like(mask)
        elif kind == "none of one":
            mask = mask * (np.arange(len(mask)) > 0).reshape(-1, *[1] * (mask.ndim - 1))
        constants[name] = mask
    case = case.but(constants=constants)
    return _kept(case) if forward(case).kinks else case


def _kept(case: Case) -> Case:
    """The case with at least one unit of every row of a mask."""
    constants = dict(case.constants)
    for name in masks(case):
        mask = constants[name].copy()
        mask[..., 0][mask.sum(axis=-1) == 0] = 1
        constants[name] = mask
    return case.but(constants=constants)


STRUCTURES = {
    "dropout": Structure("dropout, with a mask that is given", grow,
                         lambda network: any(spec.kind == "dropout" for _, spec in network.walk()),
                         exact=False, values=values),
}
