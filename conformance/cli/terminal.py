"""What a command prints, and the one line that it ends with where it cannot be."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any


class UsageError(Exception):
    """One line for stderr; exit 2. more: lines to write or to fill in, below it."""

    def __init__(self, message: str, more: Sequence[str] = ()):
        super().__init__(message)
        self.more = tuple(more)


def complain(line: str, more: Sequence[str] = ()) -> None:
    """A line on stderr, by the program's name, and what there is to write below it."""
    print("\n".join([f"backproof: {line}", *([""] if more else []),
                     *(f"    {each}".rstrip() for each in more)]), file=sys.stderr, flush=True)


def survive(stream: Any) -> None:
    """A terminal that cannot show a character shows its escape."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


def say(*lines: str) -> int:
    """Print and flush; a reader that has gone away is no error. Returns 0."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
