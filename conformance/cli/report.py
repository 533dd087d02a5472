"""`backproof report DIR --format FORMAT`: one record, shown in one of several ways."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..renderings import RENDERINGS

DESCRIPTION = """\
Show a record: what `verify --report DIR` wrote, or is still writing. It needs DIR/report.jsonl and
nothing else.

  python -m backproof report out                          as text
  python -m backproof report out --format html            writes out/report.html
  python -m backproof report out --format markdown --out - >> "$GITHUB_STEP_SUMMARY"

A record without its last line is of a run that did not end: every format says "incomplete" and what
is missing.
"""


def add(command: Any) -> None:
    command.add_argument("directory", metavar="DIR",
                         help="the record: a directory, or its report.jsonl")
    command.add_argument("--format", choices=RENDERINGS, default="text", metavar="FORMAT",
                         help="; ".join(f"{name}: {row.says}" for name, row in RENDERINGS.items()))
    command.add_argument("--out", metavar="FILE",
                         help="where to write it; - is the terminal (default: in DIR)")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Render; 0. UsageError for what is no record, or cannot be written."""
    from ..record.reading import read
    from ..record.writing import RecordError
    from ..renderings import render
    from .terminal import UsageError, say

    try:
        record = read(options.directory)
    except RecordError as error:
        raise UsageError(str(error)) from error
    text = render(options.format, record)
    out = options.out or ("-" if options.format in ("text", "annotations") else None)
    if out == "-":
        say(text.removesuffix("\n"))
    else:
        where = Path(options.directory)
        folder = where if where.is_dir() else where.parent
        path = Path(out) if out else folder / RENDERINGS[options.format].file
        say(f"wrote {written(path, text)}")
    return 0


def chosen(formats: str | None, directory: str | None) -> list[str]:
    """The formats of a list with commas.

    Raises UsageError for one that is unknown, or where there is no record to show.
    """
    from .terminal import UsageError

    names = [name.strip() for name in (formats or "").split(",") if name.strip()]
    for name in names:
        if name not in RENDERINGS:
            raise UsageError(f"--format: unknown format {name!r}; there is {', '.join(RENDERINGS)}")
    if names and not directory:
        raise UsageError("--format: needs --report DIR, "
                         "the folder for the record and what shows it")
    return names


def rendered(directory: str, formats: list[str]) -> list[str]:
    """A line for each format, after writing it beside the record."""
    from ..record.reading import read
    from ..renderings import render

    record = read(directory) if formats else None
    return [f"wrote {written(Path(directory) / RENDERINGS[name].file, render(name, record))}"
            for name in formats if record]


def written(path: Path, text: str) -> Path:
    """The path, after writing it; UsageError where it cannot be."""
    from .terminal import UsageError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UsageError(f"{path}: cannot be written: {why}") from error
    return path
