"""What may be meant: where no smallest case is answered, and where a head is an unusual one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..plug.subject import Subject
from ..plug.wanted import ARGUMENTS, CALL, names_of
from ..properties.claims import Claims, Head
from ..record.notes import Note, NoteKind
from ..reference import Case
from .asking import question
from .clock import TimeIsUp

DEEPEST = 4
# Losses that have this activation in them already, and the loss that is taken of its outputs.
INSIDE = {"softmax_cross_entropy": ("softmax", "cross_entropy"),
          "sigmoid_cross_entropy": ("sigmoid", "binary_cross_entropy")}


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
        except TimeIsUp:
            return ""
        except Exception:
            continue
        return (f"; it was asked a network of depth {first}, and answers one of depth {depth}: "
                f"claim depth=({depth}, {depth}) if it has no other")
    return ""


def of_names(subject: Subject) -> str:
    """How it is called, where its four arguments have other names; "" where they have these."""
    inside = getattr(subject.engine, "engine", subject.engine)
    names = getattr(inside, "arguments", None) or names_of(getattr(inside, "target", None))
    names = names[:len(ARGUMENTS)]
    if len(names) < len(ARGUMENTS) or set(names) & set(ARGUMENTS):
        return ""
    return f"; it is called with {CALL}, and its arguments are ({', '.join(names)})"


def twice(claims: Claims) -> list[Note]:
    """A note for every head with an activation that its loss has in it already."""
    if claims.explored:
        return []
    return [Note(f"{head.activation} + {head.loss} is {head.activation} twice, since the loss has "
                 f"one in it: meant is Head(\"{head.activation}\", \"{INSIDE[head.loss][1]}\") or "
                 f"Head(\"identity\", \"{head.loss}\"), unless the program does it twice",
                 NoteKind.TWICE)
            for head in claims.heads
            if head.loss in INSIDE and head.activation == INSIDE[head.loss][0]]
