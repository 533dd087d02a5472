"""The subject's own source as it was when it ran, for whoever reads the record elsewhere."""

from __future__ import annotations

import inspect
import linecache
from tokenize import TokenError
from typing import TypedDict

MOST_LINES, MOST_LETTERS = 400, 20_000


class Quoted(TypedDict):
    """A function or a class: its first line's number in its file, its text; cell: of a notebook."""

    line: int
    text: str
    cell: bool


def quoted(source: str) -> Quoted | None:
    """What stands at "file:line", up to the end of its block; None where it cannot be read.

    A block of more than MOST_LINES or MOST_LETTERS is not quoted. Nothing is imported or executed;
    cells of a notebook are found as well, since Python keeps their text.
    """
    file, _, line = source.rpartition(":")
    if not file or not line.isdigit():
        return None
    try:
        block = inspect.getblock(linecache.getlines(file)[int(line) - 1:])
    except (TokenError, SyntaxError):
        return None
    text = "".join(block)
    short = 0 < len(block) <= MOST_LINES and len(text) <= MOST_LETTERS
    cell = file.startswith("<") or "ipykernel_" in file
    return Quoted(line=int(line), text=text, cell=cell) if short else None
