"""What networks that are no plain chain must keep to: shared parameters, time steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ...reference import Case
from ..claims import Claims
from ..identity import Equation, Found, Needs, Property, Reply, every, per_example, small_enough
from ..structures import PLAIN


def own_copies(case: Case) -> Case:
    """The case with every shared parameter given to each of its users."""
    network, parameters = case.network, dict(case.parameters)
    for name, spec in case.network.walk():
        if spec.share is not None:
            network = network.having(name, replace(spec, share=None, transpose=False))
            parameters |= {f"{name}.{local}": value.T.copy() if spec.transpose else value.copy()
                           for local, value in lent(case, name, spec.share).items()}
    return replace(case, network=network, parameters=parameters)


def lent(case: Case, name: str, owner: str) -> dict[str, Any]:
    """By local name, what a layer uses of its owner's parameters."""
    own = {full.rpartition(".")[2] for full in case.parameters if full.rpartition(".")[0] == name}
    return {full.rpartition(".")[2]: value for full, value in case.parameters.items()
            if full.rpartition(".")[0] == owner and full.rpartition(".")[2] not in own}


def ask_shared(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    if PLAIN not in claims.structures or not any(spec.share for _, spec in case.network.walk()):
        return None
    copies = own_copies(case)
    return [case, copies] if small_enough(copies, claims) else None


def judge_shared(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    """The gradient of a shared parameter is the sum of its copies' gradients."""
    total = {name: r[1][name] for name in r[0].gradients if name in r[1].gradients}
    for name, spec in r[0].case.network.walk():
        for local in lent(r[0].case, name, spec.share) if spec.share is not None else ():
            copy, owner = r[1][f"{name}.{local}"], f"{spec.share}.{local}"
            total[owner] = total[owner] + (copy.T if spec.transpose else copy)
    for name, gradient in total.items():
        yield name, r[0][name], gradient


def ask_steps(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """The time steps in reverse order."""
    if case.inputs.ndim < 3 or case.inputs.shape[1] < 2:
        return None
    mine, steps = per_example(case), case.inputs.shape[1]
    constants = {name: value[:, ::-1].copy() if name in mine and value.shape[1:2] == (steps,)
                 else value for name, value in case.constants.items()}
    return [case, case.but(inputs=case.inputs[:, ::-1].copy(), constants=constants,
                           targets=case.targets[:, ::-1].copy())]


def judge_steps(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    yield from every(r[0], r[1], but=("inputs",))
    if "inputs" in r[0].gradients:
        yield "inputs", r[0]["inputs"], r[1]["inputs"][:, ::-1]


PROPERTIES = {
    "shared_is_sum": Property(
        "structure", "a shared parameter's gradient is the sum of its copies' gradients",
        ask_shared, judge_shared),
    "step_permutation": Property(
        "structure", "where no layer mixes time steps, they may change places", ask_steps,
        judge_steps, Needs(real=True, separate_steps=True)),
}
