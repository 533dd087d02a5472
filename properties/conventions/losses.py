"""The slope of a loss at its kink."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...reference import Loss
from ..convention import Convention


def absolute_error(row: Loss, slope: float) -> Loss:
    def dL(p: Any, t: Any) -> Any:  # noqa: N802
        return np.where(p == t, slope + 0.0 * p, row.dL(p, t))

    return row._replace(dL=dL)


def hinge(row: Loss, slope: float) -> Loss:
    """slope: how much of -t a margin of exactly 1 has."""
    def dL(p: Any, t: Any) -> Any:  # noqa: N802
        return np.where(t * p == 1.0, -slope * t, row.dL(p, t))

    return row._replace(dL=dL)


CONVENTIONS = {
    "hinge": Convention("losses", "hinge", (0.0, 1.0, 0.5), hinge),
    "absolute_error": Convention("losses", "absolute_error", (0.0, 1.0, -1.0), absolute_error),
}
