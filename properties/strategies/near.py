"""Numbers near an edge: a unit near a kink, or targets near the outputs, in a case made already."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...reference import Case, Network, forward
from ...reference.wiring import Place, wired

CLOSE = 2.0**-6  # between targets and outputs
CLEAR = {"float64": 2.0**-33, "float32": 2.0**-14}  # of a kink, by a unit of ordinary size


def near_the_outputs(case: Case, kind: str, rng: Any) -> Case:
    """The case with targets close to its outputs; as it is where outputs are no such targets."""
    outputs = np.asarray(forward(case.astype("float64")).outputs)
    if kind == "real" and np.abs(outputs).max() * np.finfo(case.dtype).eps < CLOSE * 2.0**-10:
        return case.but(targets=outputs + CLOSE * rng.standard_normal(outputs.shape))
    if kind == "soft" and _distributions(outputs):
        return case.but(targets=(1.0 - CLOSE) * outputs + CLOSE * case.targets)
    return case


def _distributions(outputs: Any) -> bool:
    """Whether every row of outputs can be a target: probabilities that sum to 1, or one alone."""
    inside = bool(((outputs >= 0) & (outputs <= 1)).all())
    return inside and (outputs.shape[-1] == 1 or bool(np.allclose(outputs.sum(axis=-1), 1.0)))


def near_a_kink(case: Case, distance: float, rng: Any) -> Case:
    """The case with one bias moved so that a unit is this far from a kink, mostly below it.

    No nearer than rounding allows in its dtype; as it is where no bias gives a unit with a kink.
    """
    trace = forward(case.astype("float64"))
    found = [(kink, place) for kink in trace.kinks
             if (place := _bias_before(case.network, kink.layer)) is not None
             and case.parameters[place.bias].shape == kink.argument.shape[-1:]]
    if not found:
        return case
    kink, place = found[int(rng.integers(len(found)))]
    x, point = np.asarray(kink.argument), kink.points[0]
    unit = int(rng.integers(x.shape[-1]))
    column = x[..., unit].ravel() - point
    away = max(distance, CLEAR[case.dtype]) * (1.0 if rng.uniform() < 0.25 else -1.0)
    bias = case.parameters[place.bias].astype("float64")
    bias[unit] += away - column[np.abs(column).argmin()]
    return case.but(parameters={place.bias: bias})


def _bias_before(network: Network, layer: str) -> Place | None:
    """The place whose bias is added just before this function, and nowhere else."""
    wiring = wired(network)
    source = wiring.functions.get(layer)
    place = wiring.place(source.origin) if source is not None and not source.through else None
    return place if place is not None and place.bias and place.alone else None
