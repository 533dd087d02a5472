"""`backproof scoreboard DIR...`: several records on one page, subjects before features."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

DESCRIPTION = """\
Put several records on one page that needs nothing else: every subject before every feature, with
its verdict.

  python -m backproof scoreboard records/* --out scoreboard.html

A subject is linked to its own page where DIR/report.html is there:
`backproof report DIR --format html` writes it.
"""


def add(command: Any) -> None:
    command.add_argument("directories", nargs="+", metavar="DIR",
                         help="a record: a directory, or its report.jsonl")
    command.add_argument("--out", default="scoreboard.html", metavar="FILE",
                         help="where to write it; - is the terminal (default scoreboard.html)")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Write the page; 0. UsageError for what is no record, or cannot be written."""
    from ..record.reading import read
    from ..record.writing import RecordError
    from ..renderings.scoreboard import Row, render
    from .report import written
    from .terminal import UsageError, put, say

    out = Path("." if options.out == "-" else options.out)
    folder = out if options.out == "-" else out.parent
    try:
        rows = [Row(read(each), link(Path(each), folder)) for each in options.directories]
    except RecordError as error:
        raise UsageError(str(error)) from error
    if options.out == "-":
        return put(render(rows).removesuffix("\n"))
    return say(f"wrote {written(out, render(rows))}")


def link(record: Path, folder: Path) -> str:
    """From the scoreboard's folder to the record's own page; "" where there is none."""
    page = (record if os.path.isdir(record) else record.parent) / "report.html"
    if not os.path.isfile(page):
        return ""
    try:
        return quote(Path(os.path.relpath(page, folder)).as_posix())
    except (OSError, ValueError):  # on another drive; or the current folder is gone
        return ""
