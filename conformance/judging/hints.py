"""What may be meant where no smallest case is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..plug.subject import Subject
from ..properties.claims import Claims, Head
from ..reference import Case
from .asking import question

DEEPEST = 4


def of_depth(subject: Subject, smallest: Callable[[Claims, Head, int, int], Case]) -> str:
    """The claim of depth to write, where a deeper network is answered; "" where none is.

    smallest(claims, head, batch, outputs) is the smallest case inside claims.
    """
    claims = subject.claims
    first, last = claims.depth
    for depth in range(first + 1, min(DEEPEST, last or DEEPEST) + 1 if claims.hidden else 0):
        deeper = replace(claims, depth=(depth, depth))
        try:
            question(subject.engine, smallest(deeper, claims.heads[0], 2, 2))
        except Exception:
            continue
        return (f"; it was asked a network of depth {first}, and answers one of depth {depth}: "
                f"claim depth=({depth}, {depth}) if it has no other")
    return ""
