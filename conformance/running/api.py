"""`verify`: check what was asked for, open the record, run, close the record."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..oracles import ORACLES, NotAvailable
from ..oracles import load as load_oracle
from ..record.keeping import Kept
from ..record.place import Place
from ..record.report import Report
from ..record.writing import Recorder
from ..reference.checks import BackproofError
from .notebook import listener
from .profiles import PROFILES
from .showing import Shown

if TYPE_CHECKING:
    from ..judging.plan import Plan
    from ..plug.executed import Announce
    from ..plug.subject import Subject
    from ..record.expectations import Expecting
    from .workers import Workers

Names = str | Sequence[str]
EXAMPLES, SECONDS = PROFILES["default"].examples, PROFILES["default"].seconds
SEED = 0
PROGRAM = "program"  # the door of a subject that no network describes
FROM = 10_000        # examples: from here on most are asked in bulk
DAY = 86_400.0       # seconds: the time limit of a run in bulk


class PlanError(BackproofError):
    """An option that cannot be; the message names it, in one line."""


def verify(
    target: Callable[..., Any] | Subject | str,
    *,
    examples: int | None = None,
    seconds: float | None = None,
    seed: int = SEED,
    oracles: Names | None = None,
    require: Names = (),
    stop_after: int | None = None,
    profile: str = "default",
    report: str | os.PathLike[str] | None = None,
    quiet: bool | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    resume: bool = False,
    known_failing: str | os.PathLike[str] | None = None,
    known_flaky: str | os.PathLike[str] | None = None,
    apart: bool = False,
    device: str = "cpu",
) -> Report:
    """Verify a function, a Subject, or a text ("my_file.py:backprop", "scikit-learn-regressor").

    examples and seconds: how many networks, and how long, whichever is first (default: those of the
    profile, "quick", "default" or "thorough"). oracles: which witnesses (default: all that are
    there). require: those whose absence is an error. stop_after: end once so many networks have
    failed. report: a directory for the record; the cases of the last run in it are asked first.
    quiet: left out, a notebook shows how far the run has come and the first finding, and all else
    nothing; False tells standard error, True nobody.

    From 10,000 examples on all but the first 300 are asked in bulk: many draws of one structure
    together, judged by their values. jobs: so many processes share them; scheduler: the address of
    a Dask scheduler whose workers do; either way from 301 examples on. resume: what an interrupted
    run has left in the report's directory is not asked again. apart: the file or module that a text
    names is executed in a process of its own, so that a crash or a hang is a finding, as it is from
    the command line. known_failing, known_flaky: files of features that must fail, and that may
    (docs/ci.md). device: where a program's tensors are, "cpu" or "cuda".

    Raises TargetError, PlanError, ExpectationError, RecordError or WorkersError, each a ValueError
    of one line, and DescriptionError for what is not callable; all are a BackproofError.
    """
    report = None if report is None else Place(report)
    shared = Sharing(jobs, scheduler, resume)
    plan = plan_of(examples, seconds, seed, oracles, require, stop_after, profile, shared.wanted)
    check_shared(shared, plan, report)
    expecting = expected(known_failing, known_flaky)
    with subject_for(target, apart) as subject:
        return judge(subject, plan, report, quiet, shared, Kept(), expecting, device)


def expected(failing: str | os.PathLike[str] | None, flaky: str | os.PathLike[str] | None,
             ids: str | os.PathLike[str] | None = None) -> Expecting | None:
    """What these files say of a run: lists by features, or a list of findings; None without one.

    Raises ExpectationError for a file that cannot be taken, and for both kinds together.
    """
    from ..record.expectations import ExpectationError, Ids
    from ..record.expectations import load as load_ids
    from ..record.lists import Lists, load

    if ids and (failing or flaky):
        raise ExpectationError("expected: lists findings, and known-failing features: choose one")
    if ids:
        return Ids(load_ids(ids), os.fspath(ids))
    lines = [*(load(failing) if failing else ()), *(load(flaky, flaky=True) if flaky else ())]
    return Lists(lines) if failing or flaky else None


@contextmanager
def subject_for(target: Callable[..., Any] | Subject | str, apart: bool = False,
                announce: Announce | None = None, **hears: Any) -> Iterator[Subject]:
    """The Subject of a function, a text, or a Subject; its process ends with the block.

    apart: a text's file is executed in a process of its own. announce hears that a file is at work
    while it is imported; listen and log hear a process, as they do of `protocol.apart.apart`.
    Raises TargetError or DescriptionError where there is none.
    """
    from ..plug.protocol.apart import closing
    from ..plug.subject import subject_of
    from ..plug.targets import load
    from ..programs.apart import apart as in_its_own

    if isinstance(target, str):
        loaded = in_its_own(target, announce, **hears) if apart else load(target, announce)
        with closing(loaded) as subject:
            yield subject
    else:
        yield subject_of(target)


class Sharing(NamedTuple):
    """Who is asked for the bulk, processes or a Dask scheduler; whether what is kept counts."""

    jobs: int = 1
    scheduler: str | None = None
    resume: bool = False

    @property
    def wanted(self) -> bool:
        """Whether there is somebody to share with."""
        return self.jobs != 1 or self.scheduler is not None

    @property
    def workers(self) -> Workers | None:
        """Those who share; raises WorkersError where the scheduler does not answer."""
        from .workers import cluster, processes

        if self.scheduler is not None:
            return cluster(self.scheduler)
        return processes(self.jobs) if self.jobs > 1 else None


ALONE = Sharing()


def check_shared(shared: Sharing, plan: Plan, directory: str | os.PathLike[str] | None) -> None:
    """PlanError for what cannot be shared or resumed."""
    whole("jobs", shared.jobs, 1)
    if shared.jobs > 1 and shared.scheduler is not None:
        raise PlanError("jobs: the scheduler's workers are as many as they are; leave out one")
    if shared.wanted and not plan.bulk:
        raise PlanError(f"jobs and scheduler share what is beyond {EXAMPLES} examples; "
                        f"received {plan.examples}")
    if shared.resume and (directory is None or not plan.bulk):
        raise PlanError("resume: wants a report's directory, and the examples of the run that was "
                        f"interrupted: {FROM:,} or more, or shared")


def judge(subject: Subject, plan: Plan, directory: str | os.PathLike[str] | None,
          quiet: bool | None, shared: Sharing = ALONE, kept: Kept | None = None,
          expecting: Expecting | None = None, device: str = "cpu") -> Report:
    """The report of a run, which leaves its record in the directory, and where it is kept.

    `expecting` hears its results, and tells the report whether they are as expected.

    Raises PlanError for a required oracle that is not there, RecordError for the record,
    WorkersError for workers.
    """
    from ..plug.undisturbed import undisturbed
    from .past import remembered
    from .run import run

    if subject.door == PROGRAM:
        from .programs import judge as judge_program

        return judge_program(subject, plan, directory, quiet, kept, expecting, device)
    if device != "cpu":
        raise PlanError(f"device: {device!r} is for programs of torch and JAX (docs/programs.md)")
    check_there(plan.require)
    workers = shared.workers
    first, left_out = remembered(directory)
    plan = replace(plan.wide_enough(subject.claims), first=(*plan.first, *first))
    progress = listener(subject.name, quiet)
    with Recorder(directory, kept, expecting) as recorder, progress as listen, undisturbed():
        recorder.header(subject, plan)
        listen(0, plan.examples + plan.bulk, 0, 0.0)
        announce = listen.announce if listen.listening else None
        report = run(subject, plan, recorder, listen, announce, workers, shared.resume)
        report.notes += left_out
        if expecting is not None:
            expecting.compare(report)
        recorder.footer(report)
        listen.ended(report)
    if kept is not None:
        report.shown_by(Shown(kept, directory))
    return report


def check_there(names: Sequence[str]) -> None:
    """PlanError for the first oracle that cannot be loaded."""
    for name in names:
        try:
            load_oracle(name)
        except NotAvailable as error:
            raise PlanError(f"required: {error}") from error


def plan_of(
    examples: int | None = None,
    seconds: float | None = None,
    seed: int = SEED,
    oracles: Names | None = None,
    require: Names = (),
    stop_after: int | None = None,
    profile: str = "default",
    shared: bool = False,
) -> Plan:
    """The Plan; PlanError for what cannot be, before anything is loaded."""
    if profile not in PROFILES:
        raise PlanError(f"profile: unknown profile {profile!r}; there is {', '.join(PROFILES)}")
    each, fewer = (PROFILES[profile].each, True) if examples is None else (0, False)
    examples = PROFILES[profile].examples if examples is None else examples
    whole("examples", examples, 1)
    bulk = max(0, examples - EXAMPLES) if shared or examples >= FROM else 0
    if seconds is None:
        seconds = DAY if bulk else PROFILES[profile].seconds
    chosen = None if oracles is None else names_of("oracles", oracles)
    required = names_of("require", require)
    for name in required:
        if chosen is not None and name not in chosen:
            raise PlanError(f"require: {name} is not among oracles {', '.join(chosen)}")
    whole("seed", seed, 0)
    positive("seconds", seconds)
    if stop_after is not None:
        whole("stop_after", stop_after, 1)
    from ..judging.plan import Plan

    return Plan(examples=examples - bulk, bulk=bulk, seconds=float(seconds), seed=seed,
                oracles=chosen, require=required, stop_after=stop_after,
                entrywise=PROFILES[profile].entrywise, each=each, fewer=fewer)


def whole(what: str, value: Any, least: int) -> None:
    """PlanError unless the value is a whole number, `least` or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise PlanError(f"{what}: wanted a whole number, {least} or more; received {value!r}")


def positive(what: str, value: Any) -> None:
    """PlanError unless the value is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise PlanError(f"{what}: wanted a number above 0; received {value!r}")


def names_of(what: str, names: Names) -> tuple[str, ...]:
    """Oracle names from a sequence, or a text with commas.

    Raises PlanError for one that is unknown, and for an empty text.
    """
    found = tuple(map(str.strip, names.split(","))) if isinstance(names, str) else tuple(names)
    for name in found:
        if name not in ORACLES:
            raise PlanError(f"{what}: unknown oracle {name!r}; there is {', '.join(ORACLES)}")
    return tuple(dict.fromkeys(found))
