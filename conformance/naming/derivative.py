"""Which derivative was used: it is solved for, one example at a time, and looked up in a table.

For one example the gradient of a unit's bias is what comes down to its function times the
derivative. What comes down is what the reference hands to that bias with the derivative left out.
So the quotient is the derivative that the subject used, at the z and the a = f(z) of that example;
after a dozen examples a row of the table is all of them, or a constant number times all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..properties.identities import rows
from ..properties.strategies import mended
from ..properties.tolerance import spread
from ..reference import ACTIVATIONS, TABLES, Case, evaluate, forward
from ..reference.backprop import unwarned
from ..reference.kinds import Step, steps
from ..reference.wiring import Place, wired
from .witnessed import Witnessed

PROBES = 12
NEAR = 1e-7


class Points(NamedTuple):
    """Where a function was probed, and the derivative that the subject used there.

    z and a = f(z), f and its true derivative; `used` has one number for each z.
    """

    z: Any
    a: Any
    f: Callable[[Any], Any]
    true: Any
    used: Any


Form = Callable[[Points], Any]


class Used(NamedTuple):
    """The derivative that a subject used for a function: `times` the row of this name."""

    function: str
    form: str
    times: float


# What programs have in a derivative's place, in the letters z and a = f(z).
FORMS: dict[str, Form] = {
    "1": lambda p: np.ones_like(p.z),
    "a": lambda p: p.a,
    "z": lambda p: p.z,
    "1 - a": lambda p: 1 - p.a,
    "1 + a": lambda p: 1 + p.a,
    "a * a": lambda p: p.a * p.a,
    "1 - a * a": lambda p: 1 - p.a * p.a,
    "1 + a * a": lambda p: 1 + p.a * p.a,
    "a * (1 - a)": lambda p: p.a * (1 - p.a),
    "a * (1 + a)": lambda p: p.a * (1 + p.a),
    "1 - |a|": lambda p: 1 - np.abs(p.a),
    "1 - z * z": lambda p: 1 - p.z * p.z,
    "z * (1 - z)": lambda p: p.z * (1 - p.z),
    "1 - z": lambda p: 1 - p.z,
    "f'(z) * f'(z)": lambda p: p.true * p.true,
    "1 - f'(z)": lambda p: 1 - p.true,
    "1 / f'(z)": lambda p: 1 / p.true,
    "f'(z) * a": lambda p: p.true * p.a,
    "f'(z) * z": lambda p: p.true * p.z,
    "f(a)": lambda p: p.f(p.a),
    "1 - f(a) * f(a)": lambda p: 1 - p.f(p.a)**2,
    "f(a) * (1 - f(a))": lambda p: p.f(p.a) * (1 - p.f(p.a)),
    "z > 0": lambda p: (p.z > 0) * 1.0,
    "1 / (1 + exp(-z))": lambda p: 1 / (1 + np.exp(-p.z)),
    "1 / (1 + exp(z))": lambda p: 1 / (1 + np.exp(p.z)),
    "tanh(z)": lambda p: np.tanh(p.z),
    "exp(-z)": lambda p: np.exp(-p.z),
    "exp(z)": lambda p: np.exp(p.z),
    "cos(z)": lambda p: np.cos(p.z),
    "0": lambda p: np.zeros_like(p.z),
}


@unwarned
def used(seen: Witnessed) -> Used | None:
    """The derivative used for the last function that is wrong; None where there is no saying."""
    for layer, place in reversed(list(functions(seen.case))):
        points = probed(seen, layer, place)
        if points is None:
            return None
        if not close(points.used, points.true):
            return looked_up(str(seen.case.network.layer(layer).function), points)
    return None


def functions(case: Case) -> Iterator[tuple[str, Place]]:
    """The layers that are one function of a site's output, each entry by itself, with the site."""
    wiring = wired(case.network)
    for layer, source in wiring.functions.items():
        place, spec = wiring.place(source.origin), case.network.layer(layer)
        row = ACTIVATIONS.get(str(spec.function))
        single = place is not None and place.alone and len(place.readers) == 1
        if place is not None and single and not source.through and row and row.df is not None:
            yield layer, place


def probed(seen: Witnessed, layer: str, place: Place) -> Points | None:
    """The derivative that the subject used at a dozen points; None where it cannot be solved for.
    """
    name = place.bias or place.weight
    zs, found = [], []
    for case in ones(seen.case, PROBES):
        other = Witnessed(seen.ask, case)
        if not other.answered:
            return None
        given = other.answer.gradients.get(name)
        down = np.asarray(left_out(case, layer)[name], dtype=float).ravel()
        if given is None or np.shape(given) != np.shape(other.truth[name]):
            return None
        at = int(np.argmax(np.abs(down)))
        if abs(down[at]) > 1e3 * float(np.max(spread(case).gradients[name], initial=0.0)):
            unit = at % np.shape(given)[-1]
            zs.append(argument(case, layer).ravel()[unit])
            found.append(float(np.asarray(given, dtype=float).ravel()[at]) / down[at])
    return points_of(seen.case, layer, np.array(zs), np.array(found)) if len(zs) > 4 else None


def points_of(case: Case, layer: str, z: Any, found: Any) -> Points:
    spec = case.network.layer(layer)
    row = ACTIVATIONS[str(spec.function)]
    slope: Any = row.df
    options = {name: value for name, value in spec.options.items() if name != "function"}

    def f(x: Any) -> Any:
        return row.f(x, **options)

    return Points(z, f(z), f, np.broadcast_to(slope(z, f(z), **options), z.shape), found)


def ones(case: Case, count: int) -> Iterator[Case]:
    """The network with one example and ordinary numbers."""
    rng = np.random.default_rng(11)
    one = rows(case, [0])
    for _ in range(count):
        def ordinary(array: Any) -> Any:
            return rng.uniform(0.3, 1.8, array.shape).astype(array.dtype) * rng.choice((-1, 1))

        inputs = ordinary(one.inputs) if case.network.real else one.inputs
        values = {name: ordinary(value) for name, value in one.parameters.items()}
        yield mended(one.but(parameters=values, inputs=inputs), rng)


def left_out(case: Case, layer: str) -> dict[str, Any]:
    """The reference's gradients with the derivative of one layer left out."""
    def sweep(tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
        return (dy, {}) if tape[i].scope.name == layer else TABLES.sweep(tape, i, dy)

    return dict(evaluate(case, TABLES._replace(sweep=sweep)).gradients)


def argument(case: Case, layer: str) -> Any:
    """What a function layer was taken of."""
    scope, saved = next(step for step in steps(forward(case).tape) if step.scope.name == layer)
    z, = scope.rule.arguments(scope, saved)
    return np.asarray(z, dtype=float)


def looked_up(function: str, points: Points) -> Used | None:
    """The first row that is the derivative used, or a constant number times it."""
    for name, form in FORMS.items():
        with np.errstate(all="ignore"):
            row = np.asarray(form(points))
        if np.isfinite(row).all() and close(points.used, row):
            return Used(function, name, 1.0)
    for name, form in {"f'(z)": true_slope, **FORMS}.items():
        with np.errstate(all="ignore"):
            row = np.asarray(form(points))
        if not np.isfinite(row).all() or not np.any(row):
            continue
        times = float(points.used @ row / (row @ row))
        if times and close(points.used, times * row):
            return Used(function, name, times)
    return None


def true_slope(points: Points) -> Any:
    return points.true


def close(one: Any, other: Any) -> bool:
    size = np.abs(other).max(initial=0.0)
    return bool(np.all(np.abs(one - other) <= NEAR * max(float(size), 1e-3)))
