"""A mistake in one place only: in one activation, in one loss, in one layer, in one number type.

A program with many activations or layers often has its mistake in one of them. What is right
elsewhere would speak against the whole row, so a row can be restricted: to the cases that have a
feature, or to the layers that have it. Elsewhere the restricted row does what is right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..reference import Answer, Case, Network, Tables
from ..reference.kinds import Array, Rule, Scope
from ..reference.wiring import wired
from .core import Fault, Feature, Make, Number
from .ways import Change, Wrong

Holds = Callable[[Case], bool]
Chosen = Callable[[Network], set[str]]


def restricted(fault: Fault, feature: Feature) -> Fault | None:
    """The mistake where the feature is, and what is right elsewhere; its number is one there too.

    None where its engine is no set of lines and so cannot be restricted, or is restricted already.
    """
    if not isinstance(fault.engine, Wrong) or fault.only is not None or fault.family == "state":
        return None
    number = fault.number and _number(fault.number, feature)
    return fault._replace(engine=_restricted(fault.engine, feature), number=number, only=feature)


def _number(number: Number, feature: Feature) -> Number:
    def engine(value: float) -> Make:
        return _restricted(number.engine(value), feature)

    return number._replace(engine=engine)


def _restricted(make: Make, feature: Feature) -> Make:
    assert isinstance(make, Wrong)
    if feature.of == "gradients":
        return in_gradients(make)
    if feature.of in CASES:
        return where(make, lambda case: CASES[feature.of](case) == feature.value)
    return in_layers(make, lambda network: chosen(network, feature))


# --- in some cases --------------------------------------------------------------------------------


CASES: dict[str, Callable[[Case], str]] = {
    "loss": lambda case: case.network.loss.kind,
    "dtype": lambda case: case.dtype,
}


def where(wrong: Wrong, holds: Holds) -> Wrong:
    """Wrong in the cases of which something holds."""
    def lines(case: Case, tables: Tables) -> Tables:
        return wrong.lines(case, wrong.entries(tables)) if holds(case) else tables

    def answers() -> Change:
        change = wrong.answers()
        return lambda case, answer: change(case, answer) if holds(case) else answer

    return Wrong(lines=lines, answers=answers)


# --- in some gradients ----------------------------------------------------------------------------


def in_gradients(wrong: Wrong) -> Wrong:
    """What is made of the gradients at the end, made of those of the parameters alone."""
    def answers() -> Change:
        change = wrong.answers()

        def some(case: Case, answer: Answer) -> Answer:
            of = {name: g for name, g in answer.gradients.items() if name != "inputs"}
            changed = change(case, Answer(answer.loss, of))
            return Answer(changed.loss, {**answer.gradients, **changed.gradients})

        return some

    return Wrong(wrong.entries, wrong.lines, answers)


# --- in some layers -------------------------------------------------------------------------------


Names = list[str]
LAYERS: dict[str, Callable[[Names], Names]] = {
    "first": lambda names: names[:1],
    "last": lambda names: names[-1:],
    "hidden": lambda names: names[:-1],
    "later": lambda names: names[1:],
}


def chosen(network: Network, feature: Feature) -> set[str]:
    """The layers that have a feature: those with parameters, each with the functions after it.

    An activation's are those with that function, and the layers that give what it is taken of.
    """
    groups = _groups(network)
    if feature.of == "layer":
        kept = LAYERS[feature.value](list(groups))
        return {name for first in kept for name in groups[first]}
    return {name for group in groups.values() for name in _with(network, group, feature.value)}


def _with(network: Network, group: Sequence[str], function: str) -> list[str]:
    """Of a layer and the functions after it, the whole where the first of them is this one."""
    functions = [name for name in group if network.layer(name).function == function]
    return list(group[:2]) if functions and functions == list(group[1:2]) else functions


def _groups(network: Network) -> dict[str, list[str]]:
    """By layer with parameters, in the order of the forward: it, and the functions after it."""
    affine = {place.layer for place in wired(network).places}
    groups: dict[str, list[str]] = {}
    for name, layer in network.walk():
        if name in affine:
            groups[name] = [name]
        elif layer.function is not None and groups:
            next(reversed(groups.values())).append(name)
        elif layer.function is not None:
            groups[name] = [name]
    return groups


def in_layers(wrong: Wrong, chosen: Chosen) -> Wrong:
    """Wrong in some layers: forward, way back, and what is made of their gradients at the end."""
    def lines(case: Case, tables: Tables) -> Tables:
        other, names = wrong.lines(case, wrong.entries(tables)), chosen(case.network)
        layers = {kind: mixed(rule, other, names) for kind, rule in tables.layers.items()}
        return tables._replace(layers=layers, sweep=other.sweep)

    def answers() -> Change:
        change = wrong.answers()

        def some(case: Case, answer: Answer) -> Answer:
            changed, names = change(case, answer).gradients, chosen(case.network)
            return Answer(answer.loss, {
                name: changed[name] if name.rpartition(".")[0] in names else g
                for name, g in answer.gradients.items()})

        return some

    return Wrong(lines=lines, answers=answers)


def mixed(rule: Rule, other: Tables, names: set[str]) -> Rule:
    """The rule by other tables in the layers of these names, and as it is elsewhere."""
    def seen(p: Scope) -> tuple[Rule, Scope]:
        if p.name not in names or p.spec.branches:
            return rule, p
        return other.layers[p.spec.kind], Scope(other, p.values, p.name, p.spec)

    def forward(p: Scope, x: Array) -> tuple[Array, Array]:
        of, scope = seen(p)
        return of.forward(scope, x)

    def backward(p: Scope, saved: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        of, scope = seen(p)
        return of.backward(scope, saved, dy)

    return rule._replace(forward=forward, backward=backward)
