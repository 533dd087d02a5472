"""`backproof verify TARGET`: ask one implementation, and judge its answers."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ..record.place import Place
from ..running.profiles import listed
from . import report, targets
from .targets import opened
from .terminal import UsageError, complain, say

if TYPE_CHECKING:
    from ..judging.plan import Plan
    from ..plug.subject import Subject
    from ..record.expectations import Expecting
    from ..running.api import Sharing

DESCRIPTION = """\
Verify one implementation: ask it for the gradients of random networks and judge the answers.

  python -m backproof verify my_file.py:backprop
  python -m backproof verify package.module:name --examples 1000 --seconds 120
  python -m backproof verify scikit-learn-regressor --require torch,jax --report out
  python -m backproof verify my_file.py:backprop --examples 100000 --jobs 4 --report out
  python -m backproof verify kernels.py:fused_layer_norm         a program of torch or JAX
  python -m backproof verify --command "node my_net.js"          any language: docs/protocol.md

TARGET is file.py:name, package.module:name, or one of `python -m backproof list subjects`; file.py
alone where it has one function that may be meant. A file is imported as `python file.py` would
import it: put training under `if __name__ == '__main__'`. It runs in a process of its own, so that
a crash is a finding; --in-process is for debuggers.
"""
EPILOG = """\
exit status:
  0  conforms: every check passed, and there were enough of them to tell
  1  does not conform: the mistakes are listed, each with the smallest case that shows it
  2  not judged: the target cannot be imported or called, or an option cannot be
  3  incomplete: interrupted, or too few checks to say "conforms"
"""


def add(command: Any) -> None:
    targets.add(command)
    command.add_argument("--ladder", action="store_true",
                         help="for a new adapter: from the smallest network up, one thing more a "
                              "rung, and stop at the first that fails")
    add_plan(command)
    command.set_defaults(command=run)


def add_plan(command: Any) -> None:
    """The options that say how much is asked, and what becomes of it."""
    option = command.add_argument
    option("--examples", type=int, metavar="N",
           help="random networks to ask (default 300, or 14 for every structure claimed)")
    option("--seconds", type=float, metavar="S", help="stop after so many seconds (default 60)")
    option("--profile", default="default", metavar="NAME", help=f"how much is asked: {listed()}")
    option("--device", default="cpu", metavar="NAME",
           help="where the tensors of a program are: cpu (default) or cuda")
    option("--seed", type=int, default=0, metavar="S",
           help="the same seed asks the same questions (default 0)")
    option("--oracles", metavar="LIST",
           help="witnesses, with commas: torch,jax,differences (default: all there are)")
    option("--require", metavar="LIST", default=(),
           help="witnesses that must be there: where one is not, exit 2")
    option("--report", metavar="DIR", type=Place,
           help="write DIR/report.jsonl as it goes, DIR/cases/ and DIR/report.json")
    option("--format", metavar="LIST",
           help="show the record at once, with commas: html,junit (see `report`)")
    option("--expected", metavar="FILE",
           help="known failures, see `expect`: exit 0 where the run has these and no other")
    option("--known-failing", metavar="FILE",
           help="features that must fail, a path a line: dense/softmax/**: why (docs/ci.md)")
    option("--known-flaky", metavar="FILE", help="features that may fail: they decide nothing")
    option("--jobs", type=int, default=1, metavar="N",
           help="so many processes share what is beyond 300 examples (default 1)")
    option("--scheduler", metavar="ADDRESS",
           help="the workers of a Dask scheduler share it: tcp://host:8786")
    option("--resume", action="store_true",
           help="go on with the interrupted run in bulk that DIR of --report holds")


@contextmanager
def rare_collections() -> Iterator[None]:
    """Fewer collections of garbage meanwhile, which saves a tenth of a run.

    A full collection walks everything that PyTorch and JAX keep, some hundred thousand objects, and
    a run makes few cycles of its own.
    """
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def run(options: argparse.Namespace) -> int:
    """Print the report, return its exit; UsageError for what cannot be verified as asked."""
    given = targets.text_of(options)  # first, since the rest takes its time to import
    asked = planned(options)
    if options.ladder and asked.directory is not None:
        raise UsageError("--ladder keeps no record; leave out --report, or the ladder")
    with opened(options, **header_of(options)) as subject:
        if subject.target != given:
            complain(f"{given}: verifies {subject.target}, the one that may be meant")
        if options.ladder:
            return climbed(subject, options.seed)
        lines, ended = judged(subject, asked)
    say(*lines)  # first, whatever becomes of the files
    say(*report.rendered(asked.directory, asked.formats))
    return ended.status


def climbed(subject: Subject, seed: int) -> int:
    """Print the rungs of the ladder as they are climbed; the exit status of the last."""
    from ..running.ladder import Ladder

    ladder = Ladder(subject, seed)
    for line in ladder:
        say(line)
    return ladder.status


class Planned(NamedTuple):
    """What the options ask for, checked before anything is loaded."""

    plan: Plan
    directory: str | None
    formats: list[str]
    shared: Sharing
    expecting: Expecting | None
    device: str = "cpu"


class Ended(NamedTuple):
    """How a run ended: the verdict, and the exit status, which known failures may change."""

    verdict: str
    status: int


def header_of(options: argparse.Namespace) -> dict[str, Any]:
    """What of the plan a transcript begins with."""
    return {name: getattr(options, name)
            for name in ("examples", "seconds", "seed", "oracles", "profile")}


def planned(options: argparse.Namespace) -> Planned:
    """What is asked for; UsageError for an option that cannot be."""
    from ..record.expectations import ExpectationError
    from ..running.api import PlanError, Sharing, check_shared, expected, plan_of

    formats = report.chosen(options.format, options.report)
    shared = Sharing(options.jobs, options.scheduler, options.resume)
    try:
        expecting = expected(options.known_failing, options.known_flaky, options.expected)
        plan = plan_of(options.examples, options.seconds, options.seed, options.oracles,
                       options.require, profile=options.profile, shared=shared.wanted)
        check_shared(shared, plan, options.report)
    except (ExpectationError, PlanError) as error:
        raise UsageError(str(error)) from error
    return Planned(plan, options.report, formats, shared, expecting,
                   getattr(options, "device", "cpu"))


def judged(subject: Subject, asked: Planned) -> tuple[list[str], Ended]:
    """What a run says, and how it ended; UsageError where it cannot be made."""
    from ..record.writing import RecordError
    from ..reference.checks import DescriptionError
    from ..running.api import PlanError, judge
    from ..running.workers import WorkersError

    expecting = asked.expecting
    try:
        with rare_collections():
            found = judge(subject, asked.plan, asked.directory, quiet=False, shared=asked.shared,
                          expecting=expecting, device=asked.device)
    except (DescriptionError, PlanError, RecordError, WorkersError) as error:
        raise UsageError(str(error)) from error
    said = [] if expecting is None else expecting.said(found)
    return [found.text(), *said], Ended(found.verdict, found.exit)
