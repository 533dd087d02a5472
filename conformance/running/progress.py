"""How far a run has come: one line that rewrites itself on a terminal, one every 10 s elsewhere.

A long run tells its pace as well, that since the line before. All of it is ASCII.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple, TextIO

from ..record.harmless import line as harmless

if TYPE_CHECKING:
    from ..record.report import Finding, Report
    from ..reference import Case

REDRAW, REPEAT = 0.1, 10.0
LONG = 1000  # networks


class First(NamedTuple):
    """The first finding of a run, the seconds until it was known, its case where it has one."""

    seconds: float
    finding: Finding
    case: Case | None

    @property
    def line(self) -> str:
        """It in one line."""
        return f"{self.seconds:.1f} s: {self.finding.headline}"


class Progress:
    """`progress(done, planned, findings, seconds)` says how far a run has come.

    The end of the `with` block wipes it; quiet says nothing.

    A stream that is closed or broken is no reason to stop a run: what cannot be written is not.
    """

    def __init__(self, name: str = "", *, quiet: bool = False, stream: TextIO | None = None):
        stream = stream or sys.stderr
        self.name, self.stream = name, None if quiet or stream is None or stream.closed else stream
        self.rewrites = self.stream is not None and _is_terminal(self.stream)
        self.every = REDRAW if self.rewrites else REPEAT
        self.next, self.width = 0.0, 0
        self.of = "networks"
        self.before = 0, 0.0  # networks done and seconds, at the line before

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.width:
            self._write("\r" + " " * self.width + "\r")

    @property
    def listening(self) -> bool:
        """Whether anything is said at all."""
        return self.stream is not None

    def __call__(self, done: int, planned: int, findings: int, seconds: float) -> None:
        if self.listening and seconds >= self.next:
            self.next = seconds + self.every
            self._show(f"{self.name}: {done}/{planned} {self.of}, {_count(findings)}, "
                       f"{seconds:.0f} s{self._pace(done, planned, seconds)}")
            self.before = done, seconds

    def _pace(self, done: int, planned: int, seconds: float) -> str:
        """"; 850 a second, 70 s left", of a long run."""
        more, passed = done - self.before[0], seconds - self.before[1]
        if planned < LONG or more <= 0 or passed <= 0:
            return ""
        rate = more / passed
        return f"; {rate:.0f} a second, {_time((planned - done) / rate)} left"

    def ended(self, report: Report) -> None:
        """The run is over; a terminal shows its report, and nothing is said here."""

    def announce(self, first: First) -> None:
        """A line that stays: the first finding, long before the report."""
        if self.stream is not None:
            self._write("\r" + " " * self.width + "\r" if self.width else "")
            self._write(_ascii(f"{self.name}: {first.line}") + "\n")

    def _show(self, line: str) -> None:
        line = _ascii(line)
        if self.rewrites:
            line = line[: shutil.get_terminal_size().columns - 1]
            self._write("\r" + line.ljust(self.width))
            self.width = len(line)
        else:
            self._write(line + "\n")

    def _write(self, text: str) -> None:
        try:
            if self.stream is not None:
                self.stream.write(text)
                self.stream.flush()
        except (OSError, ValueError):
            self.stream = None


def _ascii(line: str) -> str:
    return harmless(line).encode("ascii", "replace").decode()


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _count(findings: int) -> str:
    return f"{findings} finding" + "s" * (findings != 1)
