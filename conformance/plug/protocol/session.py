"""A conversation with a process: it is greeted, asked one thing after another, and replaced.

Where the process dies, hangs, or says what nobody can read, the question that it was asked gets
that for an answer, and the next question goes to a new process. A reply that came is never lost.
"""

from __future__ import annotations

import itertools
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..asked import QUESTION_SECONDS
from ..limits import TookTooLong
from ..refused import TargetError
from .frames import Frame, Stray, encoded
from .process import Ended, Process, last_words

SECONDS = QUESTION_SECONDS
EARLIER = 0.3          # than whoever asks would give up: so it can be said where the process was
GREETING_MOST = 2**20  # bytes
STDOUT = "stdout is for messages alone: print to stderr"
FLUSH = "nothing came: does it flush its output after each line?"
Json = Any
Listen = Callable[[str, dict[str, Json]], None]


class Died(Exception):  # noqa: N818 - about the subject, not an error of ours
    """The process ended while it was asked, or its reply could not be read."""


class Asked(NamedTuple):
    """A question on its way, and how many bytes its reply may have."""

    message: dict[str, Json]
    most: int


class Session:
    """A command that is started when it is first needed, and again after it has died.

    greeting: the first message; `hello` is the reply to it. listen(direction, message) hears of all
    questions and replies, "to" and "from" the process; progress of what else it tells. `notes`:
    what was odd but no failure. own_clock: whether the process ends its own questions in time, and
    says where it is when it is asked by a signal. unready: what is said before the reason where
    there is no hello.
    """

    def __init__(self, command: Sequence[str], greeting: dict[str, Json],
                 start: Callable[[Sequence[str]], Process] = Process,
                 listen: Listen | None = None, own_clock: bool = False,
                 progress: Callable[[str], None] = lambda _: None,
                 unready: str = "command: no reply to hello"):
        self.command, self.greeting, self.start, self.listen = command, greeting, start, listen
        self.hello: dict[str, Json] = {}
        self.notes = set[str]()
        self.own_clock, self.progress, self.unready = own_clock, progress, unready
        self._ids, self._within = itertools.count(1), SECONDS
        self._process: Process | None = None
        self._close: weakref.finalize[..., Any] | None = None

    # --- the process ------------------------------------------------------------------------------

    def greet(self, seconds: float = SECONDS) -> dict[str, Json]:
        """Start the process and greet it; its reply.

        One that takes its place later has as long. Raises TargetError where it cannot be started,
        dies, or says no hello in time.
        """
        self._within = seconds
        self._process = process = self.start(self.command)
        process.asks_where = self.own_clock
        self._close = weakref.finalize(self, process.close)
        try:
            frame = self._one(process, 0, Asked(self.greeting, GREETING_MOST), seconds)
        except TookTooLong as error:
            self.drop()
            raise TargetError(f"{self.unready}: {error}") from error
        except Died as error:
            self.drop()
            raise TargetError(f"{self.unready}: {error}", process.last.splitlines()[-5:]) from error
        except BaseException:
            self.drop()
            raise
        self.hello = frame.message
        return self.hello

    def _alive(self) -> Process:
        if self._process is None:  # one that has died unasked says so to the next question
            try:
                self.greet(self._within)
            except TargetError as error:
                raise Died(f"it cannot be started again: {error}") from error
        assert self._process is not None
        return self._process

    def drop(self) -> None:
        """End the process; the next question starts another."""
        process, self._process = self._process, None
        if self._close is not None:
            self._close.detach()
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Let the process leave; after it nothing is asked any more."""
        process, self._process = self._process, None
        if self._close is not None:
            self._close.detach()
        if process is not None:
            process.close()

    # --- questions --------------------------------------------------------------------------------

    @property
    def binary(self) -> bool:
        """Whether arrays travel in blocks, as the process has agreed to."""
        return self.hello.get("binary") is True

    def ask(self, message: dict[str, Json], most: int) -> Frame:
        """The reply to one question.

        Raises Died where the process ends instead, TookTooLong after SECONDS.
        """
        process = self._alive()
        try:
            return self._one(process, next(self._ids), Asked(message, most), SECONDS)
        except BaseException:
            self.drop()  # what it would still say is no reply to another question
            raise

    def ask_all(self, asked: Sequence[Asked], most: int) -> Iterator[Frame | Exception]:
        """The replies to several questions, in their order; up to `most` of them on their way.

        Those that were on their way when the process died are asked again, one after another, so
        that the one which it dies of is known.
        """
        replies: dict[int, Frame | Exception] = {}
        try:
            self._together(asked, most, replies)
        except (Died, TookTooLong):
            self.drop()
        for number, each in enumerate(asked):
            if number not in replies:
                replies[number] = self._or_error(each)
            yield replies.pop(number)

    def _or_error(self, asked: Asked) -> Frame | Exception:
        try:
            return self.ask(*asked)
        except (Died, TookTooLong) as error:
            return error

    def _together(self, asked: Sequence[Asked], most: int,
                  replies: dict[int, Frame | Exception]) -> None:
        process, left = self._alive(), iter(enumerate(asked))
        places: dict[int, int] = {}
        try:
            while places or len(replies) < len(asked):
                for place, each in itertools.islice(left, most - len(places)):
                    number = next(self._ids)
                    places[number] = place
                    self._send(process, number, each, SECONDS)
                frame = self._reply(process, set(places), SECONDS)
                replies[places.pop(frame.message["id"])] = frame
        except (Died, TookTooLong):
            raise
        except BaseException:
            self.drop()
            raise

    def _one(self, process: Process, number: int, asked: Asked, seconds: float) -> Frame:
        self._send(process, number, asked, seconds)
        return self._reply(process, {number}, seconds)

    def _send(self, process: Process, number: int, asked: Asked, seconds: float) -> None:
        message = {"id": number, **asked.message}
        process.most = max(process.most, asked.most)
        process.until = time.monotonic() + seconds - EARLIER
        self._tell("to", message)
        process.send(encoded(message, self.binary))

    def _reply(self, process: Process, numbers: set[int], seconds: float) -> Frame:
        stray: Stray | None = None
        process.until = time.monotonic() + seconds - EARLIER
        try:
            while True:
                item = process.next()
                if isinstance(item, Stray):
                    stray = item
                    self.notes.add(f"a line that is no message, {item.why}; {STDOUT}")
                elif isinstance(item, Ended):
                    raise _end(item, process, stray, seconds)
                elif "progress" in item.message:
                    self.progress(str(item.message["progress"]))
                elif _id(item) in numbers:
                    self._tell("from", item.message)
                    return item
                else:
                    self.notes.add("a reply with an id that was not asked, or was answered before")
        finally:
            process.until = float("inf")

    def _tell(self, direction: str, message: dict[str, Json]) -> None:
        if self.listen is not None:
            self.listen(direction, message)


def _id(frame: Frame) -> Json:
    """The id of a reply; None where it is none."""
    number = frame.message.get("id")
    return number if isinstance(number, int | float) else None


def _end(ended: Ended, process: Process, stray: Stray | None, seconds: float) -> Exception:
    """What a question gets for an answer from a process that has ended."""
    said = f"; on its stdout was {stray.text!r}, {stray.why}: {STDOUT}" if stray else ""
    if ended.late:
        silent = "" if process.heard or ended.why else f"; {FLUSH}"
        return TookTooLong(f"no answer within {seconds:g} s{ended.why}{said or silent}", seconds)
    words = last_words(process.last)
    where = "" if "(" in ended.why else process.where()
    last = f"; last on its stderr: {words}" if words else ""
    return Died(f"{ended.why}{where}{said}{last}")
