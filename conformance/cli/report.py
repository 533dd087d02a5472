"""`backproof report DIR --format FORMAT`: one record, shown in one of several ways."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
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
    from .terminal import UsageError, put, say

    try:
        record = read(options.directory)
    except RecordError as error:
        raise UsageError(str(error)) from error
    text = render(options.format, record)
    out = options.out or ("-" if options.format in ("text", "annotations") else None)
    if out == "-":
        return put(text.removesuffix("\n"))
    if out:
        return say(f"wrote {written(Path(out), text)}")
    where = Path(options.directory)
    folder = where if os.path.isdir(where) else where.parent
    return say(f"wrote {placed(folder / RENDERINGS[options.format].file, text)}")


Write = Callable[[Path, str], object]


def in_place(path: Path, text: str) -> None:
    """Write what somebody named: a device or a pipe as well."""
    path.write_text(text, encoding="utf-8")


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


def rendered(directory: str | os.PathLike[str] | None, formats: list[str]) -> list[str]:
    """A line for each format, after writing it beside the record.

    Where there is no record, or no place for it, that is said, and the verdict stands.
    """
    from ..record.reading import read
    from ..record.writing import RecordError
    from ..renderings import render
    from .terminal import UsageError, complain

    try:
        record = read(directory) if formats and directory else None
        return [f"wrote {_beside(directory, name, render(name, record))}"
                for name in formats if record and directory]
    except (RecordError, UsageError) as error:
        complain(f"not shown: {error}")
        return []


def _beside(directory: str | os.PathLike[str], name: str, text: str) -> str:
    placed(Path(directory) / RENDERINGS[name].file, text)
    return os.path.join(str(directory), RENDERINGS[name].file)


def placed(path: Path, text: str) -> Path:
    """The same in a record's folder: whole or not at all, and never through a link."""
    from ..record.writing import write_whole

    return written(path, text.removesuffix("\n"), write_whole)


def written(path: Path, text: str, write: Write = in_place) -> Path:
    """The path, after writing it; UsageError where it cannot be."""
    from .terminal import UsageError

    try:
        write(path, text)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise UsageError(f"{path}: cannot be written: {why}") from error
    return path
