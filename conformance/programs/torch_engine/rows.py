"""Tables of operations: a line of names beside what is done with all of them."""

from __future__ import annotations

from typing import TypeVar

Done = TypeVar("Done")


def rows(names: str, done: Done) -> dict[str, Done]:
    """The same for each of the names."""
    return dict.fromkeys(names.split(), done)
