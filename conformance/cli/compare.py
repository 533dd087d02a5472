"""`backproof compare OLD NEW`: what got worse between two records, and what got better."""

from __future__ import annotations

import argparse
from typing import Any

FORMATS = ("text", "markdown", "json")
DESCRIPTION = """\
Compare two records: newly failing, newly passing, lost coverage, lost digits. Exit 1 where
something got worse.

  python -m backproof compare last-week today
  python -m backproof compare last-week today --format markdown >> "$GITHUB_STEP_SUMMARY"

Digits are the median over a run's comparisons: from seed to seed they move by a few tenths. One
digit less is ten times the error, and no accident: --digits says how many are too many.
"""


def add(command: Any) -> None:
    command.add_argument("old", metavar="OLD", help="a record: a directory, or its report.jsonl")
    command.add_argument("new", metavar="NEW", help="the record to compare with it")
    command.add_argument("--format", choices=FORMATS, default="text", metavar="FORMAT",
                         help=", ".join(FORMATS))
    command.add_argument("--digits", type=float, default=1.0, metavar="D",
                         help="digits of agreement that may be lost (default 1)")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """1 where something got worse, else 0; UsageError for what is no record."""
    from ..record.comparison import compare
    from ..record.reading import read
    from ..record.writing import RecordError
    from ..renderings.comparison import FORMS
    from .terminal import UsageError, put

    if not 0 <= options.digits < float("inf"):
        raise UsageError(f"--digits: wanted a number, 0 or more; received {options.digits}")
    try:
        compared = compare(read(options.old), read(options.new), options.digits)
    except RecordError as error:
        raise UsageError(str(error)) from error
    put(FORMS[options.format](compared))
    return 1 if compared.worse else 0
