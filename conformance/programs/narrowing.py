"""Where a mistake must be though nothing gives its numbers: by which gradients are right.

A mistake on an edge of the plain form's graph spoils every gradient that flows through the edge and
no other. So where some gradients are wrong and others right on all trials, only the edges are left
through which exactly the wrong ones flow; where these are on few lines, those are told. Of a plain
form of few lines that is all of them, where every gradient is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .judged import Judged
from .trial import Arrays, Line, Mutant, Trial

Mutants = Callable[[Trial], Iterator[Mutant]]
MOST = 3         # lines that are worth telling
PATH = "factor"  # the kind whose mutants are an edge without its gradient
SEEN = 1e-9      # of a gradient: what an edge must carry of it


def narrowed(judged: Sequence[Judged], wrong: Sequence[str], mutants: Mutants) -> list[Line]:
    """The lines, MOST at most; [] where there are more, or none.

    Where nothing carries all of the wrong gradients and no other, each is looked at by itself.
    judged: trials of the program; one on which other gradients are asked for too is looked at.
    """
    def telling(each: Judged) -> bool:
        return {*wrong} < {*each.trial.wanted}  # other gradients, which are right

    for each in sorted(judged, key=telling, reverse=True):
        keys = {key for key in each.trial.wanted if key in each.truth}
        if {*wrong} <= keys:
            lines = _lines(each, keys, {*wrong}, mutants) or list(dict.fromkeys(
                line for key in wrong for line in _lines(each, keys, {key}, mutants)))
            return lines if len(lines) <= MOST else []
    return []


def _lines(judged: Judged, keys: set[str], wrong: set[str], mutants: Mutants) -> list[Line]:
    """Those with an edge through which exactly the wrong gradients flow."""
    found: dict[Line, None] = {}
    for mutant in mutants(judged.trial):
        if mutant.kind == PATH and {*_carried(mutant, judged.truth, keys)} == wrong:
            found[Line(mutant.line.file, mutant.line.number, mutant.line.text)] = None
    return list(found)


def _carried(mutant: Mutant, truth: Arrays, keys: set[str]) -> Iterator[str]:
    """The gradients that are others without the edge."""
    for key in keys:
        without = mutant.gradients.get(key)
        if without is not None and without.shape == truth[key].shape and np.abs(
                without - truth[key]).max(initial=0.0) > SEEN * np.abs(truth[key]).max(initial=0.0):
            yield key
