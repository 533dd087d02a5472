"""What a case must not be is mended, never filtered away: overflowing in its dtype, or on a kink.

At a kink right programs may differ, so a unit whose argument lies within rounding of one is moved:
by the bias in front of it, by the weights where there is none, by the inputs where they come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...reference import LOSSES, Case, Network, Trace, evaluate, forward
from ...reference.wiring import INPUTS, Source, wired
from ..tolerance import spread

LOGITS = {"float64": 20.0, "float32": 10.0}
TRIES = 12


def in_dtype(case: Case, dtype: str) -> Case:
    """The case in `dtype`, its numbers exact in float32 for float32."""
    return case.map(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a, dtype)


def mended(case: Case, rng: Any, largest: float | None = None) -> Case:
    """The case made valid: finite, logits below `largest`, no unit within rounding of a kink.

    Where nothing helps (a relu network without biases whose units are all off sits on its kink
    exactly), weights and inputs become positive, and then biases larger and larger: behind a layer
    that subtracts a mean, numbers of both signs come again.
    """
    case = tamed(case, largest)
    for attempt in range(TRIES):
        unclear = spread(case).unclear
        if not unclear:
            return case
        late = 2 * attempt - TRIES
        moved = _nudged(case, unclear, rng) if late < 0 else _positive(case, rng, 2.0**late - 1.0)
        case = tamed(in_dtype(moved, case.dtype), largest)
    return case


# --- too large ------------------------------------------------------------------------------------


def tamed(case: Case, largest: float | None) -> Case:
    """The case with finite answers, and outputs that are not rounded onto a pole or a kink."""
    for _ in range(60):
        finite = _finite(case)
        if finite and not _too_large(case, largest):
            return case
        case = halved(case, finite)
    return case


def halved(case: Case, finite: bool) -> Case:
    """The case with its last parameters half as large; all of them where its answers overflow."""
    last = wired(case.network).last
    shrunk = last.parameters if finite and last is not None else case.parameters
    return case.but(parameters={name: case.parameters[name] / 2 for name in shrunk})


def _finite(case: Case) -> bool:
    answer = evaluate(case)
    return bool(np.isfinite(answer.loss)) and all(
        bool(np.isfinite(g).all()) for g in answer.gradients.values())


def allowed_logits(network: Network, trace: Trace, dtype: str, largest: float | None) -> float:
    """The most that a logit may be.

    An output activation, rounded to the end of its range, meets a pole or a kink; one that has its
    ends at kinks, as the hard sigmoid has, is at a pole from there on. Of what is claimed 3/4 are
    used: the rest is for the steps of differences.
    """
    claimed = np.inf if largest is None else 0.75 * largest
    if not _meets_a_pole(network):
        return claimed
    last = str(len(network.layers) - 1)
    ends = [0.9 * max(kink.points) for kink in trace.kinks if kink.layer == last]
    return min([claimed, LOGITS[dtype], *(end for end in ends if end > 0)])


def _meets_a_pole(network: Network) -> bool:
    """Whether the loss has a pole or a kink at an end of the output activation."""
    loss = LOSSES[network.loss.kind]
    return network.layers[-1].function is not None and bool(loss.domain[1] == 1.0 or loss.kinks)


def of_logits(network: Network, trace: Trace) -> Any:
    """What the output activation is taken of, or the outputs without one."""
    last = network.layers[-1].function if network.layers else None
    return trace.outputs if last is None else trace.arguments[-1]


def logits(case: Case) -> float:
    """The largest size of what the output activation is taken of, or of the outputs without one."""
    return float(np.abs(of_logits(case.network, forward(case))).max())


def _too_large(case: Case, largest: float | None) -> bool:
    if largest is None and not _meets_a_pole(case.network):
        return False
    trace = forward(case)
    most = allowed_logits(case.network, trace, case.dtype, largest)
    return bool(np.abs(of_logits(case.network, trace)).max() > most)


# --- on a kink ------------------------------------------------------------------------------------


def _nudged(case: Case, unclear: Mapping[str, Any], rng: Any) -> Case:
    """What feeds each unclear unit is moved; unclear: by layer, or "loss", a mask of its units."""
    for layer, mask in unclear.items():
        wiring = wired(case.network)
        source = wiring.output if layer == "loss" else wiring.functions.get(layer)
        case = _moved(case, layer, source, mask, rng)
    return case


def _moved(case: Case, layer: str, source: Source | None, mask: Any, rng: Any) -> Case:
    """The case with what `source` gives moved where the mask says so."""
    place = wired(case.network).place(source.origin) if source is not None else None
    if place is not None:
        return _by_parameter(case, place.bias or place.weight, bool(place.bias), mask, rng)
    if source is not None and source.origin == INPUTS and mask.shape == case.inputs.shape:
        return case.but(inputs=case.inputs + mask * _steps(case.inputs, True, rng))
    if source is None and layer != "loss":  # no function, but a choice: of saturated units, say
        smaller = {name: value / 4 for name, value in case.parameters.items()}
        case = case.but(parameters=smaller, inputs=case.inputs / 4 if case.network.real
                        else case.inputs)
    return case.but(parameters={name: value + _steps(value, value.ndim == 1, rng)
                                for name, value in case.parameters.items()})


def _by_parameter(case: Case, name: str, bias: bool, mask: Any, rng: Any) -> Case:
    value = case.parameters[name]
    units = mask.reshape(-1, mask.shape[-1]).any(axis=0)
    chosen = units if value.shape[-1] == units.size else np.ones(value.shape[-1], bool)
    return case.but(parameters={name: value + chosen * _steps(value, bias, rng)})


def _steps(value: Any, bias: bool, rng: Any) -> Any:
    """Random steps of the size of the largest entry, at least 1 for a bias."""
    largest = float(np.abs(value).max(initial=0.0))
    size = max(largest, 1.0) if bias else largest + 2.0**-10
    return rng.uniform(0.125, 0.5, value.shape) * size


def _positive(case: Case, rng: Any, more: float) -> Case:
    """Positive weights, biases and inputs; for a kink of the loss, small last weights too.

    more: what is added to biases.
    """
    def positive(a: Any) -> Any:
        return np.abs(a) + rng.uniform(0.01, 0.1, a.shape)

    parameters = {name: positive(value) + more * name.endswith("bias")
                  for name, value in case.parameters.items()}
    last = wired(case.network).last
    if last is not None:
        weight = parameters[last.weight]
        parameters[last.weight] = weight * rng.uniform(0.1, 0.9, weight.shape)
    inputs = positive(case.inputs) if case.network.real else case.inputs
    return case.but(parameters=parameters, inputs=inputs)
