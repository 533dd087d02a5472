"""Could this run have failed? How sharp it was, and how many wrong backwards it would catch.

An entry is sharp where its tolerance is below 1 % of it, or below 64 roundings of an arithmetic
that is coarser. A run in which some gradient had hardly any sharp entry says nothing about that
gradient, and is incomplete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .claim import Claim
from .judged import Judged, compared
from .trial import Mutant, Trial

FINE, USUAL = 1e-8, 1e-2
UNITS = 64       # roundings of the claimed arithmetic, where these are coarse
FLOOR = 30       # sharp entries of every gradient and dtype
TRIALS = 2       # on which mutants are tried
MOST = 200       # mutants


@dataclass(frozen=True)
class Sharpness:
    """Entries of one gradient in one dtype: how many are not 0, how many of these are sharp."""

    entries: int
    sharp: int


def sharpness(judged: Sequence[Judged], claim: Callable[[Trial], Claim]
              ) -> dict[str, dict[str, Sharpness]]:
    """By dtype and key. claim: that of a trial."""
    found: dict[str, dict[str, Sharpness]] = {}
    for each in judged:
        if each.reply is None:
            continue
        of = found.setdefault(each.trial.dtype, {})
        for key, g in each.truth.items():
            before = of.get(key, Sharpness(0, 0))
            nonzero = np.abs(g) > 0
            below = sharp_below(claim(each.trial))
            sharp = nonzero & (each.tolerance[key] < below * np.abs(g))
            of[key] = Sharpness(before.entries + int(nonzero.sum()),
                                before.sharp + int(sharp.sum()))
    return found


def sharp_below(claim: Claim) -> float:
    """Which share of an entry its tolerance has to be below: a few roundings, where each is coarse.
    """
    coarse = max(UNITS * claim.operations.unit, 2.0 * claim.stored.unit)
    return max(FINE if claim.operations.name == claim.storage == "float64" else USUAL, coarse)


def vacuous(found: Mapping[str, Mapping[str, Sharpness]]) -> str:
    """Why the run says too little; "" where it says enough."""
    for dtype, keys in found.items():
        for key, each in keys.items():
            if each.entries == 0:
                return f"{key} is 0 in truth in every {dtype} trial: nothing could be wrong"
            if each.sharp < FLOOR:
                return (f"only {each.sharp} of {FLOOR} sharp entries of {key} in {dtype}: "
                        "the numbers drawn, or the claimed precision, hide it")
    return ""


def caught(judged: Sequence[Judged], mutants: Callable[[Trial], Iterator[Mutant]]
           ) -> tuple[int, int]:
    """Of the wrong backwards tried on some trials, how many at least one of them tells from right;
    and how many were wrong at all. One that gives the right gradients is no wrong backward.
    """
    seen: dict[Any, tuple[bool, bool]] = {}
    for each in _some(judged):
        for mutant in _first(mutants(each.trial)):
            name = (mutant.line.number, mutant.kind, mutant.edge)
            made = {key: mutant.gradients.get(key) for key in mutant.gradients}
            got = {key: g for key, g in made.items() if g is not None}
            truth = {key: each.truth[key] for key in got if key in each.truth}
            wrong = any(got[key].shape != g.shape or not np.allclose(got[key], g, 1e-9, 0.0)
                        for key, g in truth.items())
            told = wrong and (any(got[key].shape != g.shape for key, g in truth.items()) or any(
                True for _ in compared(each.trial, got, truth, each.tolerance)))
            before = seen.get(name, (False, False))
            seen[name] = before[0] or wrong, before[1] or told
    return sum(told for _, told in seen.values()), sum(wrong for wrong, _ in seen.values())


def _first(mutants: Iterator[Mutant]) -> Iterator[Mutant]:
    return (mutant for _, mutant in zip(range(MOST), mutants, strict=False))


def _some(judged: Sequence[Judged]) -> list[Judged]:
    """Small trials with a cotangent that is not zero."""
    told = [each for each in judged if each.reply is not None and each.truth
            and each.trial.features.get("cotangent") not in ("zero", "one entry")
            and all(g.size > 1 for g in each.truth.values())]
    return sorted(told, key=lambda each: sum(g.size for g in each.truth.values()))[
        len(told) // 4:len(told) // 4 + TRIALS]
