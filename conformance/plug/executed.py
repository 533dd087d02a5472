"""While a file is imported: whether it is at work, which somebody should hear of."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Announce = Callable[[str], None]
SECONDS, LINES = 2.0, 40
SAYS = ("{} is executed when it is imported{}: put training under `if __name__ == '__main__'`, "
        "to verify without it")


@contextmanager
def executed(name: str, announce: Announce | None) -> Iterator[None]:
    """Announce once that the file is executed, where that takes two seconds or prints 40 lines."""
    if announce is None:
        yield
        return
    once = _Once(name, announce)
    timer = threading.Timer(SECONDS, once, [f", and still runs after {SECONDS:g} s"])
    timer.daemon = True
    stream, sys.stdout = sys.stdout, _Counted(sys.stdout, once)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        sys.stdout = stream


class _Once:
    """Announces, the first time that it is called."""

    def __init__(self, name: str, announce: Announce):
        self.name, self.announce, self.said = name, announce, False

    def __call__(self, why: str) -> None:
        if not self.said:
            self.said = True
            self.announce(SAYS.format(self.name, why))


class _Counted:
    """A stream that counts the lines written to it."""

    def __init__(self, stream: Any, once: _Once):
        self._stream, self._once, self._lines = stream, once, 0

    def write(self, text: str) -> Any:
        """What the stream's own write returns."""
        self._lines += text.count("\n")
        if self._lines >= LINES:
            self._once(f", and prints {LINES} lines")
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
