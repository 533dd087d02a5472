"""The reference as its own subject: it must conform, under everything it can do."""

from __future__ import annotations

from dataclasses import replace

from ...properties.claims import EVERYTHING, Head
from ...properties.structures import STRUCTURES
from ...reference import evaluate
from ...reference.network import STATED
from ..subject import Subject, source_of

HEADS: tuple[Head, ...] = tuple(
    replace(head, reduction=name) for head in EVERYTHING.heads for name in STATED)
CLAIMS = replace(EVERYTHING, heads=HEADS, layers=tuple(STRUCTURES), explored=False)


def subject() -> Subject:
    """`reference.evaluate`: every activation, every head with each reduction, both dtypes."""
    return Subject("reference", CLAIMS, evaluate, frozenset({"reference"}), lambda: evaluate,
                   source_of(evaluate))
