"""Dropout: y = x m / (1 - p), with a mask m of zeros and ones that is given, and p the rate.

    x, y, m: (batch, ..., n)        dx = dy m / (1 - p)

Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov (2014), section 4; the division (section
10) keeps the mean of y at x, so that nothing is left to do when the network is used. A mask is a
constant of the case, one for each example, so that two programs drop the same units.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kinds import Option, Rule, Scope, Shape, Shapes, Tables
from ..network import LayerSpec

RATE = Option(lambda value: type(value) in (int, float) and 0 <= value < 1,
              "a number from 0 to below 1", 0.5)


def shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    return Shapes(shape, masks={"mask": shape})


def factor(p: Scope, x: Any) -> Any:
    """m / (1 - p), computed in the numbers of x."""
    return p["mask"] / (np.ones_like(x) - p.options["rate"])


def forward(p: Scope, x: Any) -> tuple[Any, Any]:
    return x * factor(p, x), x


def backward(p: Scope, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    return dy * factor(p, x), {}


LAYERS = {"dropout": Rule(forward, backward, shapes, {"rate": RATE})}
