"""The run: smoke, then networks inside the claims until the plan is done, then findings and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain as chained
from itertools import islice
from typing import Any

import numpy as np

from . import oracles, past
from .findings import Finder
from .judge import VALUE_PROPERTIES, Judge, Tally, last_line, question
from .plan import Plan, drawn
from .plug import BrokenContract, Declined, Subject
from .properties.claims import Claims, Head
from .properties.measured import apart
from .properties.strategies import Style, build, cases, chain, exact_cases, mended, several
from .properties.tolerance import SLACK, spread
from .record import Recorder, environment
from .reference import Answer, Case
from .reference.description import DescriptionError, LossSpec
from .report import Report
from .watch import Interrupts

__all__ = ["VALUE_PROPERTIES", "run"]

SHARP = {"float64": 1e-8, "float32": 1e-2}
FLOOR = 30
JAX_STRUCTURES = 40
JAX_DRAWS = 4
FITS = [(r, s) for s in (1.0, 0.5, 2.0) for r in ("mean_over_batch", "mean", "sum")]
FIT_SIZES = ((3, 2), (4, 3), (2, 4), (3, 1), (1, 2), (1, 1))  # few batches or outputs may be claimed: vary both
Listen = Callable[[int, int, int, float], None]


class NotJudged(Exception):  # noqa: N818
    """The adapter is broken, not the gradient."""


def run(subject: Subject, plan: Plan, recorder: Recorder, listen: Listen = lambda *_: None,
        announce: Callable[[str], None] | None = None) -> Report:
    """Verify a subject; the report is complete whatever the subject does, and after Ctrl-C up to there.

    listen hears of every network, announce of the first finding, as soon as there is one.

    Raises oracles.NotAvailable where a required oracle is absent.
    """
    started = time.monotonic()
    report = Report(subject.name, "not_judged", environment(), plan.seed)
    try:
        names = _oracles(plan)
        absent = _absent(names)
        claims, notes = smoke(subject)
        report.notes += notes
    except NotJudged as error:
        report.reason = f"smoke: {error}"
        return _closed(report, started)
    except KeyboardInterrupt:
        report.verdict, report.reason = "incomplete", "interrupted before the first network"
        return _closed(report, started)
    judge = Judge(subject, claims, [n for n in names if n not in absent], recorder.result, plan.seed)
    for name in absent:
        judge.tally.counts[name]["not_available"] += 1
        recorder.result(property=name, outcome="not_available", network=0)
    first = past.covered(plan.first, claims)
    report.notes += past.notes(len(first), len(plan.first) - len(first))
    with Interrupts() as interrupts:
        _networks(judge, replace(plan, first=first), listen, announce, started, interrupts)
        try:
            report.findings = Finder(judge, recorder.case).findings()
        except KeyboardInterrupt:
            interrupts.seen = True
    _summarise(report, judge)
    _verdict(report, judge, interrupts.seen)
    return _closed(report, started)


def _closed(report: Report, started: float) -> Report:
    report.seconds = time.monotonic() - started
    return report


def _oracles(plan: Plan) -> list[str]:
    """The oracles to ask, every required one loaded."""
    names = list(oracles.ORACLES) if plan.oracles is None else list(plan.oracles)
    for name in (*names, *plan.require):
        if name not in oracles.ORACLES:
            raise DescriptionError(f"unknown oracle {name!r}; allowed: {', '.join(oracles.ORACLES)}")
    for name in plan.require:
        oracles.load(name)
    return list(dict.fromkeys([*names, *plan.require]))


def _absent(names: list[str]) -> list[str]:
    missing = []
    for name in names:
        try:
            oracles.load(name)
        except oracles.NotAvailable:
            missing.append(name)
    return missing


# --- smoke ------------------------------------------------------------------------------------------------------


def smoke(subject: Subject) -> tuple[Claims, list[str]]:
    """One smallest case, then the reported reductions fitted; NotJudged where the adapter does not answer it."""
    heads, notes, first = [], [], None
    for head in subject.claims.heads:
        try:
            fitted, note = _fitted(subject, head)
        except Exception as error:
            first = first or error
            heads.append(head)
            continue
        heads.append(fitted)
        notes += [note] if note and not (subject.claims.explored and "fits none" in note) else []
    if isinstance(first, Declined | NotImplementedError) and not _answers_any(subject):
        raise NotJudged(f"it declines the smallest network of every head it has: {_message(first)}")
    if first is not None and not _answers_any(subject):
        raise NotJudged(f"your adapter is broken, its gradient was not judged: {_message(first)}")
    return replace(subject.claims, heads=tuple(dict.fromkeys(heads))), notes


def _message(error: Exception) -> str:
    return error.message if isinstance(error, BrokenContract) else last_line(error)


def _answers_any(subject: Subject) -> bool:
    """Whether the smallest case of some head gets an answer; one of the wrong shape is a finding, no broken adapter."""
    for head in subject.claims.heads:
        try:
            question(subject.engine, smallest(subject.claims, head, 1))
        except BrokenContract as error:
            if error.kind not in ("return", "none"):
                return True
            continue
        except Exception:
            continue
        return True
    return False


def smallest(claims: Claims, head: Head, batch: int, outputs: int = 1) -> Case:
    """The smallest network of the claims: 1x1 dense, where they allow it."""
    from .properties.claims import activation

    head = several(head)
    depth, least = claims.depth[0], max(head.outputs[0], outputs)
    high = head.outputs[1]
    sizes = [1] * depth + [least if high is None else min(least, high)]
    hidden = [activation(claims.hidden[0])] * (depth - 1) if depth > 1 else []
    network = chain(sizes, [claims.bias != "never"] * depth, hidden, head)
    most = claims.batch[1]
    size = max(batch, claims.batch[0])
    return build(network, size if most is None else min(size, most), head.target_kinds[0], Style(), 0, claims.dtypes[0])


def _fitted(subject: Subject, head: Head) -> tuple[Head, str]:
    """The head with "reported" replaced by the reduction and scale that its losses show."""
    case = smallest(subject.claims, head, 1)
    question(subject.engine, case)
    if head.reduction != "reported":
        return head, ""
    answers = []
    for batch, outputs in FIT_SIZES:
        case = smallest(subject.claims, head, batch, outputs)
        with suppress(Exception):  # what it does not answer is judged later
            answers.append((case, question(subject.engine, case)))
    scores = {fit: _score(answers, fit) for fit in FITS}
    reduction, scale = max(FITS, key=lambda fit: scores[fit])
    words = f"{reduction.replace('_', ' ')}{'' if scale == 1 else f', times {scale:g}'}"
    how = "from the loss reported" if scores[reduction, scale][0] else "taken, since the loss reported fits none"
    note = f"reduction of {head.activation} + {head.loss}, {how}: {words}"
    return replace(head, reduction=reduction, scale=scale), note


def _score(answers: list[tuple[Case, Answer]], fit: tuple[str, float]) -> tuple[bool, int, int]:
    """How well a reduction and scale fit: all the losses, else how many gradients, else how many losses."""
    losses, gradients = 0, 0
    for case, answer in answers:
        network = replace(case.network, loss=LossSpec(case.network.loss.kind, *fit))
        s = spread(case.but(network=network))
        losses += _near(float(answer.loss), s.truth.loss, s.loss)
        gradients += sum(_near(g, s.truth.gradients[k], s.gradients[k]) for k, g in answer.gradients.items())
    return bool(answers) and losses == len(answers), gradients, losses


def _near(got: Any, wanted: Any, s: Any) -> bool:
    error, _ = apart(got, wanted)
    return bool(np.all(error <= SLACK * s + 1e-6 * np.abs(wanted)))


# --- the loop ---------------------------------------------------------------------------------------------------


def _networks(judge: Judge, plan: Plan, listen: Listen, announce: Callable[[str], None] | None, started: float,
              interrupts: Interrupts) -> None:
    """Judge network after network, until there are no more, the time is up, or Ctrl-C."""
    announced, total = False, len(plan.first) + plan.examples
    judge.deadline = started + plan.seconds
    try:
        exact = drawn(exact_cases(judge.claims), plan.seed + 1)
        for i, case in enumerate(_cases(judge.claims, plan)):
            interrupts.check()
            if time.monotonic() - started > plan.seconds:
                judge.tally.notes[f"time limit: {i} of {total} networks in {plan.seconds:g} s"] = None
                break
            judge.network(case)
            if i < len(plan.first) and past.is_exact(judge.claims, case):
                judge.exact(case)
            if i % 4 == 0:
                judge.exact(next(exact))
            if i < JAX_STRUCTURES and "jax" in judge.names:
                judge.many("jax", [case, *_revalued(case, judge.rng)])
            found = len({family for family, _ in judge.tally.failures})
            listen(i + 1, total, found, time.monotonic() - started)
            if found and announce and not announced:
                announced = True
                for finding in Finder(judge, lambda case: case.id).findings()[:1]:
                    announce(f"{time.monotonic() - started:.1f} s: {finding.headline}")
            if plan.stop_after is not None and judge.tally.failing >= plan.stop_after:
                note = f"stopped after {plan.stop_after} failing networks, {i + 1} of {total} asked"
                judge.tally.notes[note] = None
                break
    except KeyboardInterrupt:
        interrupts.seen = True


def _cases(claims: Claims, plan: Plan) -> Iterator[Case]:
    """The cases to ask first, then those that are drawn."""
    return chained(plan.first, islice(drawn(cases(claims), plan.seed), plan.examples))


def _revalued(case: Case, rng: Any) -> list[Case]:
    """The same structure with other values."""
    def other() -> Case:
        scaled = {n: (v * rng.uniform(0.5, 1.5, v.shape)).astype(v.dtype) for n, v in case.parameters.items()}
        return mended(case.but(parameters=scaled), rng)
    return [other() for _ in range(JAX_DRAWS - 1)]


# --- the end ----------------------------------------------------------------------------------------------------


def _summarise(report: Report, judge: Judge) -> None:
    tally = judge.tally
    report.networks, report.first_failure = tally.networks, tally.first
    report.counts = {name: dict(by) for name, by in tally.counts.items()}
    report.resolution = resolution(tally)
    report.notes += list(tally.notes)
    answers = getattr(judge.engine, "notes", None)
    report.notes += [f"answers: {', '.join(sorted(answers))}"] if answers else []
    report.notes += [f"convention: slope of {kind} at its kink is {min(slopes):g}"
                     for kind, slopes in tally.slopes.items() if len(slopes) == 1]
    report.notes += list(dict.fromkeys(tally.divergences))[:5]


def resolution(tally: Tally) -> dict[str, dict[str, dict[str, float]]]:
    """By dtype and kind of parameter: median digits of agreement, the median smallest error seen, sharp comparisons."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (dtype, kind), rows in sorted(tally.sharpness.items()):
        tolerance, error = np.array(rows).T
        digits = -np.log10(np.maximum(error, np.finfo(dtype).eps / 2))
        found.setdefault(dtype, {})[kind] = {
            "digits": float(np.median(digits)), "smallest_error": float(np.median(tolerance)),
            "sharp": int((tolerance < SHARP[dtype]).sum()), "comparisons": len(rows)}
    return found


def _verdict(report: Report, judge: Judge, interrupted: bool) -> None:
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
        report.verdict, report.reason = "incomplete", "explored: what it declines was not judged; claim what it does"
    else:
        report.verdict = "conforms"


def _undecided(report: Report) -> str:
    """Why the comparison with the reference decided too little to say "conforms"; "" where it decided enough."""
    by = report.counts.get("reference", {})
    open_, decided = by.get("inconclusive", 0), by.get("passed", 0)
    if 10 * open_ <= decided:
        return ""
    return f"{open_} of {open_ + decided} comparisons with the reference were inconclusive: torch or jax would decide"


def _below_floor(report: Report, claims: Claims) -> str:
    """Why the run was not sharp enough to say "conforms"; "" where it was."""
    kinds = ["weight", *(["bias"] if claims.bias != "never" else [])]
    for dtype in claims.dtypes:
        for kind in kinds:
            sharp = report.resolution.get(dtype, {}).get(kind, {}).get("sharp", 0)
            if sharp < FLOOR:
                return f"only {int(sharp)} of {FLOOR} sharp comparisons of {dtype} {kind}"
    return ""
