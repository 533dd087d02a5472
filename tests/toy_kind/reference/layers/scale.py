"""The scale layer: y = x * s, a factor for each unit. x: (batch, ..., n), s: (n,).

A factor reaches its unit in every row, so its gradient is the sum of x * dy over the rows.
"""

from __future__ import annotations

from typing import Any

from ..kinds import Rule, Scope, Shape, Shapes, Tables, rows
from ..network import LayerSpec


def shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    return Shapes(shape, {"scale": shape[-1:]})


def forward(p: Scope, x: Any) -> tuple[Any, Any]:
    return x * p["scale"], x


def backward(p: Scope, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    return dy * p["scale"], {"scale": rows(x * dy).sum(axis=0)}


LAYERS = {"scale": Rule(forward, backward, shapes)}
