"""One random direction for each array of a case, for differences and the complex step."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..reference.case import Case
from .flat import pieces, unflatten


def of_each_array(case: Case, rng: Any) -> Any:
    """Directions (K, P), one for each of the K arrays with a gradient.

    Their entries have random signs and sizes near 1.
    """
    arrays = pieces(case)
    total = sum(array.size for array in arrays.values())
    rows, start = np.zeros((len(arrays), total)), 0
    for row, array in zip(rows, arrays.values(), strict=True):
        part = row[start:start + array.size]
        part[:] = rng.uniform(0.5, 1.5, array.size) * rng.choice([-1.0, 1.0], array.size)
        start += array.size
    return rows


def by_name(case: Case, directions: Any) -> dict[str, Any]:
    """Each array's own direction, in its shape."""
    return {name: part[i] for i, (name, part) in enumerate(unflatten(case, directions).items())}
