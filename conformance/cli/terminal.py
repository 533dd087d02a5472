"""What a command prints, and the one line that it ends with where it cannot be."""

from __future__ import annotations

import os
import sys
from typing import Any


class UsageError(Exception):
    """One line for stderr; exit 2."""


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
