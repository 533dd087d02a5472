"""Precision as a claim: which arithmetic a program's answers would meet, strictest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .claim import Claim
from .formats import ARITHMETIC, FORMATS
from .judge import Judge
from .judged import Judged, compared
from .tolerance import spread, tolerance

TRIALS = 5  # of a dtype, that other claims are tried on


def ladder(claim: Claim) -> Iterator[Claim]:
    """Claims of the same storage, the strictest first, down to rounding into storage every time.

    An arithmetic of less precision than the storage is none of them; sums are kept in float32 at
    least, as processors keep them, or in what is claimed.
    """
    stored = FORMATS[claim.storage]
    for name in ARITHMETIC:
        arithmetic = FORMATS[name]
        if arithmetic.bits >= min(stored.bits, FORMATS["tf32"].bits) and _holds(name, claim):
            sums = name if name in ("float64", "float32") else "float32"
            yield replace(claim, arithmetic=name, accumulate=sums)
    if stored.bits < FORMATS["float32"].bits and claim.storage in ARITHMETIC:
        yield Claim(claim.storage, claim.storage, "float32")
        yield Claim(claim.storage, claim.storage, claim.storage)


def _holds(name: str, claim: Claim) -> bool:
    """Whether the arithmetic is a rung for that storage.

    16 bits are for their own alone. float64 inside, behind a storage of few bits, and tf32 where it
    is not claimed, which differs from float32 in products of matrices alone, would tell nothing.
    """
    if name == "tf32":
        return claim.storage == "float32" or claim.arithmetic == name
    wide = FORMATS[claim.storage].bits >= FORMATS["float32"].bits
    return name == "float32" or (name == "float64" and (wide or claim.arithmetic == name))


def meets(judge: Judge, trials: Sequence[Judged], claim: Claim,
          keys: Sequence[str] = ()) -> bool | None:
    """Whether the answers are right by another claim; None where that arithmetic overflows."""
    seen = False
    for each in trials:
        assert each.reply is not None
        runs = judge.runs(each.trial, claim)
        if runs is None:
            continue
        seen = True
        allowed = tolerance(each.truth, spread(each.truth, runs), claim)
        truth = {key: g for key, g in each.truth.items() if not keys or key in keys}
        if any(True for _ in compared(each.trial, each.reply.arrays, truth, allowed)):
            return False
    return True if seen else None


def name(claim: Claim) -> str:
    """"float32", or "bfloat16, sums in bfloat16"."""
    usual = "float32" if claim.arithmetic in ("tf32", "float16", "bfloat16") else claim.arithmetic
    sums = "" if claim.accumulate == usual else f", sums in {claim.accumulate}"
    return f"{claim.arithmetic}{sums}"


def strictest(judge: Judge, judged: Sequence[Judged], dtype: str) -> str:
    """The strictest claim that the answers of one dtype meet; "" where they meet none."""
    trials = [each for each in judged if each.trial.dtype == dtype and each.truth
              and each.reply is not None][:TRIALS]
    for claim in ladder(judge.program.asked.claim(dtype)):
        if trials and meets(judge, trials, claim):
            return name(claim)
    return ""


def loosest_met(judge: Judge, evidence: Sequence[Judged], keys: Sequence[str]) -> str:
    """What coarser claim the wrong numbers would meet; "" where there is none."""
    if not evidence:
        return ""
    claimed = judge.claim(evidence[0].trial)
    same = [each for each in evidence if each.trial.dtype == claimed.storage][:TRIALS]
    rungs = [*ladder(claimed)]
    after = rungs[rungs.index(claimed) + 1:] if claimed in rungs else rungs[-1:]
    return next((name(each) for each in after if meets(judge, same, each, keys)), "")
