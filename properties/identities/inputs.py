"""The inputs: their columns, their scale, and what the sites that read them must give for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...reference import Case
from ..claims import Claims
from ..identity import FIRST, INPUTS, Equation, Found, Needs, Property, Reply, every, short


def with_column(case: Case, j: int, column: Any) -> Case:
    """The case with one input column replaced."""
    inputs = np.array(case.inputs)
    inputs[..., j] = column
    return case.but(inputs=inputs)


def ask_constant_input(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    return [with_column(case, 0, 1.0)]


def judge_constant_input(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    (first,) = places
    yield first.bias, r[0][first.bias], r[0][first.weight][0]


def ask_zero_input(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    return [with_column(case, 0, 0.0)]


def judge_zero_input(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    (first,) = places
    yield first.weight, r[0][first.weight].value[0], 0.0


def ask_proportional(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    if case.inputs.shape[-1] < 2:
        return None
    return [with_column(case, 0, 2 * case.inputs[..., 1])]


def judge_proportional(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    (first,) = places
    yield first.weight, r[0][first.weight][0], r[0][first.weight][1] * 2.0


def ask_features(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    if case.inputs.shape[-1] < 2:
        return None
    flipped = {place.weight: case.parameters[place.weight][::-1].copy() for place in places}
    return [case, case.but(inputs=case.inputs[..., ::-1].copy(), parameters=flipped)]


def judge_features(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    weights = [place.weight for place in places]
    yield from every(r[0], r[1], but=(*weights, "inputs"))
    for weight in weights:
        yield weight, r[0][weight], r[1][weight][::-1]
    if "inputs" in r[0].gradients:
        yield "inputs", r[0]["inputs"], r[1]["inputs"][..., ::-1]


def ask_standardised(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """z = x W + b = ((x - 1)/2) (2W) + (b + Σ_j W_j)."""
    case = short(case)
    changes: dict[str, Any] = {}
    for place in places:
        w, b = case.parameters[place.weight], case.parameters[place.bias]
        changes |= {place.weight: 2 * w, place.bias: b + w.sum(axis=0)}
    return [case, case.but(inputs=(case.inputs - 1) / 2, parameters=changes)]


def judge_standardised(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    yield from every(r[0], r[1], but=(*(place.weight for place in places), "inputs"))
    for place in places:
        nothing = 0.0 * r[0].case.parameters[place.weight]
        right = r[0][place.weight] - r[0][place.bias] + nothing
        yield place.weight, r[1][place.weight] * 2.0, right
    if "inputs" in r[0].gradients:
        yield "inputs", r[0]["inputs"] * 2.0, r[1]["inputs"]


def ask_energy(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    return [case]


def judge_energy(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    """By column of the inputs, over all the sites that read them."""
    if "inputs" not in r[0].gradients:
        return
    p = r[0].case.astype("float64").parameters
    left = sum((r[0][place.weight] * p[place.weight]).sum(axis=1) for place in places)
    right = r[0]["inputs"] * r[0].case.inputs.astype(float)
    yield places[0].weight, left, right.sum(axis=tuple(range(right.value.ndim - 1)))


PROPERTIES = {
    "bias_is_weight_of_one": Property(
        "inputs", "the bias is the weight of a constant input 1: db = dW of that input",
        ask_constant_input, judge_constant_input, Needs(FIRST, biases=True, real=True)),
    "zero_input": Property(
        "inputs", "an input that is always 0 has a weight gradient of exactly 0",
        ask_zero_input, judge_zero_input, Needs(FIRST, biases=True, real=True)),
    "proportional_inputs": Property(
        "inputs", "an input twice another has twice its weight gradient",
        ask_proportional, judge_proportional, Needs(FIRST, real=True)),
    "input_permutation": Property(
        "inputs", "inputs and their weights may change places",
        ask_features, judge_features, Needs(INPUTS, real=True)),
    "input_standardisation": Property(
        "inputs", "scaling and shifting the inputs folds into weights and bias",
        ask_standardised, judge_standardised, Needs(INPUTS, biases=True, real=True)),
    "input_energy": Property(
        "inputs", "Σ W dW = Σ x dx, input by input", ask_energy, judge_energy,
        Needs(INPUTS, real=True), "Euler's identity"),
}
