"""Where a process that takes turns with another one runs.

Linux moves a process that is woken to whichever processor is idle. Two processes that take turns at
every millisecond then find their caches cold each time, which costs more than the turns themselves:
a run of small networks took 1.5 times as long. So one of them stays where it is. A large network is
asked on all processors, since its arithmetic may use threads.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

STAT, PROCESSOR = Path("/proc/self/stat"), 36  # of the fields behind the name: proc(5)
ALL = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()
_staying = False


def stay(here: bool) -> None:
    """Run on this processor alone from now on, or on all there were; nothing but on Linux."""
    global _staying
    if here == _staying or not ALL:
        return
    _staying = here
    with suppress(OSError, ValueError, IndexError):
        os.sched_setaffinity(0, {_current()} if here else ALL)


def _current() -> int:
    """The number of the processor that this process runs on."""
    return int(STAT.read_text().rpartition(")")[2].split()[PROCESSOR])
