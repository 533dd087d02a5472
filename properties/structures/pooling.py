"""Pooling of sequences and of images, over windows or over everything; trainable sub-sampling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...reference import Case, LayerSpec, Network
from ..images import DRAWS, block, grow, of_kind, places, shape_behind, sizes, stages
from ..structure import Choose, Limits, Structure, spliced

SAYS = {"pool1d": (1, "pooling of sequences"), "pool2d": (2, "pooling of images"),
        "subsample2d": (2, "trainable sub-sampling of images, as in LeNet-5")}


def grow_global(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """In the place of `flatten`, or in front of the chain with what else is claimed."""
    function = choose(limits.options("global_pool", "function", ("max", "mean")))
    spec = LayerSpec("global_pool", {"function": function})
    if any(places(network, axes) for axes in (1, 2)):
        at = next((i for i, each in enumerate(network.layers) if each.kind == "flatten"), None)
        return None if at is None else spliced(network, at, at + 1, (spec,))
    if not network.real or len(network.input_shape) > 1:
        return None
    axes = choose((1, 2))
    shape = sizes(choose, axes, 0)
    draws = stages(choose, axes, "", DRAWS[axes]["pad"], limits)
    draws.remove(DRAWS[axes]["pad"])
    layers = block(choose, shape, draws, limits)
    if layers is None or len(shape_behind(layers, shape)) < 2:
        layers = []
    return replace(spliced(network, 0, 0, (*layers, spec)), input_shape=shape)


def values(case: Case, rng: Any) -> Case:
    """Often, where padding is no largest entry: numbers below zero in front of it."""
    padded = any(spec.options.get("function") == "max" and any(spec.options.get("padding", ()))
                 for _, spec in case.network.walk())
    if not padded or rng.uniform() < 0.5 or not case.network.real:
        return case
    negative = {name: -np.abs(value) - 0.25 for name, value in case.parameters.items()
                if name.endswith(".bias")}
    positive = {name: np.abs(value) for name, value in case.parameters.items()
                if name.endswith(".weight") and value.ndim > 2}
    return case.but(inputs=-np.abs(case.inputs) - 0.25, parameters={**negative, **positive})


STRUCTURES = {
    **{kind: Structure(says, grow(axes, kind, DRAWS[axes][kind]), of_kind(kind), even=False,
                       values=values if kind.startswith("pool") else None)
       for kind, (axes, says) in SAYS.items()},
    "global_pool": Structure("pooling over everything: (batch, channels)", grow_global,
                             of_kind("global_pool"), even=False),
}
