"""`backproof verify TARGET`: ask one implementation, and judge its answers."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..record.place import Place
from ..running.profiles import listed
from . import report
from .terminal import UsageError, complain, say

DESCRIPTION = """\
Verify one implementation: ask it for the gradients of random networks and judge the answers.

  python -m backproof verify my_file.py:backprop
  python -m backproof verify package.module:name --examples 1000 --seconds 120
  python -m backproof verify scikit-learn-regressor --require torch,jax --report out
  python -m backproof verify my_file.py:backprop --examples 100000 --jobs 4 --report out

TARGET is file.py:name, package.module:name, or one of `python -m backproof list subjects`; file.py
alone where it has one function that may be meant. A file is imported as `python file.py` would
import it: put training under `if __name__ == '__main__'`.
"""
EPILOG = """\
exit status:
  0  conforms: every check passed, and there were enough of them to tell
  1  does not conform: the mistakes are listed, each with the smallest case that shows it
  2  not judged: the target cannot be imported or called, or an option cannot be
  3  incomplete: interrupted, or too few checks to say "conforms"
"""


def add(command: Any) -> None:
    option = command.add_argument
    option("target", metavar="TARGET",
           help="file.py:name, package.module:name or a ready-made subject")
    option("--examples", type=int, metavar="N",
           help="random networks to ask (default 300, or 14 for every structure claimed)")
    option("--seconds", type=float, metavar="S", help="stop after so many seconds (default 60)")
    option("--profile", default="default", metavar="NAME", help=f"how much is asked: {listed()}")
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
    option("--jobs", type=int, default=1, metavar="N",
           help="so many processes share what is beyond 300 examples (default 1)")
    option("--scheduler", metavar="ADDRESS",
           help="the workers of a Dask scheduler share it: tcp://host:8786")
    option("--resume", action="store_true",
           help="go on with the interrupted run in bulk that DIR of --report holds")
    command.set_defaults(command=run)


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
    from ..plug.targets import TargetError
    from ..record.expectations import ExpectationError, as_expected, load
    from ..record.writing import RecordError
    from ..running.api import PlanError, Sharing, check_shared, judge, plan_of, subject_for
    from ..running.workers import WorkersError

    formats = report.chosen(options.format, options.report)
    shared = Sharing(options.jobs, options.scheduler, options.resume)
    try:
        known = load(options.expected) if options.expected else None
        plan = plan_of(options.examples, options.seconds, options.seed, options.oracles,
                       options.require, profile=options.profile, shared=shared.wanted)
        check_shared(shared, plan, options.report)
        with rare_collections():
            subject = subject_for(options.target, complain)
            if subject.target != options.target:
                complain(f"{options.target}: verifies {subject.target}, the one that may be meant")
            found = judge(subject, plan, options.report, quiet=False, shared=shared)
    except TargetError as error:
        raise UsageError(str(error), error.more) from error
    except (ExpectationError, PlanError, RecordError, WorkersError) as error:
        raise UsageError(str(error)) from error
    said, status = (([], found.exit) if known is None
                    else as_expected(known, found, options.expected))
    say(found.text(), *said)
    say(*report.rendered(options.report, formats))
    return status
