"""The activation layer: y = f(x), with f a row of the table of activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..description import one_of
from .rule import Option, Rule, Scope

if TYPE_CHECKING:
    from ..tables import Tables


def options(where: str, data: Mapping[str, Any], tables: Tables) -> Mapping[str, Option]:
    """`function`, and whatever options that function's row has."""
    function = one_of(f"{where}: activation", data.get("function"), tables.activations)
    return {"function": Option(lambda value: True, "a function"), **tables.activations[function].options}


def constants(p: Scope) -> dict[str, Any]:
    return {name: value for name, value in p.options.items() if name != "function"}


def forward(p: Scope, x: Any) -> tuple[Any, Any]:
    y = p.tables.activations[p.options["function"]].f(x, **constants(p))
    return y, (x, y)


def backward(p: Scope, saved: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    x, y = saved
    return p.tables.activations[p.options["function"]].backward(x, y, dy, **constants(p)), {}


ACTIVATION = Rule(forward, backward, more_options=options)
