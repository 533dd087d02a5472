"""Recurrent layers: what their two biases, their units and the order of their steps keep to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...reference import TABLES, Case, LayerSpec
from ...reference.layers.recurrent import CELLS
from ...reference.network import COTANGENT
from ...reference.wiring import wired
from ..claims import Claims
from ..identity import Equation, Found, Needs, Property, Reply, every

ODD = ("tanh", "identity")
# By kind, the gates that change their sign with the unit: those that are not between 0 and 1.
SIGNED = {"rnn": "h", "lstm": "g", "gru": "n"}


def recurrent(case: Case) -> list[tuple[str, LayerSpec]]:
    """The recurrent layers, by name."""
    return [(name, spec) for name, spec in case.network.walk() if spec.kind in CELLS]


def alone(case: Case, name: str) -> bool:
    """Whether the layer shares its parameters with no other."""
    return all(spec.share is None or name not in (other, spec.share)
               for other, spec in case.network.walk())


# --- two biases -----------------------------------------------------------------------------------


def ask_biases(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    both = [name for name, spec in recurrent(case)
            if spec.options["bias"] and spec.options["recurrent_bias"] and alone(case, name)]
    return [case] if both else None


def judge_biases(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    """All gates of rnn and lstm; of a gru those that the reset gate does not touch, r and z."""
    for name, spec in recurrent(r[0].case):
        b, d = f"{name}.bias", f"{name}.recurrent_bias"
        if b in r[0].gradients and d in r[0].gradients and alone(r[0].case, name):
            same = 2 * spec.options["units"] if spec.kind == "gru" else None
            yield d, r[0][d][:same], r[0][b][:same]


# --- units ----------------------------------------------------------------------------------------


def followed(case: Case) -> Iterator[tuple[str, LayerSpec, str]]:
    """Recurrent layers of the chain whose units one affine site reads, and that site's weight.

    Odd functions may stand between, and no layer of them shares anything.
    """
    layers = case.network.layers
    for i, spec in enumerate(layers):
        j = i + 1
        while j < len(layers) and layers[j].function in ODD:
            j += 1
        site = wired(case.network).place(f"{j}.weight")
        if spec.kind in CELLS and alone(case, str(i)) and site is not None and site.alone \
                and layers[j].kind not in CELLS:
            weight = case.parameters[site.weight]
            if weight.ndim == 2 and weight.shape[0] == spec.options["units"]:
                yield str(i), spec, site.weight


def locals_of(case: Case, name: str) -> list[str]:
    return [full for full in case.parameters if full.rpartition(".")[0] == name]


def signs(case: Case) -> dict[str, Any]:
    """By parameter what it is multiplied by where each such layer's first unit is turned round."""
    found: dict[str, Any] = {}
    for name, spec, weight in followed(case):
        if spec.options.get("function", "tanh") != "tanh":
            continue
        turned = np.where(np.arange(spec.options["units"]) == 0, -1.0, 1.0)
        gates = CELLS[spec.kind].gates(spec)
        columns = np.concatenate([turned if gate in SIGNED[spec.kind] else 0 * turned + 1.0
                                  for gate in gates])
        for full in locals_of(case, name):
            local = full.rpartition(".")[2]
            rows = turned[:, None] if local == "recurrent_weight" else 1.0
            own = columns if case.parameters[full].shape[-1] == len(columns) and \
                not local.startswith("initial") and local != "peephole" else turned
            found[full] = rows * own
        found[weight] = turned[:, None]
    return found


def ask_turned(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    changes = {name: (case.parameters[name] * by).astype(case.parameters[name].dtype)
               for name, by in signs(case).items()}
    return [case, case.but(parameters=changes)] if changes else None


def judge_turned(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    by = signs(r[0].case)
    yield from every(r[0], r[1], but=tuple(by))
    yield from ((name, r[0][name], r[1][name] * sign) for name, sign in by.items()
                if name in r[0].gradients)


def orders(case: Case) -> dict[str, tuple[Any, ...]]:
    """By parameter how it is indexed where each such layer's units stand in reverse order."""
    found: dict[str, tuple[Any, ...]] = {}
    for name, spec, weight in followed(case):
        m, gates = spec.options["units"], len(CELLS[spec.kind].gates(spec))
        columns = np.arange(gates * m).reshape(gates, m)[:, ::-1].ravel()
        for full in locals_of(case, name):
            local = full.rpartition(".")[2]
            units = local.startswith("initial") or local == "peephole"
            last = slice(None, None, -1) if units else columns
            turned = (slice(None, None, -1), last) if local == "recurrent_weight" else (..., last)
            found[full] = turned
        found[weight] = (slice(None, None, -1),)
    return found


def ask_order(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    changes = {name: np.ascontiguousarray(case.parameters[name][index])
               for name, index in orders(case).items()}
    return [case, case.but(parameters=changes)] if changes else None


def judge_order(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    index = orders(r[0].case)
    yield from every(r[0], r[1], but=tuple(index))
    yield from ((name, r[0][name], r[1][name][at]) for name, at in index.items()
                if name in r[0].gradients)


# --- steps ----------------------------------------------------------------------------------------


def turned_in_time(case: Case) -> Case | None:
    """The case with all sequences backwards, and every recurrent layer in the other direction.

    None where something else mixes steps, or the direction is not the claims' to change.
    """
    network = case.network
    for name, spec in network.walk():
        if spec.kind not in CELLS and TABLES.layers[spec.kind].mixes_steps:
            return None
        if spec.kind in CELLS:
            network = network.having(name, network.layer(name).but(
                reverse=not spec.options["reverse"]))
    last = any(spec.options["returns"] == "last" for _, spec in recurrent(case))
    masks = {name: mask[:, ::-1].copy() if name.endswith(".mask") or (
        name == COTANGENT and not last) else mask for name, mask in case.constants.items()}
    targets = case.targets if last else case.targets[:, ::-1].copy()
    return replace(case, network=network, inputs=case.inputs[:, ::-1].copy(), targets=targets,
                   constants=masks)


def ask_time(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    if not recurrent(case) or case.inputs.ndim != 3 or case.inputs.shape[1] < 2:
        return None
    turned = turned_in_time(case)
    return None if turned is None or not claims.allow(turned.network) else [case, turned]


def judge_time(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    yield from every(r[0], r[1], but=("inputs",))
    if "inputs" in r[0].gradients:
        yield "inputs", r[0]["inputs"], r[1]["inputs"][:, ::-1]


def unseen(case: Case) -> Any:
    """Which steps (batch, time) of the inputs nothing sees; None where there are none.

    They are masked in the recurrent layer that all goes through: before it, no layer mixes steps,
    nor examples, whose mean and variance such a step would change.
    """
    for i, spec in enumerate(case.network.layers):
        if spec.kind in CELLS:
            mask = case.constants.get(f"{i}.mask")
            return mask == 0 if mask is not None and (mask == 0).any() else None
        rule = TABLES.layers[spec.kind]
        if spec.branches or rule.axes > 1 or rule.mixes or rule.mixes_steps:
            break
    return None


def ask_masked(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    hidden = unseen(case)
    if hidden is None:
        return None
    other = np.where(hidden[..., None], 1.0 - 2 * case.inputs, case.inputs)
    return [case, case.but(inputs=other.astype(case.inputs.dtype))]


def judge_masked(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    yield from every(r[0], r[1])
    if "inputs" in r[1].gradients:
        yield "inputs", r[1]["inputs"].value[unseen(r[1].case)], 0.0


PROPERTIES = {
    "recurrent_biases": Property(
        "recurrent", "where two biases are added before a gate, they have one gradient",
        ask_biases, judge_biases),
    "recurrent_unit_order": Property(
        "recurrent", "the units of a recurrent layer may change places, in all gates and states",
        ask_order, judge_order, source="symmetry"),
    "recurrent_unit_flip": Property(
        "recurrent", "a recurrent unit may change its sign: tanh is odd", ask_turned, judge_turned,
        source="odd function"),
    "time_reversal": Property(
        "recurrent", "a layer that goes backwards over a sequence is one that goes forward over "
        "the reversed one", ask_time, judge_time, Needs(real=True)),
    "masked_steps": Property(
        "recurrent", "what stands in a masked step is never seen, and its gradient is 0",
        ask_masked, judge_masked, Needs(real=True)),
}
