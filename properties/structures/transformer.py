"""Transformer blocks: x + attention(norm(x)), then x + dense(function(dense(norm(x)))).

Pre-norm, as in Xiong and others (2020): what the residual hands down goes past the norm.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...reference import Case, LayerSpec, Network
from ..blocks import is_block, outside_blocks
from ..structure import Choose, Layers, Limits, Structure, levels, spliced
from . import attention

EPSILONS = (1e-5, 1e-3)
STACKED = (1, 1, 1, 1, 3)


def has(network: Network) -> bool:
    return any(is_block(spec) for spec in outside_blocks(network.layers))


def grow(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """One block or three of them in front of a level, the inputs being sequences."""
    network = attention.of_steps(choose, network)
    places = [level for level in levels(network) if network.real or level.at]
    count = choose(STACKED)
    if not places or not limits.hidden or len(network.input_shape) != 2:
        return None
    count = count if limits.room(2 * count) else 1
    if not limits.room(2 * count):
        return None
    level = choose(places)
    made = tuple(half for _ in range(count) for half in block(choose, level.inputs, limits))
    return spliced(network, level.at, level.at, made)


def block(choose: Choose, n: int, limits: Limits) -> Layers:
    """Both halves of a block of n units."""
    def norm() -> LayerSpec:
        return LayerSpec("layer_norm", {
            "epsilon": choose(limits.options("layer_norm", "epsilon", EPSILONS)),
            "epsilon_on": choose(limits.options("layer_norm", "epsilon_on", ("variance",))),
            "axes": 1})

    def dense(units: int) -> LayerSpec:
        return LayerSpec("dense", {"units": units, "bias": choose(limits.bias)})

    gelu = [spec for spec in limits.hidden if spec.function in ("gelu", "gelu_tanh")]
    function = choose(gelu or limits.hidden)
    return (residual(norm(), attention.layer(choose, n, limits)),
            residual(norm(), dense(choose((2 * n, n + 1))), function, dense(n)))


def residual(*inside: LayerSpec) -> LayerSpec:
    return LayerSpec("parallel", {"branches": ((), inside), "combine": "add"})


def numbers(case: Case, rng: Any) -> Case:
    """Factors that are not all 0, masks as attention has them, and residuals that matter."""
    parameters = dict(case.parameters)
    for name, value in case.parameters.items():
        if name.endswith(".scale") and not value.any():
            parameters[name] = value + rng.uniform(0.5, 1.5, value.shape)
    return attention.numbers(replace(case, parameters=parameters), rng)


STRUCTURES = {
    "transformer_block": Structure(
        "transformer blocks: residuals around attention and around two dense layers, each behind a "
        "layer norm", grow, has, even=False, exact=False, values=numbers, owns=is_block),
}
