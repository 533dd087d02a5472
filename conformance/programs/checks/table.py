"""The checks that need no plain form: a row each, with how often it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..judged import Failure
from ..trial import Arrays, Reply, Trial
from . import batch, double, linear, lying, paths, poisoned, subsets, unaided
from .asked import Answer, Asked, Claims, Refused, refusing
from .comparing import Check, raised


class Row(NamedTuple):
    """beside, alone: on which share of trials it is asked where there is a plain form, and where
    there is none. asks: the check. states: what it holds a program to.
    """

    name: str
    beside: float
    alone: float
    asks: Check
    states: str


def _lines(asked: Asked) -> Iterator[Failure]:
    return paths.paths(asked, asked.once(), asked.able)


CHECKS: tuple[Row, ...] = (
    Row("finite", 0.0, 1.0, unaided.finite, "finite outputs have finite gradients"),
    Row("twice", 0.0, 1.0, unaided.second,
        "a second backward over one forward gives the numbers of the first, or refuses"),
    Row("repeated", 0.0, 1.0, unaided.repeated,
        "calls whose bits may differ differ by no more than the program's own noise"),
    Row("subsets", 0.2, 0.5, subsets.check, "which gradients are asked for changes none of them"),
    Row("layouts", 0.1, 0.5, lying.check, "how tensors lie in memory changes no number"),
    Row("linear", 0.1, 0.5, linear.linear, "the gradient is linear in the cotangent"),
    Row("poisoned", 0.0, 0.3, poisoned.check, "memory is written before it is read"),
    Row("batch", 0.1, 0.5, batch.check, "rows that are independent do not touch each other"),
    Row("line_integral", 0.0, 1.0, _lines,
        "the integral of the gradient along a line is what the loss changes by"),
    Row("double_backward", 0.1, 0.2, double.check,
        "a gradient's gradient is right, or refused"),
)
NAMES = tuple(row.name for row in CHECKS)


def checked(claims: Claims, answer: Answer, trial: Trial, reply: Reply,
            tolerance: Arrays | None = None, rng: np.random.Generator | None = None, *,
            second: Answer | None = None, rows: Sequence[Row] | None = None
            ) -> Iterator[tuple[str, list[Failure]]]:
    """The checks that are asked of one trial, by name, each with its failures.

    tolerance: that of the plain form, by key; None without one. second: answers trials of the
    program whose outputs are the gradients. rows: all of these are asked; None: those of `CHECKS`
    whose turn it is. An exception of the program is a failure of the kind "raised".
    """
    rng = np.random.default_rng(trial.number) if rng is None else rng
    asked = Asked(claims, refusing(answer), trial, reply, rng, tolerance,
                  None if second is None else refusing(second))
    for row in CHECKS if rows is None else rows:
        if rows is None and rng.random() >= _share(row, claims, tolerance is None):
            continue
        with np.errstate(all="ignore"):
            try:
                yield row.name, list(row.asks(asked))
            except Refused as refused:
                yield row.name, [raised(row.name, trial, refused)]


def _share(row: Row, claims: Claims, alone: bool) -> float:
    """On which share of trials a row is asked; what a program claims on half of them."""
    claimed = {"double_backward": claims.double_backward, "batch": bool(claims.batch)}
    return max(row.alone if alone else row.beside, 0.5 * claimed.get(row.name, False))


def row_of(name: str) -> Row:
    """The row of a name."""
    return next(row for row in CHECKS if row.name == name)
