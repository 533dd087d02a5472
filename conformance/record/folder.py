"""The folder of a record: one run has it at a time, and clears what the run before made of its own.

It holds the record, its summary, its cases, and what was rendered from them. Nothing here follows a
link, which could lead anywhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..reference.checks import BackproofError

if TYPE_CHECKING:
    from filelock import BaseFileLock

LINES, SUMMARY, CASES, LOCK = "report.jsonl", "report.json", "cases", ".lock"
# What is rendered beside a record, and says of the next one what is not so.
RENDERED = ("report.html", "report.md", "report.txt", "junit.xml", "badge.json", "annotations.txt")
WANTED: Mapping[str, tuple[Callable[[int], bool], str]] = {
    CASES: (stat.S_ISDIR, "a folder"), LINES: (stat.S_ISREG, "an ordinary file"),
    LOCK: (stat.S_ISREG, "an ordinary file")}


class RecordError(BackproofError):
    """The record cannot be written where it was asked for, or is none to read."""


def taken(folder: Path, named: object) -> BaseFileLock | None:
    """Make the folder, clear it, and keep every other run out of it until the lock is released.

    named: what messages call it. None where the file system has no locks. Raises RecordError where
    another run has it, or something is in its way; OSError where the disk does not let it.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise RecordError(f"report: {named} is a file, wanted a directory")
    folder.mkdir(parents=True, exist_ok=True)
    for name, (is_wanted, words) in WANTED.items():
        if os.path.lexists(folder / name) and not is_wanted((folder / name).lstat().st_mode):
            raise RecordError(f"report: {name} in {named} is no such thing: wanted {words}, which "
                              "is no link, or nothing")
    lock = _locked(folder / LOCK, named)
    (folder / CASES).mkdir(exist_ok=True)
    for name in (LINES, SUMMARY, *RENDERED):
        if os.path.lexists(folder / name) and stat.S_ISREG((folder / name).lstat().st_mode):
            (folder / name).unlink()
    return lock


def _locked(path: Path, named: object) -> BaseFileLock | None:
    from filelock import FileLock, Timeout

    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise RecordError(f"report: another run is writing into {named}: wait for it, or name "
                          "another directory") from error
    except NotImplementedError:
        return None
    return lock
