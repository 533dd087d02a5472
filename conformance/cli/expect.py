"""`backproof expect DIR`: does a run fail as `backproof-expected.txt` says, and in no other way?"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..record.reading import Run

DESCRIPTION = """\
Compare a record with the file of known failures: 0 where the run fails as it says and in no other
way, else 1.

  python -m backproof expect out                          against backproof-expected.txt
  python -m backproof expect out --file known.txt --fix   write the file anew

A line of the file is an id, a reason in as many words as it takes, and a link:

  reference:bias:bias-averaged-over-batch  known since 0.1  https://example.org/issues/12

Lines that begin with # and blank lines are free. An id that is listed and passes, fails differently
or was not run is an error. --fix drops the ids that pass and adds the new ones, whose reason and
link a person writes: until then the file is refused. It keeps everything else, and refuses a run
that was cut short.
"""


def add(command: Any) -> None:
    command.add_argument("directory", metavar="DIR",
                         help="the record: a directory, or its report.jsonl")
    command.add_argument("--file", default="backproof-expected.txt", metavar="FILE",
                         help="the known failures (default backproof-expected.txt)")
    command.add_argument("--fix", action="store_true",
                         help="write the file so that it says what the run says")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """0 as expected, 1 not; UsageError for a file or a record that cannot be taken."""
    from ..record.expectations import ExpectationError
    from ..record.reading import read
    from ..record.writing import RecordError
    from .terminal import UsageError

    try:
        record = read(options.directory)
        judged(record, options.directory)
        return (fix if options.fix else compare)(record, Path(options.file))
    except (ExpectationError, RecordError) as error:
        raise UsageError(str(error)) from error


def judged(record: Run, where: str) -> None:
    """ExpectationError for a run that came to no verdict on the gradient."""
    from ..record.expectations import JUDGED, ExpectationError

    report = record.report
    if report.verdict not in JUDGED:
        why = f" ({report.reason})" if report.reason else ""
        verdict = report.verdict.replace("_", " ")
        raise ExpectationError(f"{where}: the run is {verdict}{why}: wanted a whole one")


def compare(record: Run, path: Path) -> int:
    """Say what is not as expected."""
    from ..record.expectations import as_expected, load
    from .terminal import say

    said, status = as_expected(load(path), record.report, path.name)
    say(*said)
    return status


def fix(record: Run, path: Path) -> int:
    """Write the file, whole or not at all; what was changed is said."""
    from ..record.expectations import fixed, text_of
    from .terminal import say

    whole(record)
    old = text_of(path) if os.path.lexists(path) else ""
    new, said = fixed(path.name, old, record.report)
    if new != old.removesuffix("\n"):
        write(path, new)
        said.append(f"wrote {path}")
    say(*(said or [f"{path}: nothing to change"]))
    return 0


def whole(record: Run) -> None:
    """Raise ExpectationError for a run that did not ask all the networks of its plan.

    What it did not see may still fail.
    """
    from ..record.expectations import ExpectationError
    from ..record.notes import NoteKind

    report, planned = record.report, record.header.get("plan", {}).get("examples")
    cut: list[object] = [note for note in report.notes if note.kind is NoteKind.CUT_SHORT]
    if type(planned) is int and report.networks < planned:
        cut.append(f"{report.networks} of {planned} networks")
    if cut:
        raise ExpectationError(f"--fix: the run was cut short ({cut[0]}): wanted a whole one, "
                               "with more --seconds or fewer --examples")


def write(path: Path, text: str) -> None:
    """ExpectationError where the file cannot be written; then it is as it was."""
    from ..record.expectations import ExpectationError
    from ..record.writing import write_whole

    try:
        write_whole(path, text)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise ExpectationError(f"{path}: cannot be written: {why}") from error
