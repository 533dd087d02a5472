"""The dense layer: y = x W + b. x: (batch, n), W: (n, m), b: (m,), y: (batch, m).

The same line serves sequences, x: (batch, time, n): every example and time step is one row.
Goodfellow, Bengio, Courville, Deep Learning (2016), section 6.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..description import LayerSpec
from .rule import UNITS, Rule, Scope, Shape, Shapes, flag

if TYPE_CHECKING:
    from ..tables import Tables


def shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    n, m = shape[-1], spec.options["units"]
    bias = {"bias": (m,)} if spec.options["bias"] else {}
    return Shapes((*shape[:-1], m), {"weight": (n, m), **bias})


def forward(p: Scope, x: Any) -> tuple[Any, Any]:
    y = x @ p["weight"]
    return (y + p["bias"] if p.options["bias"] else y), x


def backward(p: Scope, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    """dx = dy Wᵀ, dW = xᵀ dy, db = Σ dy: the bias reaches every row of y, so its gradient is the sum over rows."""
    rows = dy.reshape(-1, dy.shape[-1])
    gradients = {"weight": x.reshape(-1, x.shape[-1]).T @ rows}
    if p.options["bias"]:
        gradients["bias"] = rows.sum(axis=0)
    return dy @ p["weight"].T, gradients


DENSE = Rule(forward, backward, shapes, {"units": UNITS, "bias": flag(True)})
