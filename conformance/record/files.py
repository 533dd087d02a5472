"""The files that are read: ordinary ones, inside their folder, no larger than they may be.

A record may come from anywhere. A pipe never ends, a device has effects, a link leads to what was
never meant to be read, a line of gigabytes fills the memory: each is refused while it is read, not
after.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from ..reference.checks import BackproofError

LARGEST_FILE = 2**29   # bytes of a record
LONGEST_LINE = 2**24   # bytes of one of its lines
T = TypeVar("T")


class UnreadableError(BackproofError):
    """What is no file to read; one line, which begins with the path."""


def lines(path: Path, longest: int = LONGEST_LINE) -> Iterator[str]:
    """The lines of a text in UTF-8, of at most so many bytes, each with its end if it has one.

    Raises UnreadableError where there is no such file, and as soon as it is larger than it may be.
    """
    with _ordinary(path, path.parent) as file:
        left = LARGEST_FILE
        while line := _tried(path, lambda: file.readline(longest + 1)):
            left -= len(line)
            if len(line) > longest:
                raise UnreadableError(f"{path}: has a line of more than {longest:,} bytes")
            if left < 0:
                raise UnreadableError(f"{path}: has more than {LARGEST_FILE:,} bytes")
            yield _text(path, line)


def whole(path: Path, most: int, folder: Path | None = None) -> str:
    """The text of a file in UTF-8, of at most so many bytes.

    Raises UnreadableError where there is none, and for a link that leads out of the folder.
    """
    with _ordinary(path, folder) as file:
        size = os.fstat(file.fileno()).st_size
        data = _tried(path, lambda: file.read(most + 1)) if size <= most else b""
    if max(size, len(data)) > most:
        raise UnreadableError(f"{path}: is too large: {max(size, len(data))} bytes, at most {most}")
    return _text(path, data)


@contextmanager
def _ordinary(path: Path, folder: Path | None) -> Iterator[BinaryIO]:
    """The file, open."""
    _tried(path, lambda: _check(path, folder, os.stat(path)))
    with _tried(path, lambda: open(path, "rb", opener=_without_waiting)) as file:
        _tried(path, lambda: _check(path, folder, os.fstat(file.fileno())))
        yield file


def _without_waiting(path: str, flags: int) -> int:
    """A pipe in the place of a file is opened at once, and refused then."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check(path: Path, folder: Path | None, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = "a directory" if stat.S_ISDIR(found.st_mode) else "no ordinary file"
        raise UnreadableError(f"{path}: is {kind}")
    if folder is not None and not _below(Path(os.path.realpath(path)), folder):
        raise UnreadableError(f"{path}: is a link out of its folder, which is not followed")


def _below(file: Path, folder: Path) -> bool:
    return file.is_relative_to(os.path.realpath(folder))


def _tried(path: Path, do: Callable[[], T]) -> T:
    try:
        return do()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UnreadableError(f"{path}: cannot be read: {why}") from error
    except UnreadableError:
        raise
    except ValueError as error:  # a name with a zero in it
        raise UnreadableError(f"{path}: is no name of a file") from error


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path}: is not UTF-8 text") from error
