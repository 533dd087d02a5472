"""A conversation written down, and a conversation with what was written down."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from ..contract import Declined
from ..refused import TargetError
from .frames import Frame, encoded
from .session import Asked

VERSION = 1
Json = Any
Message = dict[str, Json]


class Writer:
    """Writes a header, then a line for every message; `listen` hears them.

    Where the disk does not let it, nothing more is written, and `failed` says why.
    """

    def __init__(self, stream: TextIO, **header: Json):
        self.stream, self.failed = stream, ""
        self._line({"transcript": VERSION, **header})

    def listen(self, direction: str, message: Message) -> None:
        """A message "to" the subject or "from" it."""
        self._line({direction: message})

    def _line(self, data: Message) -> None:
        if self.failed:
            return
        try:
            self.stream.write(encoded(data, binary=False).decode())
        except OSError as error:
            self.failed = error.strerror or type(error).__name__


class Transcript(NamedTuple):
    """A transcript that was read: its header, and (direction, message) in their order."""

    header: Message
    messages: Sequence[tuple[str, Message]]

    @property
    def exchanges(self) -> list[tuple[Message, Message | None]]:
        """Every question with its reply, None where there was none."""
        replies = {message.get("id"): message for direction, message in self.messages
                   if direction == "from"}
        return [(message, replies.get(message.get("id"))) for direction, message in self.messages
                if direction == "to"]


def is_transcript(path: Path) -> bool:
    """Whether a file begins as a transcript does; nothing more is read."""
    if not path.is_file():
        return False
    with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as stream:
        return stream.read(20).startswith('{"transcript":')
    return False


def parsed(path: Path, lines: Iterable[str]) -> Transcript:
    """The transcript of the lines of a file; TargetError, in one line, for what is none."""
    objects = [_object(path, number, line) for number, line in enumerate(lines, 1)]
    if not objects or objects[0].get("transcript") != VERSION:
        raise TargetError(f"{path}: is no transcript of version {VERSION}")
    return Transcript(objects[0], [(direction, line[direction]) for line in objects[1:]
                                   for direction in ("to", "from")
                                   if isinstance(line.get(direction), dict)])


def _object(path: Path, number: int, line: str) -> Message:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise TargetError(f"{path}: line {number} is no JSON object")
    return data


class Written:
    """A session whose replies are those of a transcript, by what is asked.

    A question that was asked several times has its replies in their order, the last one again
    after it. One that was never asked is declined.
    """

    def __init__(self, transcript: Transcript):
        self.notes = set[str]()
        self.hello: Message = {}
        self._replies: dict[str, deque[Message]] = defaultdict(deque)
        for asked, reply in transcript.exchanges:
            if asked.get("ask") == "hello" and reply is not None:
                self.hello = reply
            elif reply is not None:
                self._replies[_key(asked)].append(reply)

    def greet(self, seconds: float = 0.0) -> Message:
        """The hello that was said."""
        if not self.hello:
            raise TargetError("transcript: there is no hello in it")
        return self.hello

    def ask(self, message: Mapping[str, Json], most: int) -> Frame:
        """The reply that was given; Declined where this was not asked."""
        replies = self._replies.get(_key(json.loads(encoded(dict(message), binary=False))))
        if not replies:
            raise Declined("not in the transcript")
        return Frame(replies.popleft() if len(replies) > 1 else replies[0])

    def ask_all(self, asked: Sequence[Asked], most: int) -> Iterator[Frame | Exception]:
        """The replies to several questions."""
        for each in asked:
            try:
                yield self.ask(*each)
            except Declined as error:
                yield error

    def close(self) -> None:
        """Nothing is open."""


def _key(message: Mapping[str, Json]) -> str:
    """What is asked, without the number of the question."""
    return json.dumps({k: v for k, v in message.items() if k != "id"}, sort_keys=True)


def questions(transcript: Transcript) -> Iterator[tuple[Message, Message]]:
    """The questions that got a reply, with it, the greeting left out."""
    return ((asked, reply) for asked, reply in transcript.exchanges
            if reply is not None and asked.get("ask") != "hello")
