"""While a judge knows what a kernel is not to know, other processes may not read its memory."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

GET, SET = 3, 4  # PR_GET_DUMPABLE, PR_SET_DUMPABLE: prctl(2)


@contextmanager
def closed() -> Iterator[None]:
    """On Linux /proc/PID/mem, environ and fd of this process are for root alone meanwhile.

    Whoever is root reads them all the same, and nothing is closed elsewhere.
    """
    before = _prctl(GET, 0)
    _prctl(SET, 0)
    try:
        yield
    finally:
        if before > 0:
            _prctl(SET, before)


def _prctl(what: int, value: int) -> int:
    """The system's answer; -1 where it has no such call."""
    with suppress(OSError, AttributeError):
        if sys.platform == "linux":
            return int(ctypes.CDLL(None).prctl(what, value, 0, 0, 0))
    return -1
