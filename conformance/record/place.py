"""Where somebody wants a record: as it was typed, and where that was then."""

from __future__ import annotations

import os


class Place(os.PathLike[str]):
    """A path as it was typed, for messages, and absolute, for whoever opens it.

    A subject may change the current folder; this is where it was when the path was given.
    """

    def __init__(self, typed: str | os.PathLike[str]):
        self.typed, self.path = str(typed), os.path.abspath(typed)

    def __str__(self) -> str:
        return self.typed

    def __fspath__(self) -> str:
        return self.path
