"""Recurrent layers in the place of a dense one; stacked ones, and bidirectional ones.

The second layer of a stack stands directly behind the first, which gives a sequence. Bidirectional
is two of one kind side by side, one of which takes the steps from the last to the first. A mistake
may need time to show, so now and then there are many steps, with few units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from ...reference import TABLES, Case, LayerSpec, Network
from ...reference.shapes import given
from ..structure import Choose, Level, Limits, Structure, levels, spliced

KINDS = ("rnn", "lstm", "gru")
STEPS = (2, 1, 2, 3, 3, 4, 5)
MANY, FEW = 50, 3
SELDOM = (*(False,) * 15, True)
LONG = 20
# By kind, what an option may be, beside those that all three have; the first is the simplest.
COMMON: dict[str, Sequence[Any]] = {
    "recurrent_bias": (False, False, True), "reverse": (False, False, False, True),
    "initial_state": (False, True), "mask": (False, False, True)}
MORE: dict[str, dict[str, Sequence[Any]]] = {
    "rnn": {"function": ("tanh", "tanh", "relu", "sigmoid")},
    "lstm": {"peephole": (False, True), "coupled": (False, False, True),
             "initial_cell": (False, True)},
    "gru": {"reset": ("before", "after")},
}


# --- the layer ------------------------------------------------------------------------------------


def layer(choose: Choose, kind: str, units: int, limits: Limits, **fixed: Any) -> LayerSpec:
    """A recurrent layer of this kind with any options that are claimed, but for the fixed ones."""
    def chosen(option: str, values: Sequence[Any]) -> Any:
        return choose(limits.options(kind, option, [fixed[option]] if option in fixed else values))

    options = {"units": units, "bias": chosen("bias", limits.bias),
               "returns": chosen("returns", ("last", "sequence"))}
    options |= {name: chosen(name, values) for name, values in (COMMON | MORE[kind]).items()}
    if options.get("reset") == "before":
        options["recurrent_bias"] = False
    return LayerSpec(kind, options)


def recurrent(spec: LayerSpec) -> bool:
    return spec.kind in KINDS


def bidirectional(spec: LayerSpec) -> bool:
    """Two of one kind side by side, and one of them takes the steps in reverse order."""
    alone = [branch[0] for branch in spec.branches if len(branch) == 1 and recurrent(branch[0])]
    return (len(alone) == len(spec.branches) == 2 and alone[0].kind == alone[1].kind
            and alone[0].options["reverse"] != alone[1].options["reverse"])


def both_ways(spec: LayerSpec, combine: str) -> LayerSpec:
    branches = tuple((spec.but(reverse=reverse),) for reverse in (False, True))
    return LayerSpec("parallel", {"branches": branches, "combine": combine})


# --- where it may be ------------------------------------------------------------------------------


def places(network: Network) -> Iterator[Level]:
    """The levels that are given a sequence, or would be if the inputs were one."""
    shapes = given(network)
    for level in levels(network):
        by_features = all(TABLES.layers[spec.kind].axes == 1 for spec in network.layers[:level.at])
        alone = len(network.input_shape) == 1 and network.real and by_features
        if len(shapes[level.at]) == 2 or alone:
            yield level


def timed(choose: Choose, network: Network, units: int) -> Network:
    """The network with sequences for inputs: some steps, now and then many where units are few."""
    if len(network.input_shape) > 1 or not network.real:
        return network
    many = units <= FEW and choose(SELDOM)
    return replace(network, input_shape=(MANY if many else choose(STEPS), *network.input_shape))


def behind(choose: Choose, level: Level, network: Network) -> tuple[LayerSpec, ...]:
    """The function behind the level: the last one's always stays, another's now and then."""
    last = level.stop >= len(network.layers)
    kept = level.after is not None and (last or choose((False, False, False, True)))
    return (level.after,) if kept and level.after is not None else ()


def kind_of(choose: Choose, limits: Limits) -> str:
    """One of the recurrent kinds that are claimed."""
    return str(choose([kind for kind in KINDS if limits.may_have(kind)] or KINDS))


# --- the structures -------------------------------------------------------------------------------


def of(kind: str) -> Callable[[Choose, Network, Limits], Network | None]:
    def grow(choose: Choose, network: Network, limits: Limits) -> Network | None:
        found = list(places(network))
        if not found:
            return None
        level = choose(found)
        spec = layer(choose, kind, level.spec.units, limits)
        return spliced(timed(choose, network, level.spec.units), level.at, level.stop,
                       (spec, *behind(choose, level, network)))

    return grow


def stacked(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """Two recurrent layers, the first of which gives a sequence."""
    found = list(places(network)) if limits.room(1) else []
    if not found:
        return None
    level, kind = choose(found), kind_of(choose, limits)
    first = layer(choose, kind, choose((2, 1, 3, level.spec.units)), limits, returns="sequence")
    second = layer(choose, kind, level.spec.units, limits)
    if limits.may_have("bidirectional") and choose((False, True)):
        first = both_ways(first, "concatenate")
        second = both_ways(second, "add")
    return spliced(timed(choose, network, level.spec.units), level.at, level.stop,
                   (first, second, *behind(choose, level, network)))


def two_ways(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """Added where the number of units must stay, else mostly put next to each other."""
    found = list(places(network))
    if not found:
        return None
    level, kind = choose(found), kind_of(choose, limits)
    spec = layer(choose, kind, level.spec.units, limits, reverse=False)
    last = level.stop >= len(network.layers)
    made = both_ways(spec, "add" if last else choose(("concatenate", "concatenate", "add")))
    return spliced(timed(choose, network, level.spec.units), level.at, level.stop,
                   (made, *behind(choose, level, network)))


def has_kind(kind: str) -> Callable[[Network], bool]:
    return lambda network: any(spec.kind == kind for _, spec in network.walk())


def has_stack(network: Network) -> bool:
    def over_time(spec: LayerSpec) -> bool:
        return recurrent(spec) or bidirectional(spec)

    chains = [network.layers, *(b for _, spec in network.walk() for b in spec.branches)]
    return any(over_time(a) and over_time(b) for chain in chains for a, b in pairwise(chain))


def has_both_ways(network: Network) -> bool:
    return any(bidirectional(spec) for _, spec in network.walk())


# --- numbers with which mistakes show -------------------------------------------------------------


def values(kind: str) -> Callable[[Case, Any], Case]:
    """Masks of lengths, from 0 on; gates that remember; over many steps, states that do not die."""
    def change(case: Case, rng: Any) -> Case:
        for name, spec in case.network.walk():
            if spec.kind == kind:
                case = remembering(with_lengths(case, name, rng), name, spec, rng)
        return case

    return change


def with_lengths(case: Case, name: str, rng: Any) -> Case:
    """Mostly each example's mask is 1 up to its length; else it is as it was drawn, with holes."""
    mask = case.constants.get(f"{name}.mask")
    if mask is None or rng.uniform() < 0.25:
        return case
    steps = mask.shape[1]
    lengths = rng.integers(0, steps + 1, len(mask))
    mask = (np.arange(steps) < lengths[:, None]).astype(float)
    return case.but(constants={**case.constants, f"{name}.mask": mask})


def remembering(case: Case, name: str, spec: LayerSpec, rng: Any) -> Case:
    """Now and then, and over many steps always: a forget bias of 1 or 2, as libraries begin with.

    What a gru keeps is larger likewise; a simple cell's U is orthogonal, so that nothing dies out.
    """
    long = case.inputs.ndim > 2 and case.inputs.shape[1] >= LONG
    if not long and rng.uniform() < 0.75:
        return case
    if spec.kind == "rnn":
        return orthogonal(case, f"{name}.recurrent_weight", rng) if long else case
    bias, m = f"{name}.bias", spec.options["units"]
    if bias not in case.parameters:
        return case
    at = slice(0, m) if spec.options.get("coupled") else slice(m, 2 * m)
    changed = case.parameters[bias].copy()
    changed[at] = float(rng.integers(1, 3)) + 2.0 * long
    return case.but(parameters={bias: changed})


def orthogonal(case: Case, name: str, rng: Any) -> Case:
    if name not in case.parameters:
        return case
    turned, _ = np.linalg.qr(rng.standard_normal(case.parameters[name].shape))
    return case.but(parameters={name: turned})


SAYS = {"rnn": "simple recurrent layers (Elman)", "lstm": "long short-term memory",
        "gru": "gated recurrent units"}
STRUCTURES = {
    **{kind: Structure(SAYS[kind], of(kind), has_kind(kind), exact=False, values=values(kind),
                       like=KINDS[:1]) for kind in KINDS},
    "stacked_recurrent": Structure("a recurrent layer directly behind another", stacked, has_stack,
                                   even=False, least=2, exact=False, made_of=KINDS),
    "bidirectional": Structure("two recurrent layers side by side, one in reverse", two_ways,
                               has_both_ways, even=False, exact=False, made_of=KINDS,
                               owns=bidirectional),
}
