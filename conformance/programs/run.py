"""A program's run: trials until the plan is done, findings, figures, and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

from ..judging.asking import question
from ..judging.clock import Clock, TimeIsUp
from ..judging.plan import Plan
from ..judging.session import session
from ..plug.asked import last_line
from ..plug.limits import Interrupts
from ..record.notes import Note, NoteKind
from ..record.report import Finding, Report
from ..record.writing import Recorder, environment
from ..reference.checks import DescriptionError
from .case import ProgramCase
from .drawing import Drawn
from .engine import Engine, engine_of
from .findings import findings
from .judge import Judge, PlainRaised
from .judged import Judged
from .program import Program
from .summary import summarised
from .trial import Arrays, Reply, Trial

Listen = Callable[[int, int, int, float], None]
EACH = 27        # trials of every dtype, where nobody says how many
ASKED_AGAIN = 3  # times that a case is asked
FAILING = 30     # failing trials are enough
LEAST = 4.0      # seconds that are kept for findings and figures, of those of the run
SHARE = 0.4      # of the run's seconds, at most


class NotJudged(Exception):  # noqa: N818 - about the program, not an error of ours
    """There is nothing to judge by: the message says why, in one line."""


@dataclass
class Run:
    """One run: what was judged so far, and how it ended."""

    judge: Judge
    trials: Drawn
    planned: int
    judged: list[Judged] = field(default_factory=list)
    ended: str = ""
    interrupted: bool = False

    @property
    def failing(self) -> int:
        return sum(1 for each in self.judged if each.failures)


def run(program: Program, plan: Plan, recorder: Recorder, listen: Listen = lambda *_: None,
        device: str = "cpu", first: Sequence[Trial] = ()) -> Report:
    """Verify a program; the report is complete whatever it does, and after Ctrl-C up to there.

    Raises DescriptionError where the framework is not there. first: trials to ask before others.
    """
    report = Report(program.name, "not_judged", environment(), plan.seed, of="trials")
    started = time.monotonic()
    with session(plan.seconds) as opened, Interrupts() as interrupts:
        try:
            engine = _engine(program)
            trials = Drawn(program, _shapes(program, engine), plan.seed)
            asked = Run(_judge(program, engine, plan.seed, device), trials,
                        trials_of(program, plan))
            _checked(asked)
            _ask(asked, recorder, listen, opened.clock, interrupts, first)
            opened.clock.end = started + plan.seconds
            summarised(report, asked.judge, asked.judged, recorder.case, asked.interrupted)
            _counted(report, asked)
        except NotJudged as error:
            report.reason = str(error)
        except KeyboardInterrupt:
            report.verdict, report.reason = "incomplete", "interrupted"
        except TimeIsUp:
            report.verdict = "incomplete"
            report.reason = "the time was up before the first trial was judged: more --seconds"
    report.seconds = time.monotonic() - started
    return report


def replayed(program: Program, trial: Trial) -> tuple[list[Finding], list[str]]:
    """The findings of one trial, asked three times, and the checks that it passed.

    Raises NotJudged or DescriptionError where it cannot be judged.
    """
    engine, found, passed = _engine(program), list[Judged](), dict[str, None]()
    judge = _judge(program, engine, 0, "cpu")
    for _ in range(ASKED_AGAIN):
        try:
            judged = judge.judge(trial)
        except Exception as error:
            raise NotJudged(last_line(error)) from error
        if judged is not None:
            found.append(judged)
            passed |= {check: None for check, outcome in judged.outcomes if outcome == "passed"}
    return findings(judge, found, lambda case: case.id), list(passed)


def trials_of(program: Program, plan: Plan) -> int:
    """As many as asked for; where nobody has said, so many of every dtype."""
    return EACH * len(program.asked.dtypes) if plan.fewer else plan.examples


def differentiating(program: Program, engine: Engine, device: str = "cpu"
                    ) -> Callable[[Trial], Reply]:
    """Who is asked for gradients of gradients."""
    remote = getattr(program.answer, "second", None)
    ask = (partial(remote, device=device) if remote is not None
           else partial(engine.second, program.engine, device=device))
    return partial(question, ask)


def answering(program: Program, engine: Engine, device: str = "cpu") -> Callable[[Trial], Reply]:
    """Who is asked: the program's own process, which has its own clock, or its function here."""
    if program.answer is not None:
        return partial(program.answer, device=device)
    ask: Any = partial(engine.answer, program.engine, device=device)
    return partial(question, ask)


def _engine(program: Program) -> Engine:
    try:
        return engine_of(program.asked.framework)
    except ImportError as error:
        raise DescriptionError(f"framework {program.asked.framework!r} is not there: {error}; "
                               f"pip install 'backproof[{program.asked.framework}]'") from error


def _judge(program: Program, engine: Engine, seed: int, device: str) -> Judge:
    if not engine.has(device):
        raise DescriptionError(f"device: {device!r} is not there for {program.asked.framework}; "
                               "allowed here: cpu")
    return Judge(program, engine, answering(program, engine, device), seed,
                 differentiating(program, engine, device))


def _shapes(program: Program, engine: Engine) -> Callable[[Trial], list[Any]]:
    """The shapes of the outputs, by the plain form, or by the program where there is none."""
    if program.plain is not None:
        return partial(engine.shapes, program.plain)
    return partial(_own_shapes, answering(program, engine))


def _own_shapes(answer: Callable[[Trial], Reply], trial: Trial) -> list[Any]:
    """The shapes of the outputs that the program itself gives; None for one without a gradient."""
    reply = answer(replace(trial, cotangents=(), wanted=(), repeats=1, twice=False, poison=False))
    return [None if each is None or each.dtype.kind != "f" else each.shape
            for each in reply.outputs]


# --- the plain form -------------------------------------------------------------------------------


def _checked(asked: Run) -> None:
    """NotJudged for a plain form that nothing can be judged by."""
    program = asked.judge.program
    if program.plain is None:
        return
    dtype = program.asked.dtypes[0]
    try:
        trial = asked.trials.trial(0, dtype)
        truth = asked.judge.engine.truth(program.plain, trial)
    except DescriptionError as error:
        raise NotJudged(str(error)) from error
    except Exception as error:
        raise NotJudged(f"plain: raises {last_line(error)}{_given(asked)}") from error
    touched = asked.judge.engine.answer(program.plain, _in_float64(trial)).touched
    if touched:
        raise NotJudged(f"plain: changes {touched[0]} in place; a plain form only reads its inputs")
    _differentiable(trial, truth)


def _differentiable(trial: Trial, truth: Arrays) -> None:
    if not any(value is not None for value in trial.cotangents):
        raise NotJudged("plain: is not differentiable: none of its outputs depends on an input by "
                        "operations that autograd knows (is there a detach(), an item(), an "
                        "argmax?)")


def _in_float64(trial: Trial) -> Trial:
    """The trial with all real inputs stored in float64."""
    inputs = {name: value if value is None or not value.is_real else replace(value, dtype="float64")
              for name, value in trial.inputs.items()}
    cotangents = tuple(None if each is None else replace(each, dtype="float64")
                       for each in trial.cotangents)
    return replace(trial, inputs=inputs, cotangents=cotangents, repeats=1, twice=False,
                   poison=False)


def _given(asked: Run) -> str:
    """What the plain form was called with, for a message."""
    names = ", ".join(each.name for each in asked.judge.program.asked.inputs)
    return f"; it is called with ({names}) in this order"


# --- the loop -------------------------------------------------------------------------------------


def _ask(asked: Run, recorder: Recorder, listen: Listen, clock: Clock, interrupts: Interrupts,
         first: Sequence[Trial]) -> None:
    """Judge trial after trial until there are enough, the time is up, or Ctrl-C."""
    started = time.monotonic()
    clock.end -= min(LEAST, SHARE * max(0.0, clock.left))
    drawn = (asked.trials.trial(n, _dtype(asked, n)) for n in range(asked.planned))
    try:
        for done, trial in enumerate(chain(first, drawn)):
            interrupts.check()
            clock.check()
            _one(asked, recorder, trial)
            listen(done + 1, asked.planned, int(asked.failing > 0), time.monotonic() - started)
            if asked.failing >= FAILING:
                asked.ended = f"stopped after {asked.failing} failing trials"
                break
    except KeyboardInterrupt:
        asked.interrupted = True
    except TimeIsUp:
        asked.ended = "hangs" if clock.spent else "time limit"
        if not asked.judged:
            raise
    except DescriptionError as error:
        raise NotJudged(str(error)) from error


def _dtype(asked: Run, number: int) -> str:
    dtypes = asked.judge.program.asked.dtypes
    return dtypes[number % len(dtypes)]


def _one(asked: Run, recorder: Recorder, trial: Trial) -> None:
    try:
        judged = asked.judge.judge(trial)
    except PlainRaised as error:
        raise NotJudged(f"plain: raises {error} on trial {trial.number}") from error
    if judged is None:
        return
    asked.judged.append(judged)
    _record(asked, recorder, judged)


def _record(asked: Run, recorder: Recorder, judged: Judged) -> None:
    """A line for each check made on the trial."""
    if not (recorder.writes or recorder.expecting is not None):
        return
    case, number = ProgramCase(judged.trial), len(asked.judged)
    for check, outcome in judged.outcomes:
        points = {"agreement": judged.points()} if check == "plain" else {}
        recorder.result(case, property=check, outcome=outcome, network=number, **points)


# --- the end --------------------------------------------------------------------------------------


def _counted(report: Report, asked: Run) -> None:
    report.networks, report.planned = len(asked.judged), asked.planned
    report.ended = asked.ended
    report.first_failure = next((i + 1 for i, each in enumerate(asked.judged) if each.failures),
                                None)
    report.counts = {name: dict(by) for name, by in asked.judge.counts.items()}
    if asked.judge.invalid:
        report.planned -= asked.judge.invalid
        report.notes.append(Note(
            f"not asked: {asked.judge.invalid} of the trials drawn: the plain form has no finite "
            "answer there, or the claimed arithmetic no room for it", NoteKind.INVALID))
    if asked.ended:
        report.notes.append(Note(f"{asked.ended}: {len(asked.judged)} of {asked.planned} trials",
                                 NoteKind.CUT_SHORT))


