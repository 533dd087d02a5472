"""What was seen on one trial, ready to be compared with the numbers of a mutant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .trial import Arrays, Mutant, Trial

Array = Any
Key = tuple[Any, ...]
BETTER = 0.2  # of the difference to the truth: what a mutant may leave of it
NEARLY = 0.02
CLEARLY = 8.0  # tolerances: from there on a mutant must be nearer in the mean too
ROOM = 2.0    # tolerances of the truth that are left to a mutant's numbers


@dataclass(frozen=True)
class Evidence:
    """A trial, what is true, what the subject gave, and how far that may be off, by key.

    sizes: the sizes of the symbols that the shapes were drawn from ("N"), to name a factor by.
    """

    trial: Trial
    truth: Arrays
    got: Mapping[str, Array | None]
    tolerance: Arrays
    sizes: Mapping[str, int] = field(default_factory=dict)


class Case:
    """Evidence, ready to be compared: by key the numbers, one after another.

    blurred: keys with entries that are no numbers, where there should be: only the others count.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.true: Arrays = {}
        self.got: Arrays = {}
        self.allowed: Arrays = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.known: dict[str, Array] = {}
        self.blurred: set[str] = set()
        for key, g in evidence.truth.items():
            got = evidence.got.get(key)
            got = np.zeros_like(g) if got is None else np.asarray(got)
            if got.shape == g.shape and g.size and g.dtype.kind == "f":
                self._add(key, g, got, evidence.tolerance[key])

    def _add(self, key: str, g: Array, got: Array, allowed: Array) -> None:
        known = (np.isfinite(g) & np.isfinite(allowed)).reshape(-1)
        if not np.isfinite(got.reshape(-1)[known]).all():
            self.blurred.add(key)
            known &= np.isfinite(got).reshape(-1)
        if known.any():
            self.true[key], self.got[key], self.allowed[key] = (
                np.reshape(each, -1)[known] for each in (g, got, allowed))
            self.known[key], self.shapes[key] = known, g.shape

    @cached_property
    def wrong(self) -> frozenset[str]:
        return frozenset(key for key in self.true if self.off(key).max(initial=0.0) > 1.0)

    @cached_property
    def relative(self) -> dict[str, float]:
        """By key, the tolerance of the largest entries, relative to them."""
        return {key: min(float(self.allowed[key].max() / max(np.abs(g).max(), 1e-300)), 0.02)
                for key, g in self.true.items()}

    @property
    def size(self) -> int:
        return sum(len(each) for each in self.true.values())

    def off(self, key: str) -> Array:
        """How many tolerances each entry is off by."""
        return np.abs(self.got[key] - self.true[key]) / np.maximum(self.allowed[key], 1e-300)

    def flat(self, key: str, array: Array | None) -> Array | None:
        """A mutant's array as the numbers of this case; None where it is none of its shape."""
        if array is None or key not in self.true or array.shape != self.shapes[key]:
            return None
        flat = array.reshape(-1)[self.known[key]]
        return flat if np.isfinite(flat).all() else None

    def room(self, key: str, numbers: Array) -> Array:
        """How far the subject may be from a mutant's numbers."""
        return ROOM * self.allowed[key] + self.relative[key] * np.abs(numbers - self.true[key])

    def is_off(self, key: str, numbers: Array) -> bool:
        """Whether a mutant would show."""
        return bool((np.abs(numbers - self.true[key]) > 2 * self.room(key, numbers)).any())

    def follows(self, key: str, numbers: Array) -> bool:
        """Whether the subject has these numbers."""
        return bool((np.abs(self.got[key] - numbers) <= self.room(key, numbers)).all())

    def explained(self, key: str, numbers: Array) -> bool:
        """Whether these numbers are the subject's, and much nearer to it than the truth."""
        scale = np.maximum(self.allowed[key], 1e-300)
        left, off = np.abs(self.got[key] - numbers) / scale, self.off(key)
        worst = float(off.max())
        if not self.follows(key, numbers) or left.max() > max(BETTER * worst, 1.0):
            return False
        return worst < CLEARLY or bool(np.mean(left**2) <= np.mean(off**2) / 4)

    def weak(self, key: str) -> bool:
        """Whether it is off by so little that rounding may hide which numbers are the subject's."""
        return float(self.off(key).max()) < CLEARLY

    def nearly(self, key: str, numbers: Array) -> bool:
        """Whether hardly anything of the difference is left, though more than rounding allows.

        A wrong backward may lose more digits than the right one, by which the tolerance is made.
        """
        left, off = np.abs(self.got[key] - numbers), np.abs(self.got[key] - self.true[key])
        return bool(np.sum(left**2) <= NEARLY**2 * np.sum(off**2))


def key_of(mutant: Mutant) -> Key:
    """Equal for the same mistake on another trial."""
    line = mutant.line
    return (line.file, line.number, line.operation, mutant.kind, mutant.edge, mutant.detail)


def fit(case: Case, key: str, path: Array) -> float | None:
    """The factor c for which true + (c - 1) path is nearest; None where the path does not show."""
    weight = 1 / np.maximum(case.allowed[key], 1e-300) ** 2
    size = float((weight * path * path).sum())
    if size < 1.0:
        return None
    return 1 + float((weight * path * (case.got[key] - case.true[key])).sum()) / size
