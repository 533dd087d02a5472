"""How long a function takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def seconds_of(function: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of every repeat, without the first call."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times
