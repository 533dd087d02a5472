"""Transcripts replayed both ways: replies to the judge, requests to the subject."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..plug.contract import BrokenContract
from ..plug.limits import TookTooLong
from ..plug.protocol.command import greeted
from ..plug.protocol.messages import ROOM, array_of
from ..plug.protocol.session import Died, Listen, Session
from ..plug.protocol.transcript import Transcript, Writer, Written, parsed, questions
from ..plug.refused import TargetError
from ..plug.subject import Subject
from ..record import files
from ..record.report import Report
from ..record.writing import RecordError, version
from .api import verify

LONGEST_LINE = 2**28  # bytes: a large network's message
ROUNDING = 1e-9  # of the largest entry: what two right programs may differ by, and more
Json = Any


@contextmanager
def transcribed(path: str | os.PathLike[str] | None, **header: Json) -> Iterator[Listen | None]:
    """What hears a conversation and writes it to the file; None where there is no file.

    Raises RecordError where it cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        with open(path, "w", encoding="utf-8", newline="\n") as stream:
            writer = Writer(stream, backproof=version(), **header)
            yield writer.listen
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise RecordError(f"transcript: {path} cannot be written: {why}") from error
    if writer.failed:
        raise RecordError(f"transcript: {path} is not whole: {writer.failed}")


def read(path: Path) -> Transcript:
    """The transcript of a file; TargetError, in one line, for what is none."""
    try:
        return parsed(path, files.lines(path, LONGEST_LINE))
    except files.UnreadableError as error:
        raise TargetError(str(error)) from error


PLAN: dict[str, type | tuple[type, ...]] = {
    "examples": int, "seconds": (int, float), "seed": int, "oracles": str, "profile": str}


def judged(transcript: Transcript) -> Report:
    """The report on the replies of a transcript, asked as its header says.

    Raises TargetError where there is no subject in it, PlanError for a plan that cannot be.
    """
    written: Any = Written(transcript)
    subject = greeted(written, str(transcript.header.get("target", "")))
    plan: dict[str, Any] = {name: transcript.header[name] for name, kind in PLAN.items()
                            if isinstance(transcript.header.get(name), kind)}
    return verify(subject, quiet=True, **plan)


class Compared(NamedTuple):
    """The replies to the questions of a transcript, beside those in it."""

    asked: int
    same: int       # in every bit
    close: int      # but for rounding
    others: list[str]

    def text(self) -> str:
        """The counts, and the first replies that are others."""
        head = (f"{self.asked} questions: {self.same} replies are the same, {self.close} differ by "
                f"rounding, {len(self.others)} are others")
        return "\n".join([head, *(f"  {each}" for each in self.others[:10]),
                          *(["  ..."] if len(self.others) > 10 else [])])


def asked_again(transcript: Transcript, subject: Subject) -> Compared:
    """All questions of a transcript, asked of a subject in a process of its own.

    Raises TargetError for one that is in none.
    """
    session: Session | None = getattr(subject.engine, "session", None)
    if session is None:
        raise TargetError(f"{subject.name} is asked in this process, where no messages are sent: "
                          "wanted a file's function without --in-process, or --command")
    asked = same = close = 0
    others: list[str] = []
    for question, before in questions(transcript):
        asked += 1
        how = _difference(question, before, session)
        same += how == 0.0
        close += isinstance(how, float) and 0.0 < how <= ROUNDING
        if isinstance(how, str) or how > ROUNDING:
            says = how if isinstance(how, str) else f"differs by {how:.1e} of its largest entry"
            others.append(f"question {question.get('id')}: {says}")
    return Compared(asked, same, close, others)


def _difference(question: Mapping[str, Json], before: Mapping[str, Json], session: Session
                ) -> float | str:
    """How far the replies are apart, over the largest entry; or in words how they are others."""
    message = {key: value for key, value in question.items() if key != "id"}
    try:
        frame = session.ask(message, ROOM + 64 * len(str(message)))
    except (Died, TookTooLong) as error:
        return str(error)
    now = {key: value for key, value in frame.message.items() if key != "binary"}
    kinds = [next((kind for kind in ("unsupported", "broken", "error") if kind in each), "result")
             for each in (before, now)]
    if kinds[0] != kinds[1]:
        return f"was {kinds[0]}, is {kinds[1]}"
    if kinds[0] != "result":
        return 0.0
    try:
        return _apart(dict(before), now, frame.block, str(question.get("dtype", "float64")))
    except (BrokenContract, KeyError, TypeError, ValueError) as error:
        return f"cannot be compared: {error}"


def _apart(before: dict[str, Json], now: dict[str, Json], block: bytes, dtype: str) -> float:
    import numpy as np

    worst = 0.0
    for name in ("loss", "gradients", "parameters"):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and "data" not in old and isinstance(new, Mapping):
            if old.keys() != new.keys():
                raise ValueError(f"{name} has other names")
            pairs = [(old[key], new[key]) for key in old]
        else:
            pairs = [] if old is None and new is None else [(old, new)]
        for one, other in pairs:
            a, b = (np.asarray(array_of(name, each, block, dtype), dtype=float)
                    for each in (one, other))
            if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
                raise ValueError(f"{name} has another shape, or is not finite elsewhere")
            size = float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) or math.ulp(0.0)
            worst = max(worst, float(np.abs(a - b)[np.isfinite(a)].max(initial=0.0)) / size)
    return worst
