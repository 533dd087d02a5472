"""Attention: what may change without changing the answer, and what its gradients owe each other.

A score is a product of a query and a key, so one may double where the other halves; a softmax does
not see what is added to all its scores, so keys may move together; its weights sum to 1, so values
that move together move the output as much. Steps may change places where no angle and no order
tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...reference import TABLES, Case, LayerSpec, infer
from ..claims import Claims
from ..identity import Equation, Found, Property, Reply, every
from ..measured import Measured

# where one may double, the other halves
PAIRS = (("query", "key"), ("value", "output"))


def layers(case: Case) -> dict[str, LayerSpec]:
    """The attentions of the network by name, whose parameters are their own."""
    return {name: spec for name, spec in case.network.walk()
            if spec.kind == "attention" and spec.share is None and name not in shared(case)}


def shared(case: Case) -> set[str]:
    return {spec.share for _, spec in case.network.walk() if spec.share is not None}


# --- one doubled, the other halved --------------------------------------------------------------


def factors(case: Case) -> dict[str, float]:
    """By name, what each parameter is multiplied by. An output's bias stays."""
    found: dict[str, float] = {}
    for name in layers(case):
        for left, right in PAIRS:
            found |= {f"{name}.{left}_weight": 2.0, f"{name}.{left}_bias": 2.0,
                      f"{name}.{right}_weight": 0.5}
            if right == "key":
                found[f"{name}.{right}_bias"] = 0.5
    return {name: by for name, by in found.items() if name in case.parameters}


def ask_rescaled(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    changed = {name: by * case.parameters[name] for name, by in factors(case).items()}
    return [case, case.but(parameters=changed)] if changed else None


def judge_rescaled(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    by = factors(r[0].case)
    yield from every(r[0], r[1], but=tuple(by))
    yield from ((name, r[0][name], r[1][name] * factor) for name, factor in by.items()
                if name in r[0].gradients)


# --- what both owe each other -------------------------------------------------------------------


def ask_one(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    return [case] if layers(case) else None


def along(reply: Reply, names: Sequence[str]) -> Measured:
    """Σ p dL/dp of these parameters, those that there are."""
    total = Measured(0.0, 0.0)
    for name in names:
        if name in reply.case.parameters:
            total = total + (reply[name] * reply.case.parameters[name].astype(float)).sum()
    return total


def judge_balance(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    """To first order: Σ Wq dWq + bq dbq = Σ Wk dWk + bk dbk, and so for values and outputs."""
    for name in layers(r[0].case):
        wanted = {f"{name}.{part}_weight" for part in ("query", "key", "value", "output")}
        if wanted <= r[0].gradients.keys():
            for left, right in PAIRS:
                biased = f"{name}.key_bias" if right == "key" else ""
                yield (f"{name}.{left}_weight",
                       along(r[0], (f"{name}.{left}_weight", f"{name}.{left}_bias")),
                       along(r[0], (f"{name}.{right}_weight", biased)))


# --- what moves together ------------------------------------------------------------------------


def moving(case: Case) -> dict[str, LayerSpec]:
    """The attentions that have biases and hide no example from itself."""
    return {name: spec for name, spec in layers(case).items()
            if spec.options["bias"] and not spec.options["mask"]}


def ask_moved(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    return [case] if moving(case) else None


def judge_moved(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    """dbv = Wo dbo, summed over the query heads of each; without angles and caps dbk = 0."""
    for name, spec in moving(r[0].case).items():
        keys, values, outputs = (f"{name}.{part}_bias" for part in ("key", "value", "output"))
        if not {keys, values, outputs} <= r[0].gradients.keys():
            continue
        if spec.options["rotary"] == "none" and spec.options["softcap"] is None:
            yield keys, r[0][keys], np.zeros(r[0][keys].value.shape)
        weight = r[0].case.parameters[f"{name}.output_weight"].astype(float)
        grouped = in_groups(spec, weight)
        yield values, r[0][values], r[0][outputs] @ grouped.T


def in_groups(spec: LayerSpec, weight: Any) -> Any:
    """The rows of Wo, summed over the query heads of each key head: (k d, n)."""
    heads = spec.options["heads"]
    groups = spec.options["key_heads"] or heads
    n = weight.shape[1]
    return weight.reshape(groups, heads // groups, -1, n).sum(axis=1).reshape(-1, n)


# --- steps that change places -------------------------------------------------------------------


def unordered(spec: LayerSpec) -> bool:
    """Whether a layer does to a sequence whose steps changed places what it did before."""
    if spec.kind == "attention":
        return not spec.options["causal"] and spec.options["rotary"] == "none"
    if "axes" in spec.options:
        return bool(spec.options["axes"] == 1)
    return not TABLES.layers[spec.kind].mixes_steps


def ask_steps(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """The steps in reverse order, their masks too."""
    if not layers(case) or case.inputs.ndim != 3 or case.inputs.shape[1] < 2:
        return None
    if not case.network.real or not all(unordered(spec) for _, spec in case.network.walk()):
        return None
    masks = infer(case.network).masks
    constants = {name: value[:, ::-1].copy() if name in masks else value
                 for name, value in case.constants.items()}
    return [case, replace(case, inputs=case.inputs[:, ::-1].copy(),
                          targets=case.targets[:, ::-1].copy(), constants=constants)]


def judge_steps(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    yield from every(r[0], r[1], but=("inputs",))
    if "inputs" in r[0].gradients:
        yield "inputs", r[0]["inputs"], r[1]["inputs"][:, ::-1]


PROPERTIES = {
    "attention_rescaling": Property(
        "attention", "queries may double where keys halve, and values where the output's weights "
        "halve", ask_rescaled, judge_rescaled),
    "attention_balance": Property(
        "attention", "queries and keys owe each other the same sum of parameter times gradient, "
        "and so do values and outputs", ask_one, judge_balance),
    "attention_shift": Property(
        "attention", "keys may move together, and values that do move the outputs as much: the "
        "gradients of their biases are known", ask_moved, judge_moved),
    "attention_steps": Property(
        "attention", "where no order and no angle tells them apart, time steps may change places",
        ask_steps, judge_steps),
}
