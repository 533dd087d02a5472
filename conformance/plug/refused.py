"""What is raised where a target cannot be had."""

from __future__ import annotations

from collections.abc import Sequence

from ..reference.checks import BackproofError


class TargetError(BackproofError):
    """What was asked for cannot be had; the message is one line.

    more: lines to write or to fill in, which a terminal shows below it.
    """

    def __init__(self, message: str, more: Sequence[str] = ()):
        super().__init__(" ".join(message.split()))
        self.more = tuple(more)
