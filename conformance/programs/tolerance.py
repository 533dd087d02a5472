"""How far an entry may be from the truth: computed from perturbed runs of the plain form.

    |got - g| <= 16 s + u (|g| + 16 s) + t

s is the entry's largest deviation over the perturbed runs, u and t the unit of rounding and the
smallest number of the dtype that the answer is stored in: a result is rounded into storage once,
and that is a bound, while s is a sample, whose factor is 16 (see docs/programs.md for what was
measured). A format of fewer bits than a single rounding needs no factor of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .claim import Claim
from .trial import Arrays

Array = Any
FACTOR = 16.0
RUNS = 8
# Of so few runs one in a hundred million has an s too small by 16. What is beyond 16 s, and is not
# as far as `FAR`, is judged again by so many.
MANY = 64
FAR = 256.0


def spread(truth: Arrays, runs: Sequence[Arrays]) -> Arrays:
    """By key, each entry's largest deviation from the truth over the runs."""
    found = {}
    for key, g in truth.items():
        with np.errstate(all="ignore"):
            off = [np.abs(run[key] - g) for run in runs if key in run]
        found[key] = np.max(off, axis=0) if off else np.zeros_like(g)
    return found


def tolerance(truth: Arrays, spreads: Arrays, claim: Claim) -> Arrays:
    """By key, how far each entry may be from the truth; infinity where s is not finite."""
    found = {}
    for key, g in truth.items():
        wide = FACTOR * np.nan_to_num(spreads[key], nan=np.inf)
        found[key] = wide + claim.stored.unit * (np.abs(g) + wide) + claim.stored.smallest
    return found


def over(error: Array, g: Array, s: Array, claim: Claim) -> float:
    """The largest error over s, less what the rounding into storage explains: 16 is the bar."""
    if not np.size(error):
        return 0.0
    unit = claim.stored.unit
    with np.errstate(all="ignore"):
        left = np.maximum(np.where(np.isnan(error), np.inf, error)
                          - unit * np.abs(g) - claim.stored.smallest, 0.0)
        ratio = np.where(left > 0, left / ((1.0 + unit) * s), 0.0)
    return float(np.max(np.nan_to_num(ratio, nan=0.0, posinf=np.inf)))
