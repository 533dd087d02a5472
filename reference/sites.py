"""How is the bias updated? The affine site, y = x W + b, and its gradients: written here, once.

x: (rows, n), W: (n, m), b: (m,), y and delta = dL/dy: (rows, m); every example, and every time step
of a sequence, is one row. The bias reaches every row of y, so its gradient is the sum of delta over
the rows. Goodfellow, Bengio, Courville, Deep Learning (2016), section 6.5.
"""

from __future__ import annotations

from typing import Any

from .kinds import Affine


def y(x: Any, W: Any, b: Any | None) -> Any:
    """x W + b."""
    return x @ W if b is None else x @ W + b


AFFINE = Affine(
    y=y,
    dW=lambda s: s.x.T @ s.delta,
    db=lambda s: s.delta.sum(axis=0),
    dx=lambda s: s.delta @ s.W.T,
)
