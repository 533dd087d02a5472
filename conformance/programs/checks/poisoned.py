"""Memory that is handed out unwritten may hold anything: the answer is the same where it is NaN."""

from __future__ import annotations

from collections.abc import Iterator

from ..judged import Failure
from .asked import Asked
from .comparing import apart, full, total


def check(asked: Asked) -> Iterator[Failure]:
    """The answer with poisoned memory is the answer without."""
    if not asked.trial.poison:
        reply = asked.again(poison=True)
        yield from apart("poisoned", asked.trial, full(reply, asked.reply), asked.reply.arrays,
                         lambda: total(asked.allowed, asked.allowed))
