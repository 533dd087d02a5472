"""The dense layer: y = x W + b, one affine site. x: (batch, ..., n), W: (n, m), b: (m,).

Its forward and backward are those of the site (`reference/sites.py`). A sequence (batch, time, n)
goes through the same line: every example and time step is one row. With the bias of a "layer" b is
one number, (1,), that all units share: its gradient is the sum over the units too.
"""

from __future__ import annotations

from typing import Any

from ..kinds import UNITS, Option, Rule, Scope, Shape, Shapes, Site, Tables
from ..network import LayerSpec

LAYER = "layer"
SITES = {True: Site("weight", "bias"), False: Site("weight"),
         LAYER: Site("weight", "bias", per_unit=False)}
BIAS = Option(lambda value: isinstance(value, bool) or value == LAYER,
              f'true or false, or "{LAYER}" for one number', True)


def sites(spec: LayerSpec) -> tuple[Site, ...]:
    return (SITES[spec.options["bias"]],)


def shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    n, m = shape[-1], spec.options["units"]
    (site,) = sites(spec)
    bias = {"bias": (m,) if site.per_unit else (1,)} if site.bias else {}
    return Shapes((*shape[:-1], m), {"weight": (n, m), **bias})


def forward(p: Scope, x: Any) -> tuple[Any, Any]:
    return p.affine(sites(p.spec)[0], x), x


def backward(p: Scope, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    (site,) = sites(p.spec)
    dx, gradients = p.affine_backward(site, x, dy)
    if not site.per_unit and gradients["bias"].ndim:
        gradients["bias"] = gradients["bias"].sum(axis=-1, keepdims=True)
    return dx, gradients


LAYERS = {
    "dense": Rule(forward, backward, shapes, {"units": UNITS, "bias": BIAS}, sites=sites),
}
