"""The activation layer: y = f(x), with f a row of the table of activations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..checks import one_of
from ..kinds import Activation, Kink, Option, Rule, Scope, Tables


def options(where: str, data: Mapping[str, Any], tables: Tables) -> Mapping[str, Option]:
    """`function`, and whatever options that function's row has."""
    function = one_of(f"{where}: activation", data.get("function"), tables.activations)
    return {"function": Option(lambda value: True, "a function"),
            **tables.activations[function].options}


def row(p: Scope) -> Activation:
    return p.tables.activations[p.options["function"]]


def constants(p: Scope) -> dict[str, Any]:
    return {name: value for name, value in p.options.items() if name != "function"}


def forward(p: Scope, x: Any) -> tuple[Any, Any]:
    y = row(p).f(x, **constants(p))
    return y, (x, y)


def backward(p: Scope, saved: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    x, y = saved
    return row(p).backward(x, y, dy, **constants(p)), {}


def kinks(p: Scope, saved: Any) -> Iterator[Kink]:
    if points := row(p).points(constants(p)):
        yield Kink(p.name, points, saved[0])


LAYERS = {"activation": Rule(forward, backward, more_options=options, kinks=kinks,
                           arguments=lambda p, saved: saved[:1])}
