"""How much time a run has: one deadline for all of it, and what may be lost to hangs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

SHARE = 1 / 3


class TimeIsUp(BaseException):
    """No further question is asked; whoever asks gives the best that there is so far."""


class Clock:
    """When questions end, and how many seconds may be lost to those that have no answer.

    `end` is a moment of time.monotonic(). `lost`: seconds of questions that were not answered in
    time; once these are `most`, nothing more is asked.
    """

    def __init__(self, seconds: float = float("inf")):
        self.started = time.monotonic()
        self.end = self.started + seconds
        self.most, self.lost = SHARE * seconds, 0.0

    @property
    def left(self) -> float:
        """Seconds until the end, negative behind it."""
        return self.end - time.monotonic()

    @property
    def spent(self) -> bool:
        """Whether so much was lost to hangs that nothing more is asked."""
        return self.lost >= self.most

    @property
    def up(self) -> bool:
        """Whether nothing more is asked, for one reason or the other."""
        return self.spent or self.left <= 0

    @property
    def passed(self) -> float:
        """Seconds since it started."""
        return time.monotonic() - self.started

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of what is left, of which none needs to be kept; the end is afterwards the same.
        """
        end = self.end
        if self.left < math.inf:
            self.end -= (1 - SHARE) * self.left
        try:
            yield
        finally:
            self.end = end

    def check(self) -> None:
        """Raise TimeIsUp where it is."""
        if self.up:
            raise TimeIsUp

    def allowed(self, seconds: float) -> float:
        """How long the next question may take, of so many seconds at most; TimeIsUp for none."""
        self.check()
        return min(seconds, self.left)

    def again(self, end: float) -> None:
        """Another end, and as large a share of what is left until there may be lost anew."""
        self.end, self.lost = end, 0.0
        self.most = SHARE * max(0.0, self.left)
