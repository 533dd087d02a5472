"""The other way round: somebody else's test runner has started us, and answers on our own streams.

Questions go to standard output, replies come from standard input; the last message is the verdict.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

from ..subject import Subject
from .command import greeted, hello
from .frames import TooLong, encoded, read_frame
from .process import Ended, Item
from .session import Listen, Session

TARGET = "serve"
NO_MORE = "there are no more replies"


class Streams:
    """What a session needs of a process, over two streams: it cannot be started again.

    Standard output is moved aside, so that only messages go there.
    """

    def __init__(self, command: Sequence[str] = ()):
        self.inbox: SimpleQueue[Item] = SimpleQueue()
        self.most, self.until, self.heard, self.over = 2**20, float("inf"), False, False
        self.asks_where, self.last = False, ""
        self._replies: BinaryIO = os.fdopen(os.dup(0), "rb")
        self._questions: BinaryIO = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, data: bytes) -> None:
        """Write a message."""
        self.heard = False
        try:
            self._questions.write(data)
            self._questions.flush()
        except OSError:
            self.inbox.put(Ended("nobody reads the questions any more"))

    def next(self) -> Item:
        """The next reply; Ended where it takes too long, or there are no more."""
        if self.over:
            return Ended(NO_MORE)
        left = min(self.until - time.monotonic(), threading.TIMEOUT_MAX)
        try:
            item = self.inbox.get(timeout=max(left, 0.0))
        except Empty:
            item = Ended("", late=True)
        self.over = isinstance(item, Ended) and not item.late
        return item

    def kill(self) -> None:
        """The other side is not ours to end: it is greeted again, and late replies have old ids."""

    close = kill

    def where(self) -> str:
        """Nobody knows where the other side is."""
        return ""

    def _read(self) -> None:
        why = NO_MORE
        try:
            while (item := read_frame(self._replies, lambda: self.most)) is not None:
                self.heard = True
                self.inbox.put(item)
        except (OSError, ValueError, TooLong) as error:
            why = f"the replies cannot be read: {error}"
        self.inbox.put(Ended(why))


class Guest:
    """The one conversation of a guest: `subject` who is asked, `end` says the verdict."""

    def __init__(self, listen: Listen | None = None):
        self._streams: Streams | None = None
        self.session: Any = Session((), hello(binary=listen is None), self._once, listen)

    def _once(self, command: Sequence[str]) -> Any:
        if self._streams is None:
            self._streams = Streams(command)
        return self._streams

    def subject(self) -> Subject:
        """The Subject that the other side says it is; TargetError where it says none."""
        return greeted(self.session, TARGET)

    def end(self, verdict: str, status: int, text: str) -> None:
        """The last message: the verdict, the exit status that comes with it, the report."""
        if self._streams is not None:
            self._streams.send(encoded({"verdict": verdict, "exit": status, "text": text}, False))
