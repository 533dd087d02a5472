"""The figures that people compare gradients by, beside the verdict: they decide nothing here.

By dtype and key, over the trials that were judged: the largest error, absolute and relative to the
largest entry; the RMS error over the RMS (flash-linear-attention's); the cosine's distance from 1
(DeepGEMM's); units in the last place; the largest error over that of the plain form run eagerly in
the dtype (FlashAttention accepts 2); how often `torch.testing.assert_close` with its defaults would
have called the answer right; the largest error over s, of which backproof accepts 16.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .claim import Claim
from .formats import FORMATS, Format
from .judged import Judged
from .trial import Arrays, Trial

Array = Any
Eager = Callable[[Trial], Arrays]
ClaimOf = Callable[[Trial], Claim]
MOST = 12  # trials of a dtype
# The defaults of torch.testing.assert_close: rtol and atol by dtype.
CLOSE = {"float64": (1e-7, 1e-7), "float32": (1.3e-6, 1e-5), "float16": (1e-3, 1e-5),
         "bfloat16": (1.6e-2, 1e-5)}
ADDED = 1e-5  # FlashAttention's tests allow 2 x the eager error + this


def figures(judged: Sequence[Judged], eager: Eager | None, claim: ClaimOf
            ) -> dict[str, dict[str, dict[str, float]]]:
    """By dtype and key, the largest of each figure over some trials, `over_s` over all of them.

    `close` is a share of trials. claim: that of a trial.
    """
    rows: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    for each in judged:
        if each.reply is None or not each.truth or counts[each.trial.dtype] >= MOST:
            continue
        counts[each.trial.dtype] += 1
        for key, row in _of_trial(each, eager):
            rows[each.trial.dtype, key].append(row)
    for each in judged:
        for key, most in each.ratios(claim(each.trial)) if each.reply is not None else ():
            rows[each.trial.dtype, key].append({"over_s": most})
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (dtype, key), each_row in rows.items():
        found.setdefault(dtype, {})[key] = {
            name: (np.mean if name == "close" else np.max)([row[name] for row in each_row
                                                            if name in row]).item()
            for name in {name for row in each_row for name in row}}
    return found


def _of_trial(judged: Judged, eager: Eager | None) -> Iterator[tuple[str, dict[str, float]]]:
    assert judged.reply is not None
    trial, got = judged.trial, judged.reply.arrays
    baseline = _eager(trial, eager)
    for key, g in judged.truth.items():
        if key in got and got[key].shape == g.shape and g.size:
            yield key, row(got[key], g, trial.dtype, baseline.get(key))


def _eager(trial: Trial, eager: Eager | None) -> Arrays:
    """The plain form in the dtype itself, where the framework can do that; else nothing."""
    try:
        return {} if eager is None else eager(trial)
    except Exception:
        return {}


def row(got: Array, g: Array, dtype: str, baseline: Array | None) -> dict[str, float]:
    """The figures of one array."""
    with np.errstate(all="ignore"):
        error = np.abs(got - g)
        size = np.abs(g).max(initial=0.0)
        found = {"max_abs": float(error.max()),
                 "ulp": float(np.nanmax(error / _last_place(g, FORMATS[dtype])))}
        if size > 0:
            found |= {"max_rel": float(error.max() / size), "rms_ratio": rms_ratio(got, g),
                      "cosine": cosine(got, g)}
        if baseline is not None and baseline.shape == g.shape:
            far = float(np.abs(baseline - g).max())
            found["over_eager"] = float(error.max() / far) if far > 0 else float(error.max() > 0)
            if dtype in CLOSE:
                found["close"] = float(close(got, baseline, *CLOSE[dtype]))
    return {name: value for name, value in found.items() if not np.isnan(value)}


def close(got: Array, wanted: Array, rtol: float, atol: float) -> bool:
    """What `torch.testing.assert_close` says."""
    return bool((np.abs(got - wanted) <= atol + rtol * np.abs(wanted)).all())


def rms_ratio(got: Array, g: Array) -> float:
    """The RMS error over the RMS of the truth."""
    return float(np.sqrt(np.mean((got - g) ** 2)) / np.sqrt(np.mean(g**2)))


def cosine(got: Array, g: Array) -> float:
    """1 less the cosine, as DeepGEMM's tests count it: 1 - 2 <x, y> / (|x|^2 + |y|^2)."""
    return float(1.0 - 2.0 * (got * g).sum() / ((got**2).sum() + (g**2).sum()))


def _last_place(g: Array, of: Format) -> Array:
    """The distance between neighbouring numbers of the format at each entry."""
    exponent = np.maximum(np.frexp(g)[1] - 1, of.least)
    return np.ldexp(1.0, exponent - of.bits + 1)
