"""What an answer must be, without a plain form that says so: gradients that are there and finite,
and a second backward that is like the first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..judged import Failure
from ..trial import Reply
from .asked import Asked
from .comparing import apart, by_key, lasting, total
from .ground import WIDE_BITS
from .paths import in_dtype


def _finite(asked: Asked) -> Iterator[Failure]:
    """Finite outputs have finite gradients, in a format whose intermediate numbers have room."""
    reply = _roomy(asked)
    if reply is None or not all(np.isfinite(array).all() for array in reply.outputs
                                if array is not None):
        return
    for name, g in reply.gradients.items():
        if g is not None and not np.isfinite(g).all():
            yield Failure("finite", asked.trial, name, "not finite", {
                "entries": int((~np.isfinite(g)).sum()), "of": int(g.size)})


def _roomy(asked: Asked) -> Reply | None:
    """The reply, in float32 where the trial's own format is narrow; None where none is claimed.

    A narrow one is asked again only where it is of interest.
    """
    arrays = asked.reply.arrays.values()
    if asked.claim.stored.bits >= WIDE_BITS or all(np.isfinite(array).all() for array in arrays):
        return asked.reply
    wide = "float32" in asked.claims.dtypes
    return asked.answer(in_dtype(asked.once(), "float32")) if wide else None


def second(asked: Asked) -> Iterator[Failure]:
    """A second backward over one forward gives the numbers of the first, or refuses."""
    found = asked.reply.second
    if not isinstance(found, dict):
        return
    arrays = asked.reply.arrays
    got = {name: np.zeros_like(arrays[name]) if g is None else g for name, g in found.items()
           if name in arrays}
    yield from apart("twice", asked.trial, got, by_key(arrays, tuple(got)),
                     lambda: total(asked.allowed, asked.allowed))


def repeated(asked: Asked) -> Iterator[Failure]:
    """Calls that may give other bits ("deterministic=False") give none that are further apart than
    two answers of one program are for its noise.
    """
    if asked.claims.deterministic:
        return
    for key, far in asked.reply.differing.items():
        most = float(np.max(asked.allowed[key], initial=0.0)) if key in asked.allowed else np.inf
        if far > 2.0 * most:
            yield Failure("repeated", asked.trial, key, "differs",
                          {"largest": far, "calls": asked.trial.repeats, "allowed": 2.0 * most})


finite = lasting(_finite)
