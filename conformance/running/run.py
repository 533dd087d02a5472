"""The run: smoke, then networks inside the claims until the plan is done, findings, the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain as chained
from itertools import islice

from .. import oracles
from ..judging import alone
from ..judging.asking import Numbered
from ..judging.clock import SHARE, Clock, TimeIsUp
from ..judging.inferring import inferred
from ..judging.judge import Judge
from ..judging.plan import Plan, different, drawn
from ..judging.session import session
from ..judging.smoke import NotJudged, smoke
from ..judging.verdict import decide, resolution
from ..naming.finder import Finder
from ..naming.findings import findings
from ..plug.limits import Interrupts
from ..plug.subject import Subject
from ..properties.claims import Claims
from ..properties.conventions import CONVENTIONS
from ..properties.strategies import drafts, exact_cases, mended
from ..record.notes import Note, NoteKind
from ..record.report import Report
from ..record.writing import Recorder, environment
from ..reference import Case
from ..reference.checks import DescriptionError
from . import bulk, past
from .progress import First
from .workers import Workers, here

STRUCTURES = 20  # for the oracles that compile a program for each
DRAWS = 4
MOST = 20.0      # seconds that are kept for the findings, where something failed
LEAST = 1.0      # seconds that these have at least
CUT = ("the time was up before all was asked about what failed: the findings are the best so far, "
       "and a mistake without a name may have one; give it more --seconds")
Listen = Callable[[int, int, int, float], None]
Announce = Callable[[First], None]


def run(subject: Subject, plan: Plan, recorder: Recorder, listen: Listen = lambda *_: None,
        announce: Announce | None = None, workers: Workers | None = None,
        resume: bool = False) -> Report:
    """Verify a subject; the report is complete whatever it does, and after Ctrl-C up to there.

    listen hears of every network, announce of the first finding, as soon as there is one. workers
    are asked for the plan's bulk, this process where there are none; resume: what the record's
    directory keeps of it is not asked again.

    Raises oracles.NotAvailable where a required oracle is absent, RecordError where there is
    nothing of this run to resume, WorkersError where the workers are not what they must be.
    """
    with session(plan.seconds) as opened, Interrupts() as interrupts:
        return _run(subject, plan, recorder, listen, announce, workers, resume, opened.clock,
                    interrupts)


def _run(subject: Subject, plan: Plan, recorder: Recorder, listen: Listen,
         announce: Announce | None, workers: Workers | None, resume: bool, clock: Clock,
         interrupts: Interrupts) -> Report:
    started = time.monotonic()
    subject = replace(subject, engine=Numbered(subject.engine))
    report = Report(subject.name, "not_judged", environment(), plan.seed)
    try:
        names = _oracles(plan)
        absent = _absent(names)
        guessed = inferred(subject)
        subject = replace(subject, claims=guessed.claims)
        smoked = smoke(subject)
        claims = smoked.claims
        report.notes += [*guessed.notes, *smoked.notes]
    except NotJudged as error:
        report.reason = f"smoke: {error}"
        return _closed(report, started)
    except TimeIsUp:
        report.reason = ("smoke: your adapter is broken: it does not answer in time" if clock.spent
                         else f"smoke: the {plan.seconds:g} s of the run were over before its "
                         "smallest networks were answered: give it more --seconds")
        return _closed(report, started)
    except KeyboardInterrupt:
        report.verdict, report.reason = "incomplete", "interrupted before the first network"
        return _closed(report, started)
    judge = Judge(subject, claims, [n for n in names if n not in absent], recorder.result,
                  plan.seed, plan.entrywise)
    if guessed.refused:
        judge.tally.counts["answers"]["declined"] += guessed.refused
    for name in absent:
        judge.tally.counts[name]["not_available"] += 1
        recorder.result(property=name, outcome="not_available", network=0)
    shelf = bulk.shelf_of(judge, recorder, plan.bulk, plan.seed, resume) if plan.bulk else None
    tell = Announced(judge, announce, clock)
    first = past.covered(plan.first, claims)
    report.notes += past.notes(len(first), len(plan.first) - len(first))
    judge.deadline = clock.end
    try:
        judge.smoked(smoked.attempts)
        _keep_time(judge, clock, plan)
        tell()
    except KeyboardInterrupt:
        interrupts.seen = True
    except TimeIsUp:
        pass  # it is told where the first network is to be asked
    try:
        _networks(judge, replace(plan, first=first), listen, tell, clock, interrupts)
        if shelf is not None and not judge.ended and not interrupts.seen:
            _bulk(judge, plan, recorder, shelf, listen, started, interrupts, workers)
    except NotJudged as error:
        report.reason = str(error)
        return _closed(report, started)
    clock.again(max(started + plan.seconds, time.monotonic() + LEAST))
    try:
        report.findings = findings(judge, recorder.case)
        report.notes += alone.notes(judge)
    except KeyboardInterrupt:
        interrupts.seen = True
    except TimeIsUp:
        pass
    if clock.up and report.findings:
        report.notes.append(Note(CUT, NoteKind.CUT_SHORT))
    _summarise(report, judge)
    decide(report, judge, interrupts.seen)
    return _closed(report, started)


class Announced:
    """Called now and then; the first time that there is a finding, it is announced."""

    def __init__(self, judge: Judge, announce: Announce | None, clock: Clock):
        self.judge, self.announce, self.clock = judge, announce, clock

    def __call__(self) -> None:
        if self.announce is None or not self.judge.tally.failures:
            return
        announce, self.announce = self.announce, None
        hasty, cases = partial(Finder, hasty=True), dict[str, Case]()

        def kept(case: Case) -> str:
            cases[case.id] = case
            return case.id

        with self.clock.part():
            found = findings(self.judge, kept, hasty)
        for finding in found[:1]:
            announce(First(self.clock.passed, finding, cases.get(finding.case)))


def _families(judge: Judge) -> int:
    """How many kinds of failure there are so far."""
    return len({family for family, _ in judge.tally.failures})


def _closed(report: Report, started: float) -> Report:
    report.seconds = time.monotonic() - started
    return report


def _oracles(plan: Plan) -> list[str]:
    """The oracles to ask, every required one loaded."""
    names = list(oracles.ORACLES) if plan.oracles is None else list(plan.oracles)
    for name in (*names, *plan.require):
        if name not in oracles.ORACLES:
            raise DescriptionError(f"unknown oracle {name!r}; "
                                   f"allowed: {', '.join(oracles.ORACLES)}")
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


# --- the loop -------------------------------------------------------------------------------------


def _networks(judge: Judge, plan: Plan, listen: Listen, tell: Announced, clock: Clock,
              interrupts: Interrupts) -> None:
    """Judge network after network, until there are no more, the time is up, or Ctrl-C."""
    total = len(plan.first) + plan.examples + plan.bulk
    judge.planned = total
    i = 0
    try:
        exact = _exact(judge.claims, plan)
        for i, case in enumerate(drawn_cases(judge.claims, plan)):
            interrupts.check()
            clock.check()
            judge.network(case)
            _keep_time(judge, clock, plan)
            tell()
            if i < len(plan.first) and past.is_exact(judge.claims, case):
                judge.exact(case)
            if i % 4 == 0:
                judge.exact(next(exact))
            if i < STRUCTURES and not case.large:
                judge.structure([case, *_revalued(case, judge)])
            tell()
            listen(i + 1, total, _families(judge), clock.passed)
            if plan.stop_after is not None and judge.tally.failing >= plan.stop_after:
                _cut_short(judge, f"stopped after {plan.stop_after} failing networks",
                           f"{i + 1} of {total} asked")
                break
    except KeyboardInterrupt:
        interrupts.seen = True
    except TimeIsUp:
        _out_of_time(judge, clock, plan, f"{i} of {total} networks")


def _bulk(judge: Judge, plan: Plan, recorder: Recorder, shelf: bulk.Shelf, listen: Listen,
          started: float, interrupts: Interrupts, workers: Workers | None) -> None:
    """The plan's bulk, by the workers or here."""
    before = len(plan.first) + plan.examples

    def heard(done: int) -> None:
        interrupts.check()
        listen(before + done, before + plan.bulk, _families(judge), time.monotonic() - started)

    try:
        bulk.ask(judge, recorder, shelf, plan.bulk, plan.seed,
                 workers or here(judge.subject), heard)
    except KeyboardInterrupt:
        interrupts.seen = True
    except TimeIsUp:
        judge.ended = judge.ended or "time limit"
    if judge.ended:
        _cut_short(judge, judge.ended, f"{judge.tally.networks} of {judge.planned} networks "
                                       f"in {plan.seconds:g} s")


def _out_of_time(judge: Judge, clock: Clock, plan: Plan, where: str) -> None:
    """Say that the time is up, or that too much of it was lost to hangs."""
    if clock.spent:
        lost = f"{clock.lost:.3g} s were lost to questions that were not answered in time"
        _cut_short(judge, "hangs", f"{where}; {lost}")
    else:
        seconds = plan.seconds - (_kept(plan) if judge.tally.failures else 0.0)
        _cut_short(judge, "time limit", f"{where} in {seconds:.4g} s")


def _keep_time(judge: Judge, clock: Clock, plan: Plan) -> None:
    """Once something failed, the end for networks is earlier, so that there is time for findings.
    """
    if judge.tally.failures:
        clock.end = judge.deadline = clock.started + plan.seconds - _kept(plan)


def _kept(plan: Plan) -> float:
    """The seconds that are left for the findings, once something failed."""
    return min(MOST, SHARE * plan.seconds)


def _cut_short(judge: Judge, why: str, where: str) -> None:
    judge.ended = why
    judge.tally.notes[Note(f"{why}: {where}", NoteKind.CUT_SHORT)] = None


def drawn_cases(claims: Claims, plan: Plan) -> Iterator[Case]:
    """The cases to ask first, then those that are drawn: no network twice, if there are others."""
    fresh = different(drawn(drafts(claims), plan.seed), lambda draft: draft.network,
                      [case.network for case in plan.first])
    return chained(plan.first, (draft.case for draft in islice(fresh, plan.examples)))


def _exact(claims: Claims, plan: Plan) -> Iterator[Case | None]:
    """Integer networks, each another one where there are so many; None where there is none."""
    return different(drawn(exact_cases(claims), plan.seed + 1),
                     lambda case: None if case is None else case.network)


def _revalued(case: Case, judge: Judge) -> list[Case]:
    """The same structure with other values."""
    rng, head = judge.drawing("structures"), judge.claims.head_of(case.network)

    def other() -> Case:
        scaled = {n: (v * rng.uniform(0.5, 1.5, v.shape)).astype(v.dtype)
                  for n, v in case.parameters.items()}
        return mended(case.but(parameters=scaled), rng, head.logits if head else None)
    return [other() for _ in range(DRAWS - 1)]


# --- the end ---


def _summarise(report: Report, judge: Judge) -> None:
    tally = judge.tally
    report.networks, report.first_failure = tally.networks, tally.first
    report.planned, report.ended = judge.planned, judge.ended
    report.counts = {name: dict(by) for name, by in tally.counts.items()}
    report.resolution = resolution(tally)
    report.notes += list(tally.notes)
    if tally.invalid:
        not_asked = (f"not asked: {tally.invalid} of the networks drawn, since right programs may "
                     "differ on it: not finite in its dtype, or on a kink")
        report.notes.append(Note(not_asked, NoteKind.INVALID))
    answers = getattr(judge.engine, "notes", None)
    odd = f"answers: {', '.join(sorted(answers))}" if answers else ""
    report.notes += [Note(odd, NoteKind.ANSWERS)] if odd else []
    report.notes += [Note(f"convention: {CONVENTIONS[kind].says(kind, min(slopes))}",
                          NoteKind.CONVENTION)
                     for kind, slopes in tally.slopes.items()
                     if len(slopes) == 1 and ("kink", kind) not in tally.failures]
    report.notes += [Note(each, NoteKind.DIVERGENCE)
                     for each in list(dict.fromkeys(tally.divergences))[:5]]
