"""What one run knows of its subject's surroundings: its clock, its settings, what it tried to end.

`question` finds the session that it is asked in by itself, since questions are asked in many
places; outside any there is no deadline, and nothing is remembered between two questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..plug.ending import Going
from ..plug.settings import Settings
from ..plug.undisturbed import undisturbed, untouched
from .clock import Clock


class Session:
    """One clock for all questions, the settings that the subject made, its tries to end it all."""

    def __init__(self, seconds: float = float("inf")):
        self.clock, self.settings, self.going = Clock(seconds), Settings(), Going()


_SESSION: ContextVar[Session | None] = ContextVar("session", default=None)


@contextmanager
def session(seconds: float = float("inf")) -> Iterator[Session]:
    """A session of so many seconds, undisturbed; afterwards the process is as it was before."""
    opened = Session(seconds)
    token = _SESSION.set(opened)
    try:
        with undisturbed(), untouched(), opened.going:
            yield opened
    finally:
        _SESSION.reset(token)


def current() -> Session | None:
    """The session that is open here."""
    return _SESSION.get()


ENDLESS = Clock()


def clock() -> Clock:
    """The clock of the session that is open here, an endless one where none is."""
    opened = _SESSION.get()
    return ENDLESS if opened is None else opened.clock
