"""The hidden units: with nothing but functions between two sites, units are exchangeable.

A unit may be moved, split, added without a listener, scaled where its function allows it, or turned
round; every gradient follows, whatever else the network is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...reference import Case
from ...reference.wiring import Place
from ..claims import Claims
from ..identity import PAIR, Equation, Found, Needs, Property, Reply, every, short, small_enough
from ..measured import Measured

HOMOGENEOUS = ("relu", "leaky_relu", "abs", "identity")
ODD = ("tanh", "softsign", "hard_tanh", "identity")


def with_units(case: Case, places: Found, change: Callable[[Any], Any],
               out: Callable[[Any], Any]) -> Case:
    """Hidden units changed: `change` on the last axis of W and b, `out` on the next W's rows."""
    a, b = places
    changes = {name: change(case.parameters[name]) for name in a.parameters}
    changes[b.weight] = out(case.parameters[b.weight])
    changed = case.but(parameters={k: np.ascontiguousarray(v) for k, v in changes.items()})
    units = changed.parameters[a.weight].shape[1]
    return replace(changed, network=resized(case, a, units))


def resized(case: Case, place: Place, units: int) -> Any:
    """The network with so many units at this site."""
    spec = case.network.layer(place.layer)
    return case.network.having(place.layer, spec.but(**{place.site.units: units}))


class Unit(NamedTuple):
    """How hidden units change, and what the changed answers become: `incoming` on the last axis of
    the site's own gradients, `outgoing` on the rows of the next W's.
    """

    change: Callable[[Any], Any]
    out: Callable[[Any], Any]
    incoming: Callable[[Measured], Measured]
    outgoing: Callable[[Measured], Measured]
    least: int = 1


def of_units(says: str, unit: Unit, source: str, after: tuple[str, ...] | None = None) -> Property:
    """A property that changes the units of one site and knows how every gradient follows."""

    def ask(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
        if case.parameters[places[0].weight].shape[1] < unit.least:
            return None
        changed = with_units(case, places, unit.change, unit.out)
        return [case, changed] if small_enough(changed, claims) else None

    def judge(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
        a, b = places
        yield from every(r[0], r[1], but=(*a.parameters, b.weight))
        for name in a.parameters:
            yield name, r[0][name], unit.incoming(r[1][name])
        yield b.weight, r[0][b.weight], unit.outgoing(r[1][b.weight])

    return Property("units", says, ask, judge, Needs(PAIR, after), source)


# --- changes of units -----------------------------------------------------------------------------


def joined(m: Measured, first: Measured, axis: int) -> Measured:
    """A split unit taken together again: `first`, and the units between the two copies."""
    middle = m[..., 1:-1] if axis == -1 else m[1:-1]
    return Measured(np.concatenate([first.value, middle.value], axis),
                    np.concatenate([first.tolerance, middle.tolerance], axis))


def sum_of_copies(m: Measured) -> Measured:
    """A split unit's two copies share its incoming gradient."""
    return joined(m, m[..., 0:1] + m[..., -1:], -1)


def mean_of_copies(m: Measured) -> Measured:
    """Each copy has the whole outgoing gradient."""
    return joined(m, (m[:1] + m[-1:]) * 0.5, 0)


def split(a: Any) -> Any:
    return np.concatenate([a, a[..., :1]], axis=-1)


def split_out(w: Any) -> Any:
    return np.concatenate([w[:1] / 2, w[1:], w[:1] / 2], axis=0)


def with_dead(a: Any) -> Any:
    return np.concatenate([a, np.full_like(a[..., :1], 0.5)], axis=-1)


def with_dead_out(w: Any) -> Any:
    return np.concatenate([w, np.zeros_like(w[:1])], axis=0)


def signs(count: int) -> Any:
    """-1 for the first unit, 1 for the others."""
    return np.where(np.arange(count) == 0, -1.0, 1.0)


def negated(a: Any) -> Any:
    """The first unit's sign turned, on the last axis."""
    return a * signs(a.shape[-1]).astype(a.dtype)


def negated_rows(a: Any) -> Any:
    return a * signs(a.shape[0]).astype(a.dtype)[:, None]


def sign_last(m: Measured) -> Measured:
    turned: Measured = m * signs(m.value.shape[-1])
    return turned


def sign_rows(m: Measured) -> Measured:
    turned: Measured = m * signs(m.value.shape[0])[:, None]
    return turned


# --- identities of their own ----------------------------------------------------------------------


def ask_dead(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    changed = with_units(case, places, with_dead, with_dead_out)
    return [changed] if small_enough(changed, claims) else None


def judge_dead(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    for name in places[0].parameters:
        yield name, r[0][name].value[..., -1], 0.0


def ask_balance(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    return [case]


def judge_balance(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    (a, b), p = places, r[0].case.astype("float64").parameters
    entering = (r[0][a.weight] * p[a.weight]).sum(axis=0)
    if a.bias:
        entering = entering + r[0][a.bias] * p[a.bias]
    yield a.weight, entering, (r[0][b.weight] * p[b.weight]).sum(axis=1)


def judge_matrix_balance(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    """Wᵀ dW + bᵀ db = dW₂ W₂ᵀ around an identity activation."""
    (a, b), p = places, r[0].case.astype("float64").parameters
    left = p[a.weight].T @ r[0][a.weight]
    if a.bias:
        left = left + p[a.bias][:, None] @ r[0][a.bias][None, :]
    yield a.weight, left, r[0][b.weight] @ p[b.weight].T


def ask_sigmoid_flip(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """The first unit's sign turned, its outgoing weights negated and added to the next bias."""
    _, b = places
    if not b.bias or places[0].after != ("sigmoid",):
        return None
    case = short(case)
    bias = case.parameters[b.bias] + case.parameters[b.weight][0]
    changed = with_units(case, places, negated, negated_rows)
    return [case, changed.but(parameters={b.bias: bias})]


def judge_sigmoid_flip(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    a, b = places
    yield from every(r[0], r[1], but=(*a.parameters, b.weight))
    for name in a.parameters:
        yield name, r[0][name], sign_last(r[1][name])
    yield b.weight, r[0][b.weight][0] + r[1][b.weight][0], r[0][b.bias]
    yield b.weight, r[0][b.weight][1:], r[1][b.weight][1:]


PROPERTIES = {
    "unit_permutation": of_units(
        "hidden units may change places",
        Unit(lambda a: a[..., ::-1], lambda w: w[::-1],
             lambda m: m[..., ::-1], lambda m: m[::-1], 2),
        "symmetry"),
    "unit_splitting": of_units(
        "a hidden unit may be split in two with half the outgoing weights",
        Unit(split, split_out, sum_of_copies, mean_of_copies), "symmetry"),
    "dead_unit": Property(
        "units", "a unit nobody listens to has a gradient of exactly 0", ask_dead, judge_dead,
        Needs(PAIR)),
    "silent_unit": of_units(
        "a unit nobody listens to changes no other gradient",
        Unit(with_dead, with_dead_out, lambda m: m[..., :-1], lambda m: m[:-1]), "symmetry"),
    "unit_rescaling": of_units(
        "relu, leaky relu and identity units may be scaled by 2 going in and 1/2 going out",
        Unit(lambda a: 2 * a, lambda w: w / 2, lambda m: m * 2.0, lambda m: m * 0.5),
        "positive homogeneity", HOMOGENEOUS),
    "odd_flip": of_units(
        "a tanh or identity unit may change its sign going in and going out",
        Unit(negated, negated_rows, sign_last, sign_rows), "odd function", ODD),
    "unit_balance": Property(
        "units", "w dw + b db going in = w dw going out, for every relu unit", ask_balance,
        judge_balance, Needs(PAIR, HOMOGENEOUS), "Du, Hu, Lee, 2018"),
    "matrix_balance": Property(
        "units", "Wᵀ dW + b db = dW W ᵀ around an identity activation", ask_balance,
        judge_matrix_balance, Needs(PAIR, ("identity",)), "Arora et al., 2018"),
    "sigmoid_flip": Property(
        "units", "σ(-z) = 1 - σ(z): a sigmoid unit flipped, folded into the next bias",
        ask_sigmoid_flip, judge_sigmoid_flip, Needs(PAIR, ("sigmoid",))),
}
