"""What a subject prints in its own process, for whoever looks on: the first lines of it."""

from __future__ import annotations

from collections.abc import Callable

LINES, LETTERS = 40, 2_000
FATAL = "Fatal Python error"
STACK = ("File ", "Thread ", "Current thread ", "Extension modules", FATAL)
MORE = "further lines that the subject prints are left out"


class Printed:
    """Takes a log as it comes, and shows its first lines, but for empty ones and a Python's stack.
    """

    def __init__(self, show: Callable[[str], None], most: int = LINES):
        self.show, self.left = show, most
        self._begun = b""

    def __call__(self, data: bytes) -> None:
        if self.left < 0:
            return
        *lines, begun = (self._begun + data).split(b"\n")
        self._begun = begun[:LETTERS]
        for line in lines:
            self._line(line[:LETTERS].decode("utf-8", "backslashreplace"))

    def _line(self, line: str) -> None:
        if self.left >= 0 and line.strip() and not line.strip().startswith(STACK):
            self.show(line if self.left else MORE)
            self.left -= 1
