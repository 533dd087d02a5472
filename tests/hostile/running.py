"""One hostile subject through `backproof verify`: its verdict, its exit status, its record, its time."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from backproof import cli
from backproof.plug.protocol import process
from backproof.record.reading import read
from backproof.record.report import EXITS
from command_rows import Program
from python_rows import Row

SECONDS = 20
OVER = 2.0           # seconds
START = 3.0          # for the command and the worker to start
BOUND = 2e9          # bytes, in the place of most of this machine
NETWORKS = 8
OPTIONS = ("--examples", str(NETWORKS), "--seconds", str(SECONDS), "--oracles", "differences")
SPARED = "deletes the record's folder"  # has none that could be read


class Seen(NamedTuple):
    """What came of a subject; `wrong`: why it is not what it must be, "" where it is."""

    name: str
    verdict: str
    seconds: float
    said: str
    wrong: str


def target_of(row: Row | Program, folder: Path, record: Path) -> list[str]:
    """The words of the command line that say who is asked."""
    if isinstance(row, Program):
        return ["--command", row.written(folder)]
    (folder / "mine.py").write_text(row.text.replace("RECORD", repr(str(record))), encoding="utf-8")
    return [f"{folder / 'mine.py'}:backprop"]


def verified(row: Row | Program, folder: Path, apart: bool = False) -> Seen:
    """Verify it, by the command in this process, or `apart` by a command in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "out"
    words = ["verify", *target_of(row, folder, record), *OPTIONS, "--report", str(record)]
    start = time.monotonic()
    status, said = _apart(words) if apart else _here(words)
    seconds = time.monotonic() - start
    return Seen(row.name, _verdict(record, status), seconds, said, "; ".join(_wrong(row, record, status, said, seconds)))


def _here(words: Sequence[str]) -> tuple[int, str]:
    out, available = io.StringIO(), process._available
    process._available = lambda: BOUND
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            return cli.main(words), out.getvalue()
    finally:
        process._available = available


def _apart(words: Sequence[str]) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "backproof", *words], capture_output=True, timeout=300, check=False)
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "backslashreplace")


def _verdict(record: Path, status: int) -> str:
    """What the record says; where there is none, what the exit status means."""
    try:
        return str(json.loads((record / "report.json").read_text("utf-8"))["verdict"])
    except (OSError, ValueError, KeyError):
        return next((name for name, number in EXITS.items() if number == status), str(status))


def _wrong(row: Row | Program, record: Path, status: int, said: str, seconds: float) -> Iterator[str]:
    """All that is not as it must be."""
    found = _verdict(record, status)
    if found != row.verdict:
        yield f"is {found}, not {row.verdict}"
    if status != EXITS[row.verdict]:
        yield f"exit status {status}"
    if "Traceback (most recent call last)" in said and "backproof" in said.partition("Traceback")[2]:
        yield "a traceback"
    if any((ord(c) < 32 and c != "\n") or c in "\u202e\x7f" for c in said):
        yield "a terminal would obey what it says"
    if any(line.startswith("::") for line in said.splitlines()):
        yield "a log would obey what it says"
    if len(said) > 20_000:
        yield f"says {len(said)} characters"
    if seconds > SECONDS + OVER + START:
        yield f"took {seconds:.0f} s"
    if found != "not_judged" and row.name != SPARED:
        yield from _unreadable(record, found)


def _unreadable(record: Path, verdict: str) -> Iterator[str]:
    try:
        run = read(record)
    except Exception as error:
        yield f"its record: {type(error).__name__}: {error}"
        return
    if run.report.verdict != verdict:
        yield f"its record says {run.report.verdict}"
    if run.report.networks < NETWORKS and not run.report.ended:
        yield f"no more was asked after network {run.report.networks}"
