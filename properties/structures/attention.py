"""Attention in front of a layer with units: sequences (batch, time, features), many or few heads.

Its mistakes show with several heads of several widths, keys that are shared, a softmax that is
neither flat nor saturated, and masks that hide some steps, one example's all of them now and then.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...reference import Case, LayerSpec, Network, forward
from ...reference.kinds import steps
from ..structure import Choose, Limits, Structure, levels, spliced

STEPS = (3, 2, 4, 1, 5)
CAPS = (None, None, 2.0, 0.5)
LARGEST = (4.0, 4.0, 4.0, 32.0)  # scores: of a softmax that is soft, of one that is saturated


def has(network: Network) -> bool:
    from .transformer import outside_blocks
    return any(spec.kind == "attention" for spec in outside_blocks(network.layers))


def of_steps(choose: Choose, network: Network) -> Network:
    """The network with sequences for inputs, where it has rows."""
    if len(network.input_shape) > 1 or not network.real:
        return network
    return replace(network, input_shape=(choose(STEPS), *network.input_shape))


def grow(choose: Choose, network: Network, limits: Limits) -> Network | None:
    network = of_steps(choose, network)
    places = [level for level in levels(network) if network.real or level.at]
    if not places or len(network.input_shape) != 2:
        return None
    level = choose(places)
    return spliced(network, level.at, level.at, (layer(choose, level.inputs, limits),))


def layer(choose: Choose, n: int, limits: Limits) -> LayerSpec:
    """Every option of the layer, chosen, for n inputs."""
    def some(option: str, *values: Any) -> Any:
        return choose(limits.options("attention", option, values))

    heads = some("heads", 2, 1, 4, 3)
    width = some("width", *((None, 2, None) if n % heads == 0 else (2, 3, 1, 4)))
    groups = [None, *(k for k in range(1, heads) if heads % k == 0)]
    even = (width or n // heads) % 2 == 0
    return LayerSpec("attention", {
        "heads": heads, "key_heads": some("key_heads", *groups), "width": width,
        "bias": choose(limits.options("attention", "bias", limits.bias)),
        "causal": some("causal", False, True), "mask": some("mask", False, True, False),
        "rotary": some("rotary", *(("none", "pairs", "halves", "none") if even else ("none",))),
        "softcap": some("softcap", *CAPS)})


def numbers(case: Case, rng: Any) -> Case:
    """Masks that hide the end of each example, and logits of moderate size.

    Half of the time one step further back is hidden too; now and then all of an example is.
    """
    constants = dict(case.constants)
    for name, spec in case.network.walk():
        if spec.kind == "attention" and spec.options["mask"]:
            mask = masks(constants[f"{name}.mask"].shape, rng)
            if not spec.options["bias"]:  # where nothing is seen, outputs are 0, on every kink
                mask[:, 0] = 1.0
            constants[f"{name}.mask"] = mask
    return tamed(replace(case, constants=constants), float(rng.choice(LARGEST)))


def masks(shape: tuple[int, int], rng: Any) -> Any:
    """Ones up to a length for each example, at least one; 0 for all now and then."""
    batch, steps = shape
    lengths = rng.integers(1, steps + 1, (batch, 1))
    lengths = lengths * (rng.uniform(size=(batch, 1)) > 0.1)
    found = (np.arange(steps) < lengths).astype(float)
    return found * (rng.uniform(size=found.shape) > 0.15) if rng.uniform() < 0.5 else found


def tamed(case: Case, largest: float) -> Case:
    """Scores no larger than this: queries are made smaller, one layer after the other.

    A softmax of scores in the thousands is one-hot, and rounding alone decides where.
    """
    for name, spec in case.network.walk():
        if spec.kind == "attention":
            size = max(float(np.abs(step.saved.S).max(initial=0.0))
                       for step in steps(forward(case).tape) if step.scope.name == name)
            if not size <= largest:
                by = 2.0 ** np.floor(np.log2(largest / size)) if np.isfinite(size) else 0.0
                case = case.but(parameters={each: by * case.parameters[each] for each in (
                    f"{name}.query_weight", f"{name}.query_bias") if each in case.parameters})
    return case


STRUCTURES = {
    "attention": Structure("attention between the steps of a sequence", grow, has, exact=False,
                           values=numbers),
}
