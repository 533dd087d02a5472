"""The way out of code that catches whatever is raised in it.

`while True: try: ... finally: continue` swallows any exception, if it comes in the `try`. But every
handler has instructions around which there is one handler less: its own. So the frames are traced,
and the exception is raised again at the first instruction without a handler, or with fewer than
where it was raised before. A function that catches it all the same is left to do so at other times,
and a frame that called it is ended in its place. What a frame calls may also lose the exception in
C, as `__del__` does: then the frame's next instruction will do. Which of these is tried when is a
matter of chance, so that no rhythm of the code is that of the tries.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from random import Random
from types import CodeType, FrameType
from typing import Any, NamedTuple

MOST = 20  # handlers around one another, which Python's own compiler limits too
FEWER = (MOST, 1, 2, 0)  # handlers fewer than before


class Handler(NamedTuple):
    """The instructions that a handler is for, and where it stands, in bytes of the code."""

    start: int
    end: int
    target: int


def handlers(code: CodeType) -> Iterator[Handler]:
    """The handlers of a code object, out of its exception table."""
    numbers = _numbers(getattr(code, "co_exceptiontable", b""))
    for start in numbers:
        length, target, _ = next(numbers), next(numbers), next(numbers)
        yield Handler(2 * start, 2 * (start + length), 2 * target)


def _numbers(table: bytes) -> Iterator[int]:
    """The numbers of a table: six bits a byte, and a bit that says whether more follow."""
    value = 0
    for byte in table:
        value = value << 6 | byte & 63
        if not byte & 64:
            yield value
            value = 0


def around(code: CodeType, offset: int) -> int:
    """How many handlers are around one another at an instruction: the one it has, and that's own.
    """
    rows, count = list(handlers(code)), 0
    while count < MOST:
        target = next((row.target for row in rows if row.start <= offset < row.end), None)
        if target is None:
            break
        offset, count = target, count + 1
    return count


def _frames(frame: FrameType | None, block: FrameType | None) -> Iterator[FrameType]:
    while frame is not None and frame is not block:
        yield frame
        frame = frame.f_back


class Unwinding:
    """Raises `stop` where it is caught by less than before, in the frames that it began with."""

    def __init__(self, stop: type[BaseException]):
        self.stop = stop
        self.before: Any = sys.gettrace()
        self.most: dict[FrameType, int] = {}
        self.chance = Random(0)

    def begin(self, frame: FrameType | None, block: FrameType | None) -> None:
        """Watch this frame and those that called it, up to the one that holds the block.

        Or some of these, the outermost.
        """
        every, fewer = list(_frames(frame, block)), self.chance.choice(FEWER)
        self.most.clear()
        for each in every[self.chance.randrange(max(1, len(every))):]:
            before = around(each.f_code, each.f_lasti)
            self.most[each] = max(before - fewer, 0) if before or not fewer else -1
            each.f_trace, each.f_trace_opcodes = self._see, True
        sys.settrace(self._call)

    def end(self) -> None:
        """Put back the trace function that was there, and forget the frames."""
        self.most.clear()
        sys.settrace(self.before)

    def _call(self, frame: FrameType, event: str, argument: Any) -> None:
        """A new frame is not watched."""

    def _see(self, frame: FrameType, event: str, argument: Any) -> Any:
        most = self.most.get(frame, -1)
        if event == "opcode" and around(frame.f_code, frame.f_lasti) <= most:
            raise self.stop
        return self._see
