"""What a command prints, and the one line that it ends with where it cannot be."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ..record import harmless


class UsageError(Exception):
    """One line for stderr; exit 2. more: lines to write or to fill in, below it."""

    def __init__(self, message: str, more: Sequence[str] = ()):
        super().__init__(message)
        self.more = tuple(more)


class UnsaidError(Exception):
    """Standard output is closed or full: what a command had to say was not said."""


def complain(line: str, more: Sequence[str] = ()) -> None:
    """A line on stderr, by the program's name, and what there is to write below it.

    Where stderr is closed or full nobody is told, and that is all.
    """
    aside(f"backproof: {line}", *([""] if more else []),
          *(f"    {each}".rstrip() for each in more))


def aside(*lines: str) -> None:
    """Lines on stderr, each harmless; nobody is told where it is closed or full."""
    if sys.stderr is None:
        return
    try:
        print("\n".join(map(harmless.line, lines)), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _give_up(sys.stderr)


def survive(stream: Any) -> None:
    """A terminal that cannot show a character shows its escape."""
    if hasattr(stream, "reconfigure"):
        with suppress(OSError, ValueError):
            stream.reconfigure(errors="backslashreplace")


def occupy() -> None:
    """A number that a closed stream has left is given to no file: else prints would go into it."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def say(*lines: str) -> int:
    """Print and flush, each line harmless: see `put`."""
    return put(*(harmless.line(line) for text in lines for line in text.split("\n")))


def put(*texts: str) -> int:
    """Print as it is what is harmless already, and flush. Returns 0.

    A reader that has gone away is no error. Raises UnsaidError where standard output is closed or
    full.
    """
    try:
        if sys.stdout is None:
            raise ValueError("it is closed")
        for text in texts:
            print(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up(sys.stdout)
    except (OSError, ValueError) as error:
        _give_up(sys.stdout)
        why = getattr(error, "strerror", None) or "it is closed"
        raise UnsaidError(f"standard output: {why}: not all could be said"
                          ) from error
    return 0


def _give_up(stream: Any) -> None:
    """What the stream still holds goes nowhere: else its flush at the very end would fail again."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def trouble(error: BaseException) -> str:
    """In one line what nobody foresaw: where it was, what it was; whatever its methods do."""
    try:
        frames = traceback.extract_tb(error.__traceback__)
        at = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}: " if frames else ""
        return f"{at}{_named(error)}"
    except BaseException:
        return "an exception that cannot be shown"


def _named(error: BaseException) -> str:
    name = type.__getattribute__(type(error), "__name__")
    try:
        said = " ".join(str(error).split())
    except BaseException:
        said = "its text cannot be had"
    return f"{name}: {said}".removesuffix(": ")
