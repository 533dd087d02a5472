"""Which number is a gradient off by, and what does that number equal on every network?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from ..properties.identities import Reply
from ..record.written import written
from ..reference import Answer, Case, infer


class Symbol(Enum):
    """What a named ratio is made of; the value says it in words."""

    NONE = ""
    BATCH = "N is the batch size"
    OUTPUTS = "the number of output units"
    DEPTH = "the number of layers with units on the longest way"


class Ratio(NamedTuple):
    """A ratio with a name: its value on a case, and what it is made of."""

    of: Callable[[Case], float]
    symbol: Symbol = Symbol.NONE


def _outputs(case: Case) -> int:
    return infer(case.network).output[-1]


def _depth(case: Case) -> int:
    return case.network.depth


RATIOS: dict[str, Ratio] = {
    "-1": Ratio(lambda c: -1.0),
    "2": Ratio(lambda c: 2.0),
    "1/2": Ratio(lambda c: 0.5),
    "n_outputs": Ratio(lambda c: float(_outputs(c)), Symbol.OUTPUTS),
    "1/n_outputs": Ratio(lambda c: 1.0 / _outputs(c), Symbol.OUTPUTS),
    "N": Ratio(lambda c: float(c.batch), Symbol.BATCH),
    "1/N": Ratio(lambda c: 1.0 / c.batch, Symbol.BATCH),
    "N n_outputs": Ratio(lambda c: float(c.batch * _outputs(c)), Symbol.OUTPUTS),
    "1/(N n_outputs)": Ratio(lambda c: 1.0 / (c.batch * _outputs(c)), Symbol.OUTPUTS),
    "depth": Ratio(lambda c: float(_depth(c)), Symbol.DEPTH),
    "1/depth": Ratio(lambda c: 1.0 / _depth(c), Symbol.DEPTH),
    "2/n_outputs": Ratio(lambda c: 2.0 / _outputs(c), Symbol.OUTPUTS),
    "n_outputs/2": Ratio(lambda c: _outputs(c) / 2.0, Symbol.OUTPUTS),
    "2 N": Ratio(lambda c: 2.0 * c.batch, Symbol.BATCH),
    "2/N": Ratio(lambda c: 2.0 / c.batch, Symbol.BATCH),
    "N/2": Ratio(lambda c: c.batch / 2.0, Symbol.BATCH),
}


# How near a ratio is that was told apart from its neighbours (`tells_ratios`).
NEAR = {"float64": 1e-6, "float32": 1e-3}


def factor(got: Any, true: Any) -> float | None:
    """The k for which k times the truth is nearest, in least squares; None where there is none."""
    size = np.abs(true).max(initial=0.0)
    if not size or not np.isfinite(size) or not np.isfinite(got).all():
        return None
    unit = true / size
    return float((got / size) @ unit / (unit @ unit))


def ratio(left: Sequence[Any], right: Sequence[Any], tolerance: Sequence[Any]) -> float | None:
    """k where left = k right for every entry, within the tolerance; None where there is none."""
    a, b, t = (np.concatenate([np.ravel(x).astype(float) for x in xs])
               for xs in (left, right, tolerance))
    k = factor(a, b) if np.any(np.abs(b) > t) else None
    if k is None:
        return None
    allowed = (1.0 + abs(k)) * t + 1e-9 * np.abs(a)
    return k if np.all(np.abs(a - k * b) <= allowed) else None


def gradient_ratio(reply: Reply, truth: Answer, names: Iterable[str]) -> float | None:
    """The one ratio of the subject's gradients of these parameters to the truth."""
    chosen = list(names)
    if not chosen:
        return None
    return ratio([reply[n].value for n in chosen], [truth.gradients[n] for n in chosen],
                 [reply[n].tolerance for n in chosen])


def tells_ratios(reply: Reply, truth: Answer, name: str) -> bool:
    """Whether the largest entry is known well enough to tell a ratio from its neighbours."""
    true = np.ravel(truth.gradients[name])
    at = int(np.argmax(np.abs(true)))
    least = 1e-7 if reply.case.dtype == "float64" else 1e-3
    return bool(np.ravel(reply[name].tolerance)[at] <= least * abs(float(true[at])))


def named(pairs: Sequence[tuple[Case, float]]) -> str:
    """What a ratio seen on these cases equals: "n_outputs", or the number; else ""."""
    for name, row in RATIOS.items():
        if all(np.isfinite(k) and abs(k - row.of(case)) <= NEAR[case.dtype] * abs(k)
               for case, k in pairs):
            return name
    middle = float(np.median([k for _, k in pairs]))
    room = min(1e-4 * abs(middle), 0.05 * (abs(abs(middle) - 1) or 1.0))
    constant = all(abs(k - middle) <= room for _, k in pairs)
    return written(middle) if constant else ""
