"""The dense layer: y = x W + b, one affine site. x: (batch, ..., n), W: (n, m), b: (m,).

Its forward and backward are those of the site (`reference/sites.py`). A sequence (batch, time, n)
goes through the same line: every example and time step is one row.
"""

from __future__ import annotations

from typing import Any

from ..kinds import UNITS, Rule, Scope, Shape, Shapes, Site, Tables, flag
from ..network import LayerSpec

SITE = Site("weight", "bias")
UNBIASED = Site("weight")


def sites(spec: LayerSpec) -> tuple[Site, ...]:
    return (SITE if spec.options["bias"] else UNBIASED,)


def shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    n, m = shape[-1], spec.options["units"]
    bias = {"bias": (m,)} if spec.options["bias"] else {}
    return Shapes((*shape[:-1], m), {"weight": (n, m), **bias})


def forward(p: Scope, x: Any) -> tuple[Any, Any]:
    return p.affine(sites(p.spec)[0], x), x


def backward(p: Scope, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    return p.affine_backward(sites(p.spec)[0], x, dy)


LAYERS = {
    "dense": Rule(forward, backward, shapes, {"units": UNITS, "bias": flag(True)}, sites=sites),
}
