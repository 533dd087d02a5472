"""One trial judged: the answer beside the truth, entry by entry, and what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .claim import Claim
from .tolerance import over
from .trial import Arrays, Reply, Trial

Array = Any


@dataclass(frozen=True)
class Worst:
    """The worst entry of an output or a gradient, as `record.shown.at_worst` tells it."""

    parameter: str
    where: tuple[int, ...]
    got: float
    wanted: float
    error: float
    tolerance: float


@dataclass(frozen=True)
class Failure:
    """One failed check of one trial. key: the output or the input it is about, "" for the whole.

    kind: how it failed, a word of the check's own ("shape", "missing"); data: what there is to say,
    by name; worst: the worst entry, where numbers are compared.
    """

    check: str
    trial: Trial
    key: str = ""
    kind: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    worst: Worst | None = None


@dataclass
class Judged:
    """A trial, what was answered, and what is true within which tolerance.

    reply: None where it raised. outcomes: each check that was made, "passed" or "failed".
    """

    trial: Trial
    reply: Reply | None
    truth: Arrays = field(default_factory=dict)
    tolerance: Arrays = field(default_factory=dict)
    spread: Arrays = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    outcomes: list[tuple[str, str]] = field(default_factory=list)

    def points(self) -> dict[str, list[float]]:
        """By key of a gradient or an output: largest error, largest tolerance, largest entry."""
        assert self.reply is not None
        got, found = self.reply.arrays, {}
        for key, g in self.truth.items():
            if key in got and got[key].shape == g.shape and g.size:
                found[key] = [float(each.max()) for each in (
                    np.nan_to_num(np.abs(got[key] - g), nan=np.inf), self.tolerance[key],
                    np.abs(g))]
        return found

    @property
    def wrong(self) -> tuple[str, ...]:
        """The keys whose numbers are not those of the plain form."""
        return tuple(dict.fromkeys(f.key for f in self.failures if f.check == "plain" and f.key))

    def ratios(self, claim: Claim) -> Iterator[tuple[str, float]]:
        """By key, the largest error over s, by the claim that the spread is of."""
        assert self.reply is not None
        got = self.reply.arrays
        for key, g in self.truth.items():
            if key in got and got[key].shape == g.shape:
                yield key, over(np.abs(got[key] - g), g, self.spread[key], claim)

def worst(key: str, got: Array, wanted: Array, allowed: Array) -> Worst:
    """The entry that is furthest beyond its tolerance."""
    with np.errstate(all="ignore"):
        error = np.abs(got - wanted)
        ratio = np.where(np.isnan(error), np.inf, error) / allowed
    at = np.unravel_index(int(np.argmax(np.nan_to_num(ratio, posinf=np.inf))), wanted.shape)
    where = tuple(int(i) for i in at)
    return Worst(key, where, float(got[where]), float(wanted[where]), float(error[where]),
                 float(allowed[where]))


def compared(trial: Trial, got: Arrays, truth: Arrays, allowed: Arrays) -> Iterator[Failure]:
    """A failure for every output and gradient that is further off than its tolerance."""
    for key, g in truth.items():
        answer = got.get(key)
        if answer is None or answer.shape != g.shape or not g.size:
            continue
        with np.errstate(all="ignore"):
            error = np.abs(answer - g)
            bad = ~(error <= allowed[key]) & np.isfinite(g)
            bad &= ~((answer == g) | ~np.isfinite(allowed[key]))
        if bad.any():
            shown = np.where(np.isfinite(g), allowed[key], np.inf)
            yield Failure("plain", trial, key, "numbers",
                          {"entries": int(bad.sum()), "of": int(g.size)},
                          worst(key, answer, g, shown))
