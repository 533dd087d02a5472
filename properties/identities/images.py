"""Convolutions, pooling and layers that move numbers: what must hold of their inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...reference import Case, LayerSpec
from ..claims import Claims
from ..identity import Equation, Found, Needs, Property, Reply, every

# What is linear in its input, or the choice of an entry: twice the input gives twice the output.
HOMOGENEOUS = ("pool1d", "pool2d", "global_pool", "flatten", "reshape", "pad", "upsample")
CONV = ("conv1d", "conv2d")
READERS = ("dense", *CONV, "conv_transpose1d", "conv_transpose2d")


def own_weight(case: Case, at: int) -> str | None:
    """The weight of a layer that shares nothing with others, where it is one of these kinds."""
    name = f"{at}.weight"
    shared = {spec.share for _, spec in case.network.walk()}
    alone = name in case.parameters and str(at) not in shared
    return name if alone and case.network.layers[at].kind in READERS else None


def first_reader(case: Case) -> str | None:
    """The weight that reads the inputs behind layers that are homogeneous, one at least."""
    layers = case.network.layers
    at = next((i for i, spec in enumerate(layers) if spec.kind not in HOMOGENEOUS), len(layers))
    return own_weight(case, at) if 0 < at < len(layers) else None


def ask_energy(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    return None if first_reader(case) is None else [case]


def judge_energy(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    """Euler: both are the derivative with respect to a factor between the two."""
    weight, wide = first_reader(r[0].case), r[0].case.astype("float64")
    if weight is not None and "inputs" in r[0].gradients:
        left = (r[0][weight] * wide.parameters[weight]).sum()
        yield weight, left, (r[0]["inputs"] * wide.inputs).sum()


def first_conv(case: Case) -> LayerSpec | None:
    """The convolution that reads the inputs, with a weight of its own and in one group."""
    spec = next(iter(case.network.layers), None)
    if spec is None or spec.kind not in CONV or spec.options["groups"] > 1:
        return None
    return spec if own_weight(case, 0) is not None else None


def ask_channels(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """The channels of the inputs in reverse order, and those of the filters."""
    if first_conv(case) is None or case.inputs.shape[1] < 2:
        return None
    weight = case.parameters["0.weight"][:, ::-1].copy()
    return [case, case.but(inputs=case.inputs[:, ::-1].copy(), parameters={"0.weight": weight})]


def judge_channels(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    moved = [name for name in ("0.weight", "inputs") if name in r[0].gradients]
    yield from every(r[0], r[1], but=moved)
    yield from ((name, r[0][name], r[1][name][:, ::-1]) for name in moved)


def ask_padding(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """The padding of the first convolution put around the inputs instead."""
    spec = first_conv(case)
    if spec is None or not any(spec.options["padding"]):
        return None
    around = [(0, 0), (0, 0), *((q, q) for q in spec.options["padding"])]
    inputs = np.pad(case.inputs, around)
    plain = spec.but(padding=[0] * len(spec.options["padding"]))
    network = case.network.having("0", plain)
    network = type(network)(inputs.shape[1:], network.layers, network.loss, network.input_kind)
    return [case, case.but(network=network, inputs=inputs)] if claims.allow(network) else None


def judge_padding(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    yield from every(r[0], r[1], but=("inputs",))
    if "inputs" in r[0].gradients:
        edges = r[0].case.network.layers[0].options["padding"]
        inner = tuple(slice(q, n - q) for q, n in zip(
            edges, r[1].case.inputs.shape[2:], strict=True))
        yield "inputs", r[0]["inputs"], r[1]["inputs"][(slice(None), slice(None), *inner)]


PROPERTIES = {
    "energy_through_pooling": Property(
        "images", "Σ W dW = Σ x dx, with pooling or moved numbers between x and W", ask_energy,
        judge_energy, Needs(real=True), "Euler's identity"),
    "channel_permutation": Property(
        "images", "channels and those of the filters may change places", ask_channels,
        judge_channels, Needs(real=True)),
    "padding_around_inputs": Property(
        "images", "the padding of a convolution may be put around the inputs instead", ask_padding,
        judge_padding, Needs(real=True), "the definition of padding"),
}
