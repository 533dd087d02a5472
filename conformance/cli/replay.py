"""`backproof replay CASE [TARGET]`: one case asked again, or written out as a plain test."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import targets, transcripts
from .terminal import complain, put, say

if TYPE_CHECKING:
    from ..reference import Case

DESCRIPTION = """\
Ask one implementation one case again: is the mistake that it showed fixed?

  python -m backproof replay out/cases/9f7234f2cef7.json my_file.py:backprop
  python -m backproof replay out/cases/9f7234f2cef7.json                a ready-made subject's
  python -m backproof replay out/cases/9f7234f2cef7.json my_file.py:backprop --as-test > test_it.py

It says FIXED (exit 0), FAILED with what is wrong (1), or ERROR (2). TARGET is as for `verify`.
Without it only a ready-made subject is asked; for any other the whole command is printed.
--as-test prints a pytest test with the numbers written out, which needs NumPy and your function,
and not backproof.

  python -m backproof replay transcript.jsonl                           its replies, to the judge
  python -m backproof replay transcript.jsonl --command "node my.js"    its questions, to a subject
"""


def add(command: Any) -> None:
    command.add_argument("case", metavar="CASE",
                         help="a case file, DIR/cases/<id>.json, or what --transcript has written")
    targets.add(command, f"{targets.TARGET} (default: the record's, where it is ready-made)")
    command.add_argument("--as-test", action="store_true",
                         help="print a stand-alone pytest test instead")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print what the case says now; UsageError where case or target cannot be had."""
    from ..plug.protocol.transcript import is_transcript
    from ..record.cases import case_json, is_trial, read_case
    from ..record.writing import RecordError
    from ..reference import DescriptionError
    from .terminal import UsageError

    if is_transcript(Path(options.case)):
        return transcripts.replayed(options)
    try:
        data = case_json(options.case)
        if is_trial(data):
            return _trial(data, options)
        case = read_case(options.case)
        if options.target is None and options.line is None:
            options.target = _ready_made(options)
            complain(f"TARGET is {options.target}, as the record says")
        return _as_test(case, options) if options.as_test else _replayed(case, options)
    except (RecordError, DescriptionError) as error:
        raise UsageError(str(error)) from error


def _trial(data: Any, options: argparse.Namespace) -> int:
    """A trial of a program, asked again or written out."""
    from ..running.programs import as_test, replay, trial_of
    from .terminal import UsageError

    trial = trial_of(data, options.case)
    if options.target is None:
        _ready_made(options)
    options.in_process = options.in_process or options.as_test
    with targets.opened(options, case=Path(options.case).stem) as program:
        if program.door != "program":
            raise UsageError(f"{options.case} is a trial of a program, and {options.target} is "
                             "none: see docs/programs.md")
        if options.as_test:
            return put(as_test(trial, program, targets.text_of(options)))
        said = replay(trial, program)
    say(said.text)
    return said.exit


def _as_test(case: Case, options: argparse.Namespace) -> int:
    """The test, of a subject that is loaded here: it is to be imported by the test as well."""
    from ..running.as_pytest import as_test

    options.in_process = True
    with targets.opened(options) as subject:
        return put(as_test(case, subject, targets.text_of(options)))


def _replayed(case: Case, options: argparse.Namespace) -> int:
    from ..running.replay import replay

    with targets.opened(options, case=case.id) as subject:
        said = replay(case, subject)
    say(said.text)
    return said.exit


def _ready_made(options: argparse.Namespace) -> str:
    """The record's subject where it comes with backproof; UsageError with what to type else."""
    from ..plug.subjects import SUBJECTS
    from ..record.cases import target_beside
    from .terminal import UsageError

    target = target_beside(options.case)
    if target in SUBJECTS:
        return target
    words = ["python", "-m", "backproof", "replay", options.case, target or "TARGET"]
    command = shlex.join([*words, *(["--as-test"] if options.as_test else [])])
    raise UsageError("a record is data, and names code: what it names is not run unless you name "
                     "it. Type, if you trust it:", [command])
