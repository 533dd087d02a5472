"""Normalisation: what must hold of every set, whatever formula its backward pass has.

What moves all numbers of a set together, or stretches them, hardly changes its output: so the
errors of a set sum to 0, and what is left along x is of the size of ε.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...reference import Case, LayerSpec
from ...reference.wiring import wired
from ..claims import Claims
from ..identity import Equation, Found, Needs, Property, Reply, every
from ..measured import Measured
from ..structures.normalisation import CENTRED

NORMS = (*CENTRED, "rms_norm")


def first(case: Case) -> LayerSpec | None:
    """The first layer, where it normalises the inputs by statistics of their own."""
    spec = case.network.layers[0] if case.network.layers else None
    found = spec is not None and spec.kind in NORMS and spec.options.get("training", True)
    return spec if found else None


def in_sets(spec: LayerSpec, x: Any) -> Any:
    """(..., N): the last axis are the numbers that have one mean and one variance."""
    image = x.ndim == 4
    if "axes" in spec.options:
        return x.reshape(*x.shape[:x.ndim - spec.options["axes"]], -1)
    if spec.kind == "batch_norm":
        return np.moveaxis(x, 1 if image else -1, 0).reshape(x.shape[1 if image else -1], -1)
    features_first = x if image else np.moveaxis(x, -1, 1)
    groups = spec.options.get("groups", features_first.shape[1])
    return features_first.reshape(len(x), groups, -1)


def of(spec: LayerSpec, measured: Measured) -> Measured:
    return Measured(in_sets(spec, measured.value), in_sets(spec, measured.tolerance))


# --- the errors of a set sum to 0 ---------------------------------------------------------------


def moved(case: Case) -> dict[str, LayerSpec]:
    """By name, gradients that sum to 0 over the sets of a layer: of the inputs, and of biases."""
    layers, found = case.network.layers, {}
    if (spec := first(case)) is not None and spec.kind in CENTRED and case.network.real:
        found["inputs"] = spec
    for place in wired(case.network).places:
        at = int(place.layer) + 1 if place.layer.isdigit() else len(layers)
        if place.bias and place.alone and place.site.gives == "output" and at < len(layers):
            spec = layers[at]
            if ((spec.kind == "batch_norm" and spec.options["training"])
                    or (spec.kind == "layer_norm" and spec.options["axes"] == 1)):
                found[place.bias] = spec
    return found


def ask_moved(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    return [case] if moved(case) else None


def judge_moved(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    """A bias in front of a batch norm does nothing; one of a layer norm's may not move as one."""
    for name, spec in moved(r[0].case).items():
        if name not in r[0].gradients:
            continue
        if name == "inputs":
            total = of(spec, r[0][name]).sum(axis=-1)
        else:
            total = r[0][name] if spec.kind == "batch_norm" else r[0][name].sum()
        yield name, total, 0.0 * total.value


# --- what is left along x ------------------------------------------------------------------------


def ask_stretched(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    return [case] if first(case) is not None and case.network.real else None


def judge_stretched(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    """Σ over the sets of (v + ε) / ε Σ (x - m) dx = Σ γ dγ; √v for v where ε is behind the root."""
    case, spec = r[0].case, first(r[0].case)
    if spec is None or not {"inputs", "0.scale"} <= r[0].gradients.keys():
        return
    x = in_sets(spec, case.inputs.astype(float))
    c = x - x.mean(axis=-1, keepdims=True) if spec.kind in CENTRED else x
    v, epsilon = (c * c).mean(axis=-1, keepdims=True), spec.options["epsilon"]
    size = v if spec.options["epsilon_on"] == "variance" else np.sqrt(v)
    left = (of(spec, r[0]["inputs"]) * (c * ((size + epsilon) / epsilon))).sum()
    yield "inputs", left, (r[0]["0.scale"] * case.parameters["0.scale"].astype(float)).sum()


# --- factors and what reads them -----------------------------------------------------------------


def next_weights(case: Case) -> dict[str, str]:
    """By the name of a norm, that of the weight which reads it and which no other layer uses."""
    behind = {str(i): wired(case.network).place(f"{i + 1}.weight")
              for i, spec in enumerate(case.network.layers) if spec.kind in NORMS}
    return {name: place.weight for name, place in behind.items()
            if place is not None and place.alone and place.site.reads == "input"}


def ask_rescaled(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """Factors and biases doubled, the weights behind them halved."""
    changed = dict[str, Any]()
    for norm, weight in next_weights(case).items():
        changed |= {name: 2 * case.parameters[name] for name in own(case, norm)}
        changed[weight] = case.parameters[weight] / 2
    return [case, case.but(parameters=changed)] if changed else None


def own(case: Case, norm: str) -> list[str]:
    return [name for name in (f"{norm}.scale", f"{norm}.bias") if name in case.parameters]


def judge_rescaled(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    pairs = next_weights(r[0].case)
    theirs = [name for norm in pairs for name in own(r[0].case, norm)]
    yield from every(r[0], r[1], but=(*theirs, *pairs.values()))
    yield from ((name, r[0][name], r[1][name] * 2.0) for name in theirs if name in r[0].gradients)
    yield from ((name, r[0][name], r[1][name] * 0.5) for name in pairs.values()
                if name in r[0].gradients)


PROPERTIES = {
    "norm_shift": Property(
        "normalisation", "the errors that a norm hands down sum to 0 over every set, and so a bias "
        "in front of a batch norm does nothing", ask_moved, judge_moved,
        source="Ioffe & Szegedy (2015), section 3"),
    "norm_stretch": Property(
        "normalisation", "what a norm hands down lies along its input only as far as epsilon lets "
        "it", ask_stretched, judge_stretched, Needs(real=True)),
    "norm_rescaling": Property(
        "normalisation", "a norm's factors and biases may double where the weights behind it halve",
        ask_rescaled, judge_rescaled),
}
