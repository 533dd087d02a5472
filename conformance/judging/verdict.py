"""What a run's tally comes to: how sharp it was, and the verdict."""

from __future__ import annotations

import numpy as np

from ..properties.claims import Claims
from ..record.notes import NoteKind
from ..record.report import Report
from .judge import Judge
from .tally import Tally

SHARP = {"float64": 1e-8, "float32": 1e-2}
FLOOR = 30


def resolution(tally: Tally) -> dict[str, dict[str, dict[str, float]]]:
    """How finely the run compared, by dtype and kind of parameter.

    Each entry holds the median digits of agreement, the median of the smallest error that would be
    seen, and how many of the comparisons were sharp.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (dtype, kind), rows in sorted(tally.sharpness.items()):
        tolerance, error = np.array(rows).T
        digits = -np.log10(np.maximum(error, np.finfo(dtype).eps / 2))
        found.setdefault(dtype, {})[kind] = {
            "digits": float(np.median(digits)), "smallest_error": float(np.median(tolerance)),
            "sharp": int((tolerance < SHARP[dtype]).sum()), "comparisons": len(rows)}
    return found


def decide(report: Report, judge: Judge, interrupted: bool) -> None:
    """does_not_conform beats incomplete, but for Ctrl-C: a mistake seen is a mistake."""
    failed = report.total("failed") or report.total("errored")
    blunt = _below_floor(report, judge.claims) or _undecided(report)
    if failed and not interrupted:
        report.verdict = "does_not_conform"
    elif interrupted:
        report.verdict, report.reason = "incomplete", "interrupted"
    elif blunt:
        report.verdict, report.reason = "incomplete", blunt
    elif judge.claims.explored and report.total("declined"):
        report.verdict = "incomplete"
        report.reason = "explored: what it declines was not judged; claim what it does"
    else:
        report.verdict = "conforms"
        if any(note.kind is NoteKind.INFERRED for note in report.notes):
            report.reason = "to claims that were inferred: see the note"


def _undecided(report: Report) -> str:
    """Why the reference decided too little to say "conforms"; "" where it decided enough."""
    by = report.counts.get("reference", {})
    open_, decided = by.get("inconclusive", 0), by.get("passed", 0)
    if 10 * open_ <= decided:
        return ""
    return (f"{open_} of {open_ + decided} comparisons with the reference were inconclusive: "
            "torch or jax would decide")


def _below_floor(report: Report, claims: Claims) -> str:
    """Why the run was not sharp enough to say "conforms"; "" where it was."""
    kinds = ["weight", *(["bias"] if claims.bias != "never" else [])]
    for dtype in claims.dtypes:
        for kind in kinds:
            sharp = report.resolution.get(dtype, {}).get(kind, {}).get("sharp", 0)
            if sharp < FLOOR:
                return f"only {int(sharp)} of {FLOOR} sharp comparisons of {dtype} {kind}"
    return ""
