"""Normalisation: in front of a layer with units or behind it, and of images before everything.

Its mistakes show where numbers are far from 0 beside how they vary, where nothing varies and ε
alone is left, and with factors γ that differ.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...reference import TABLES, Case, DescriptionError, LayerSpec, Network, forward
from ...reference.kinds import steps
from ...reference.layers.normalisation import by_feature
from ...reference.network import walk
from ...reference.shapes import given
from ..blocks import outside_blocks
from ..images import FLATTEN
from ..structure import Choose, Limits, Structure, levels, spliced

EPSILONS = (1e-5, 1e-3, 1e-1)
FAR, LARGE = 30.0, 100.0
STANDARD = ("variance",)
CENTRED = ("batch_norm", "layer_norm", "group_norm", "instance_norm")


def has(kind: str, network: Network) -> bool:
    return any(spec.kind == kind for spec in outside_blocks(network.layers))


# --- where it is put ------------------------------------------------------------------------------


def shape_at(network: Network, at: int) -> tuple[int, ...]:
    """The shape of what comes to the layer at this position, per example."""
    return given(network)[at]


def places(network: Network, kind: str) -> list[int]:
    """In front of a level, or between its layer and its activation; behind a layer of images.

    Where an example is (channels, length), a norm of features would take the length for them.
    """
    found = [at for level in levels(network)
             for at in (level.at, *([] if level.after is None else [level.at + 1]))
             if at or network.real]
    images = [i + 1 for i, spec in enumerate(network.layers)
              if TABLES.layers[spec.kind].channels_first]
    if not images or "axes" in TABLES.layers[kind].options:
        return found
    behind = [at for at in images if len(shape_at(network, at)) == 3]
    return 3 * behind + [at for at in found if len(shape_at(network, at)) != 2]


def options(choose: Choose, kind: str, shape: tuple[int, ...], limits: Limits) -> dict[str, Any]:
    """Every option of the kind, chosen. ε is added to the deviation for who claims that alone."""
    some = partial(limits.options, kind)
    chosen = {"epsilon": choose(some("epsilon", EPSILONS)),
              "epsilon_on": choose(some("epsilon_on", STANDARD))}
    if kind in ("layer_norm", "rms_norm"):  # over the steps too where layers see them all
        chosen["axes"] = choose(some("axes", range(1, len(shape) + 1)))
    if kind == "batch_norm":
        chosen["training"] = choose(some("training", (True, True, True, False)))
    if kind == "group_norm":
        channels = shape[0] if len(shape) == 3 else shape[-1]
        chosen["groups"] = choose(some("groups", divisors(channels)))
    return chosen


def divisors(n: int) -> list[int]:
    """In how many groups of one size n things fall, two or so first."""
    return sorted((k for k in range(1, n + 1) if n % k == 0), key=lambda k: (k in (1, n), k))


def within(choose: Choose, network: Network, limits: Limits, kind: str) -> Network | None:
    """A layer of the kind somewhere among the others."""
    try:
        found = places(network, kind)
    except DescriptionError:
        return None
    if not found:
        return None
    at = choose(found)
    made = LayerSpec(kind, options(choose, kind, shape_at(network, at), limits))
    return spliced(network, at, at, (made,))


def of_images(choose: Choose, network: Network, limits: Limits, kind: str) -> Network | None:
    """Among the layers where these already see images, else first, the inputs being images."""
    if len(network.input_shape) == 3:
        return within(choose, network, limits, kind)
    if len(network.input_shape) > 1 or not network.real or not network.layers:
        return None
    shape = (choose((2, 4, 3, 6)), choose((2, 1, 3)), choose((2, 3)))
    made = LayerSpec(kind, options(choose, kind, shape, limits))
    behind = (choose(limits.hidden),) if limits.hidden and choose((False, True)) else ()
    return spliced(Network(shape, network.layers, network.loss), 0, 0, (made, *behind, FLATTEN))


def normalised_weights(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """A dense layer becomes one with normalised weights."""
    found = [level for level in levels(network) if level.spec.kind == "dense"]
    if not found:
        return None
    level = choose(found)
    made = LayerSpec("weight_norm", {"units": level.spec.units,
                                     "bias": choose(limits.options("weight_norm", "bias",
                                                                   limits.bias))})
    return spliced(network, level.at, level.at + 1, (made,))


# --- its numbers ----------------------------------------------------------------------------------


def numbers(kind: str, case: Case, rng: Any) -> Case:
    """γ that is not 0 everywhere, sets as NUMBERS has them, and constants as training leaves them.

    Equal numbers in the millions have a variance that is made by rounding alone: they are spread.
    """
    parameters = dict(case.parameters)
    for name, value in case.parameters.items():
        if name.endswith(".scale") and not value.any():
            parameters[name] = value + rng.uniform(0.5, 1.5, value.shape)
    case = case.but(parameters=parameters)
    if np.abs(case.inputs).max() > LARGE and before(kind, case) == "inputs":
        case = case.but(inputs=case.inputs + rng.standard_normal(case.inputs.shape))
    else:
        case = NUMBERS[rng.choice(list(NUMBERS), p=SHARES)](kind, case, rng)
    for name, spec in case.network.walk():
        if spec.kind == kind and f"{name}.mean" in case.constants:
            case = case.but(constants={**case.constants, **run(name, case, rng)})
    return case


def run(name: str, case: Case, rng: Any) -> dict[str, Any]:
    """Mean and variance of what comes to a layer, off by as much as another batch would be."""
    x = by_feature(next(step.saved for step in steps(forward(case).tape)
                        if step.scope.name == name))
    m, v = x.mean(axis=(0, 2)), x.var(axis=(0, 2))
    off, more = rng.standard_normal(m.shape), rng.uniform(0.5, 2.0, m.shape)
    floor = np.maximum(0.1, (1e-3 * m)**2)
    return {f"{name}.mean": m + 0.3 * off * np.sqrt(v), f"{name}.variance": more * v + floor}


def before(kind: str, case: Case) -> str | None:
    """What feeds the first layer of the kind as it is: the inputs, or a bias; None for others."""
    layers = case.network.layers
    at = next((i for i, spec in enumerate(layers) if spec.kind == kind), None)
    if at == 0 and case.network.real:
        return "inputs"
    name = f"{(at or 0) - 1}.bias"
    return name if name in case.parameters and layers[(at or 0) - 1].units else None


def far(kind: str, case: Case, rng: Any) -> Case:
    """Numbers about 30 that vary by 1: the mean is much larger than what is left of them."""
    name = before(kind, case)
    if name == "inputs":
        return case.but(inputs=case.inputs + FAR)
    return case if name is None else case.but(parameters={name: case.parameters[name] + FAR})


def constant(kind: str, case: Case, rng: Any) -> Case:
    """A set of equal numbers, whose variance is 0 and whose gradient is divided by √ε."""
    if before(kind, case) != "inputs" or on_deviation(case.network):
        return case
    inputs, number = case.inputs.copy(), np.round(8.0 * rng.standard_normal()) / 8.0
    inputs[(..., 0) if kind == "batch_norm" else 0] = number
    return case.but(inputs=inputs)


def tiny(kind: str, case: Case, rng: Any) -> Case:
    """A variance that is small beside ε."""
    if before(kind, case) != "inputs" or on_deviation(case.network):
        return case
    return case.but(inputs=case.inputs * 2.0**-10)


def on_deviation(network: Network) -> bool:
    return any(spec.options.get("epsilon_on") == "deviation" for _, spec in walk(network.layers))


NUMBERS: dict[str, Callable[[str, Case, Any], Case]] = {
    "as they are": lambda kind, case, rng: case, "far": far, "constant": constant, "tiny": tiny}
SHARES = (0.7, 0.15, 0.08, 0.07)


def directions(case: Case, rng: Any) -> Case:
    """No column of 0, which has no direction."""
    changed = {}
    for name, spec in case.network.walk():
        if spec.kind == "weight_norm" and f"{name}.direction" in case.parameters:
            d = case.parameters[f"{name}.direction"]
            changed[f"{name}.direction"] = np.where(d.any(axis=0), d, rng.uniform(0.5, 1, d.shape))
    return case.but(parameters=changed)


def norm(kind: str, says: str, grow: Callable[..., Network | None] = within) -> Structure:
    return Structure(says, lambda choose, network, limits: grow(choose, network, limits, kind),
                     partial(has, kind), exact=False, values=partial(numbers, kind))


STRUCTURES = {
    "batch_norm": norm("batch_norm", "batch normalisation, in training and after it"),
    "layer_norm": norm("layer_norm", "layer normalisation"),
    "rms_norm": norm("rms_norm", "normalisation by the root of the mean square"),
    "group_norm": norm("group_norm", "group normalisation of images", of_images),
    "instance_norm": norm("instance_norm", "instance normalisation of images", of_images),
    "weight_norm": Structure("dense layers whose weights are normalised", normalised_weights,
                             partial(has, "weight_norm"), exact=False, values=directions),
}
