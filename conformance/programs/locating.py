"""Which line of the plain form a mistake is on: the mutants whose gradients are the answer's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .judged import Judged
from .trial import Mutant, Trial

MutantsOf = Callable[[Trial], Iterator[Mutant]]


@dataclass(frozen=True)
class Located:
    """A mistake with its place. keys: the gradients that it explains. kind: a row of the mutants.

    factor: what the edge's gradient is multiplied by, where it is one number, and equals what that
    number is ("1/N"). says: it in one line. others: lines with the places that would give the same
    gradients. data: these places as data, the likeliest first: file, line, text, kind, edge.
    """

    keys: tuple[str, ...]
    kind: str
    says: str
    others: tuple[str, ...] = ()
    factor: float | None = None
    equals: str = ""
    data: tuple[dict[str, Any], ...] = ()


def located(evidence: Sequence[Judged], mutants_of: MutantsOf) -> list[Located]:
    """The mistakes that explain every trial of the evidence, failing and right; none is guessed."""
    return []
