"""What a run of trials comes to: findings, figures, how sharp it was, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..record.notes import Note
from ..record.report import Report
from . import figures, vacuity
from .findings import findings
from .judge import Judge
from .judged import Judged
from .precise import name as claim_name
from .precise import strictest
from .trial import Arrays, Trial

Keep = Callable[[Any], str]


def summarised(report: Report, judge: Judge, judged: Sequence[Judged], keep: Keep,
               interrupted: bool) -> None:
    """Fill the report's findings, figures, resolution and verdict."""
    report.findings = findings(judge, judged, keep)
    with_plain = judge.program.plain is not None
    sharp = vacuity.sharpness(judged, judge.claim)
    report.resolution = _resolution(judged)
    if with_plain:
        report.figures = _figures(judge, judged, report, sharp)
    else:
        report.notes.append(Note(WITHOUT))
    if judge.unclaimed:
        report.notes.append(Note(TWICE_WRONG))
    _decide(report, vacuity.vacuous(sharp) if with_plain else "", interrupted, bool(judged))


TWICE_WRONG = ("its gradients can be differentiated again, and what comes out is wrong: that is "
               "not claimed; let it refuse (torch.autograd.function.once_differentiable), or "
               "claim double_backward")
WITHOUT = ("no plain form: its numbers were judged by its own loss, along lines, by linearity and "
           "by what may change nothing; left out: the comparison with the truth, the computed "
           "tolerance, the precision, and the place of a mistake")


def _decide(report: Report, vacuous: str, interrupted: bool, judged: bool) -> None:
    if report.findings:
        report.verdict = "does_not_conform"
    elif interrupted:
        report.verdict, report.reason = "incomplete", "interrupted"
    elif not judged:
        report.verdict = "incomplete"
        report.reason = "no trial was judged: the plain form has no finite answer on any"
    elif vacuous:
        report.verdict, report.reason = "incomplete", f"it could not have failed: {vacuous}"
    else:
        report.verdict = "conforms"


def _resolution(judged: Sequence[Judged]) -> dict[str, dict[str, dict[str, float]]]:
    """As a network's report has it: digits of agreement, the smallest error that would be seen."""
    rows: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for each in judged:
        for _, (error, allowed, size) in each.points().items() if each.reply is not None else ():
            if size > 0:
                rows.setdefault((each.trial.dtype, _kind(_)), []).append(
                    (allowed / size, error / size))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (dtype, kind), pairs in rows.items():
        allowed, error = np.array(pairs).T
        found.setdefault(dtype, {})[kind] = {
            "digits": float(np.median(-np.log10(np.maximum(error, 2.0**-53)))),
            "smallest_error": float(np.median(allowed)),
            "sharp": int((allowed < vacuity.USUAL).sum()), "comparisons": len(pairs)}
    return found


def _kind(key: str) -> str:
    return "output" if key.startswith("output ") else key


def _figures(judge: Judge, judged: Sequence[Judged], report: Report, sharp: Any
             ) -> dict[str, Any]:
    """The figures as data, and their lines."""
    by = figures.figures(judged, _eager(judge), judge.claim)
    met = {} if report.findings else {
        dtype: strictest(judge, judged, dtype) for dtype in judge.program.asked.dtypes}
    told, wrong = vacuity.caught(judged, judge.mutants)
    shares = {dtype: {key: [each.sharp, each.entries] for key, each in keys.items()}
              for dtype, keys in sharp.items()}
    found = {"compared": by, "strictest": met, "mutants": [told, wrong], "sharp": shares}
    shown = {} if report.findings else by  # of what is wrong they are no news
    return found | {"lines": [*_lines(judge, shown, met, told, wrong, shares)]}


def _eager(judge: Judge) -> Callable[[Trial], Arrays]:
    """The plain form run in the dtype itself."""
    plain = judge.program.plain
    assert plain is not None
    return lambda trial: judge.engine.answer(
        plain, replace(trial, repeats=1, twice=False, poison=False)).arrays


def _lines(judge: Judge, by: Any, met: Any, told: int, wrong: int, shares: Any) -> Iterator[str]:
    for dtype, keys in by.items():
        worst = {name: max((row[name] for row in keys.values() if name in row), default=0.0)
                 for name in ("over_s", "max_abs", "max_rel", "rms_ratio", "cosine", "ulp",
                              "over_eager")}
        yield (f"{dtype}: worst error {worst['over_s']:.2g} s of 16; max abs {worst['max_abs']:.2g}"
               f", max rel {worst['max_rel']:.2g}, RMS ratio {worst['rms_ratio']:.2g}, cosine "
               f"{worst['cosine']:.1g}, {worst['ulp']:.3g} ulp, {worst['over_eager']:.2g} x eager"
               f"{_close(keys)}")
    for dtype, name in met.items():
        claimed = claim_name(judge.program.asked.claim(dtype))
        yield (f"{dtype}: claims arithmetic {claimed}; the strictest it would meet is "
               f"{name or 'none that was tried'}")
    for dtype, keys in shares.items():
        total = sum(entries for _, entries in keys.values())
        fine = sum(each for each, _ in keys.values())
        if total:
            bar = vacuity.sharp_below(judge.program.asked.claim(dtype))
            yield (f"{dtype}: {100 * fine / total:.0f} % of {total:,} entries compared to within "
                   f"{100 * bar:.3g} %")
    if wrong:
        yield f"could it have failed? it tells {told} of {wrong} wrong backwards from the right one"


def _close(keys: Any) -> str:
    shares = [row["close"] for row in keys.values() if "close" in row]
    return (f"; assert_close with its defaults against eager: right in "
            f"{100 * min(shares):.0f} % of trials at worst") if shares else ""
