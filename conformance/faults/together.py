"""Several mistakes in one program: the engine that makes them all.

Two mistakes may show in one gradient, where neither alone gives its numbers. Both together do, and
so the names that a search has found can be checked: put into one program they must give what the
subject gives, on every network.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from .core import Fault
from .ways import Wrong


def together(faults: Iterable[Fault]) -> Fault | None:
    """One fault that makes the mistakes of all of them; None where they cannot be put together.

    An engine that is wrong as a whole (another number type, differences in place of derivatives)
    has no lines to which another mistake could be added.
    """
    every = list(faults)
    if len(every) < 2:
        return every[0] if every else None
    ways = [fault.engine for fault in every if isinstance(fault.engine, Wrong)]
    if len(ways) < len(every):
        return None
    return every[0]._replace(engine=reduce(Wrong.also, ways))
