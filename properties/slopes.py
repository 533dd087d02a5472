"""The slope at a kink, a convention: which one a program took, layer by layer.

A gradient is linear in the slope that a layer has at its kink, so an integer network with units on
the kink of one layer gives that slope; with units on several, one that was seen elsewhere is tried
in each. Any slope between those on the two sides of the kink is right, if all layers have it. What
kinds of kinks there are, other choices than slopes too, says the table of `conventions`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ..reference import TABLES, Answer, Case, Network, Tables, evaluate
from .conventions import CONVENTIONS
from .tolerance import spread

# By kind, the slopes that programs choose; the least and the largest are those on the two sides. A
# slope can be solved for where its entry has one kink.
SLOPES = {kind: row.choices for kind, row in CONVENTIONS.items() if row.slope and kind == row.entry
          and sum(row.entry == other.entry for other in CONVENTIONS.values()) == 1}
LOSS = "loss"
MOST = 3          # layers on a kink at once
ROUNDINGS = 8.0   # of the largest number of a gradient: what inexact arithmetic may lose
DOUBT = 1000.0    # times that, what a slope is given to be one that programs choose
Slopes = Mapping[str, Collection[float]]
NONE: Slopes = {}


def kinds_of(network: Network) -> list[str]:
    """The kinds of kinks that this network has."""
    return sorted(kind for kind, row in CONVENTIONS.items() if row.has(network))


def deciding(case: Case) -> list[str]:
    """The kinds of kinks at which a choice changes the gradients of this case."""
    wide = case.astype("float64")
    truth = evaluate(wide).gradients

    def changes(kind: str, choice: float) -> bool:
        other = evaluate(wide, with_slopes({kind: choice})).gradients
        return any(not np.array_equal(g, other[name]) for name, g in truth.items())

    return [kind for kind in kinds_of(case.network)
            if any(changes(kind, choice)
                   for choice in (*CONVENTIONS[kind].choices, *CONVENTIONS[kind].wrong))]


def conventions(kinds: Sequence[str], known: Slopes = NONE, wrong: bool = False
                ) -> Iterator[tuple[dict[str, float], Tables]]:
    """Every choice at these kinds of kinks, with the tables that make it.

    known: by kind, choices that were seen, which are choices too. wrong: those with one at least
    that no right program makes.
    """
    bad = {kind: CONVENTIONS[kind].wrong if wrong else () for kind in kinds}
    for choices in product(*(sorted({*CONVENTIONS[kind].choices, *known.get(kind, ()), *bad[kind]})
                             for kind in kinds)):
        chosen = dict(zip(kinds, choices, strict=True))
        if not wrong or any(choice in bad[kind] for kind, choice in chosen.items()):
            yield chosen, with_slopes(chosen)


def with_slopes(chosen: Mapping[str, float]) -> Tables:
    """The tables with these choices at the kinks."""
    tables = TABLES
    for kind, choice in chosen.items():
        tables = CONVENTIONS[kind].made(tables, choice)
    return tables


# --- solved for -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ByPlace:
    """The slope at the kink of each layer that has units on it; "loss" is the loss."""

    kinds: Mapping[str, str]
    slopes: Mapping[str, float]

    @property
    def by_kind(self) -> dict[str, list[float]]:
        """The different slopes of each kind of kink."""
        found: dict[str, list[float]] = {}
        for place, kind in self.kinds.items():
            seen = found.setdefault(kind, [])
            seen += [self.slopes[place]] if self.slopes[place] not in seen else []
        return found

    @property
    def outside(self) -> list[str]:
        """The places whose slope is not between those on the two sides."""
        return [place for place, kind in self.kinds.items()
                if not min(SLOPES[kind]) <= self.slopes[place] <= max(SLOPES[kind])]

    @property
    def apart(self) -> list[str]:
        """The kinds whose slope differs between layers."""
        return [kind for kind, slopes in self.by_kind.items() if len(slopes) > 1]

    @property
    def wrong(self) -> list[str]:
        """The kinds of which something is wrong."""
        return sorted({*self.apart, *(self.kinds[place] for place in self.outside)})

    @property
    def mended(self) -> dict[str, float]:
        """One slope for each kind, between those on the two sides, in every place."""
        one = {kind: min(max(slopes[0], min(SLOPES[kind])), max(SLOPES[kind]))
               for kind, slopes in self.by_kind.items()}
        return {place: one[kind] for place, kind in self.kinds.items()}


def solve(case: Case, answer: Answer, known: Slopes) -> ByPlace | None:
    """The slopes that explain an answer on kinks; None where none do, or too many layers are."""
    kinds = {place: _kind(case.network, place) for place in spread(case).unclear}
    if not 0 < len(kinds) <= MOST or not set(kinds.values()) <= set(SLOPES):
        return None
    for chosen in _tried(case, answer, kinds, known):
        if _explains(case, answer, chosen):
            return ByPlace(kinds, chosen) if _told_apart(case, answer, chosen) else None
    return None


def _kind(network: Network, place: str) -> str:
    return network.loss.kind if place == LOSS else str(network.layer(place).function)


def _tried(case: Case, answer: Answer, kinds: Mapping[str, str], known: Slopes
           ) -> Iterator[dict[str, float]]:
    """The slopes to try: one is solved for, the others are known ones."""
    values = {place: sorted({*SLOPES[kind], *known.get(kind, ())})
              for place, kind in kinds.items()}
    for place in kinds:
        rest = [each for each in kinds if each != place]
        for slopes in product(*(values[each] for each in rest)):
            others = dict(zip(rest, slopes, strict=True))
            slope = _solved(case, answer, place, others, values[place])
            if slope is not None:
                yield {**others, place: slope}


def _solved(case: Case, answer: Answer, place: str, others: Mapping[str, float],
            known: Collection[float]) -> float | None:
    """The slope of one layer on a kink, by least squares; None where it makes no difference.

    One that is known, where rounding may have moved it from there.
    """
    at_0, at_1 = (_flat(gradients(case, {**others, place: slope}), answer) for slope in (0.0, 1.0))
    got, step = _flat(answer.gradients, answer), at_1 - at_0
    size = float(step @ step)
    if not size or not np.isfinite(got).all():
        return None
    slope = float((got - at_0) @ step) / size
    doubt = DOUBT * _rounding(case, at_0, at_1) * float(np.abs(step).sum()) / size
    near = min(known, key=lambda each: abs(each - slope))
    return near if abs(near - slope) <= doubt else slope


def _told_apart(case: Case, answer: Answer, chosen: Mapping[str, float]) -> bool:
    """Whether the slopes of different layers move the gradients in directions of their own.

    Two branches that are added, say, give the sum of their slopes and no more.
    """
    here = _flat(gradients(case, chosen), answer)
    steps = [_flat(gradients(case, {**chosen, place: slope + 1.0}), answer) - here
             for place, slope in chosen.items()]
    return int(np.linalg.matrix_rank(np.array(steps))) == len(chosen)


def _explains(case: Case, answer: Answer, chosen: Mapping[str, float]) -> bool:
    right = _flat(gradients(case, chosen), answer)
    return bool((np.abs(_flat(answer.gradients, answer) - right) <= _rounding(case, right)).all())


def _rounding(case: Case, *gradients: Any) -> float:
    largest = max(float(np.abs(each).max(initial=0.0)) for each in gradients)
    return ROUNDINGS * float(np.finfo(case.dtype).eps) * largest


def _flat(gradients: Mapping[str, Any], answer: Answer) -> Any:
    """All numbers of the gradients that were given, in one row."""
    return np.concatenate([np.ravel(np.asarray(gradients[name], float))
                           for name in answer.gradients])


def gradients(case: Case, chosen: Mapping[str, float]) -> Mapping[str, Any]:
    """The gradients with these slopes at the kinks of these layers, and zero at all others."""
    tables = with_slopes({case.network.loss.kind: chosen[LOSS]} if LOSS in chosen else {})
    network, rows = case.network, dict(tables.activations)
    for place in chosen.keys() - {LOSS}:
        kind = _kind(network, place)
        rows[f"{kind} of {place}"] = CONVENTIONS[kind].change(rows[kind], chosen[place])
        spec = network.layer(place).but(function=f"{kind} of {place}")
        network = network.having(place, spec)
    wide = case.astype("float64").but(network=network)
    return evaluate(wide, tables._replace(activations=rows)).gradients
