"""Networks whose arithmetic is exact: small integers, power-of-two counts, all below 2^24.

float32 and float64 then give the same bits in any order of summation, kinks included, so the
tolerance is zero. What is left open is what a program does at a kink itself: a convention, fitted
once per kind (`conventions`). A slope is one for all layers, and between those on both sides
(`slopes`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..reference import ACTIVATIONS, LOSSES, TABLES, Answer, Case, Network, Tables, evaluate, infer
from ..reference.losses import factor
from ..reference.network import COTANGENT
from .agreement import Disagreement, differing
from .conventions import CONVENTIONS
from .measured import Measured
from .slopes import ByPlace, Slopes, conventions, deciding, gradients, solve, with_slopes
from .subtraction import carried
from .tolerance import SLACK, spread

LIMIT = 2.0**24
TIED = 0.75  # of the networks that choose among equal numbers: so many have 0, 1 and -1 alone


def exact_case(network: Network, batch: int, targets: str, seed: int | Sequence[int],
               dtype: str) -> Case | None:
    """A certified exact case of this network, None where its size or its counts allow none."""
    shapes, rng = infer(network), np.random.default_rng(seed)
    per = LOSSES[network.loss.kind].per
    if math.frexp(factor(network.loss.reduction, per, (batch, *shapes.output)))[0] != 0.5:
        return None
    ties = any(not row.slope and row.has(network) for row in CONVENTIONS.values())
    for largest in (1,) if ties and rng.uniform() < TIED else (3, 2, 1):
        def integers(*shape: int, top: int = largest) -> Any:
            return rng.integers(-top, top + 1, shape).astype(dtype)

        values = {name: integers(*shape) for name, shape in shapes.parameters.items()}
        values |= {name: integers(batch, *shape) for name, shape in shapes.states.items()}
        inputs = (integers(batch, *network.input_shape) if network.real
                  else rng.integers(0, network.input_kind["index"], (batch, *network.input_shape)))
        constants = {name: integers(*shape) for name, shape in shapes.constants.items()}
        constants |= {name: integers(batch, *shape) % 2 for name, shape in shapes.masks.items()}
        case = Case(network, values, inputs, integers(batch, *shapes.output), dtype, constants)
        if COTANGENT in constants:
            constants[COTANGENT] = integers(*constants[COTANGENT].shape)
            case = case.but(constants=constants)
        if targets == "sign":
            case = case.but(targets=np.where(case.targets > 0, 1, -1).astype(dtype))
        if targets in ("one_hot", "binary"):
            units = shapes.output[-1]
            ones = np.eye(units)[rng.integers(0, units, (batch, *shapes.output[:-1]))]
            case = case.but(targets=ones.astype(dtype))
        if certified(case):
            return case
    return None


def certified(case: Case) -> bool:
    """Whether every partial sum, in any order, stays below 2^24, and nothing is rounded on the way.

    The same network on magnitudes says the first, float32 beside float64 the second.
    """
    tables = TABLES._replace(activations=dict.fromkeys(ACTIVATIONS, ACTIVATIONS["identity"]))
    wide = case.astype("float64")
    larger = wide.map(lambda a: np.abs(a) + 1.0 if a.dtype.kind == "f" else a)
    larger = larger.but(targets=-np.abs(wide.targets) - 1.0)
    once = replace(case.network.loss, gradient_scale=1.0)
    larger = larger.but(network=replace(case.network, loss=once))
    answer = evaluate(larger, tables)
    per, output = LOSSES[case.network.loss.kind].per, infer(case.network).output
    scale = abs(case.network.loss.scale) * factor(
        case.network.loss.reduction, per, (case.batch, *output))
    largest = max(float(np.abs(g).max()) for g in answer.gradients.values())
    return max(largest, abs(float(answer.loss))) / scale < LIMIT and unrounded(wide)


def unrounded(wide: Case) -> bool:
    """Whether float32 gives the numbers of float64: a division by 3, say, does not."""
    narrow, exact = evaluate(wide.astype("float32")).gradients, evaluate(wide).gradients
    return all(np.array_equal(narrow[name], g) for name, g in exact.items())


class Exactness(NamedTuple):
    """What an exact case says: an outcome, a note, and what differs.

    slopes: those at the kinks, by layer, where it is they that are wrong. chosen: by kind, in
    words, another choice at a kink that no right program makes.
    """

    outcome: str
    why: str = ""
    found: tuple[Disagreement, ...] = ()
    slopes: ByPlace | None = None
    chosen: Mapping[str, str] = {}

    @property
    def kinds(self) -> list[str]:
        """The kinds of kinks where something is wrong."""
        return sorted({*(self.slopes.wrong if self.slopes is not None else ()), *self.chosen})


def compare(case: Case, answer: Answer, slopes: dict[str, set[float]],
            rate: float | None = None) -> Exactness:
    """Bit for bit, under one convention per kind of kink; one that no right program has fails.

    `slopes` holds the conventions still possible and is narrowed. A difference inside the tolerance
    is a note (inexact arithmetic). At a kink the slopes are solved for: a finite answer that none
    explain is inconclusive. NaN and infinity are wrong everywhere, and any difference is away from
    kinks.
    """
    kinds = deciding(case)
    choices = list(conventions(kinds, slopes))
    possible = [chosen for chosen, tables in choices if _same(case, answer, tables)]
    held = [c for c in possible if all(v in slopes.get(k, {v}) for k, v in c.items())]
    if held:
        for kind in held[0]:
            slopes[kind] = choices_of(kind, slopes) & {c[kind] for c in held}
        return Exactness("passed")
    if possible:
        return Exactness("inconclusive", "the slope at a kink changes from network to network")
    if not all(np.isfinite(g).all() for g in answer.gradients.values()):
        truth = evaluate(case.astype("float64"))
        wrong = (differing(k, np.asarray(g, dtype=float), truth.gradients[k])
                 for k, g in answer.gradients.items() if not np.isfinite(g).all())
        return Exactness("failed", "", tuple(d for d in wrong if d))
    if on_kink(case):
        for chosen, tables in conventions(kinds, slopes, wrong=True):
            if _same(case, answer, tables):
                return Exactness("failed", "", _beside(case, answer, chosen, slopes),
                                 chosen=_in_words(chosen))
    solved = solve(case, answer, slopes) if on_kink(case) else None
    if solved is not None:
        return _by_slopes(case, answer, solved, slopes)
    near = [_near(case, answer, tables, rate) for _, tables in choices]
    if any(not found for found in near):
        return Exactness("passed", "inexact arithmetic: integer networks do not come out exact")
    if on_kink(case):
        return Exactness("inconclusive",
                         "no slope at a kink explains an integer network's gradient")
    return Exactness("failed", "", near[0])


def _by_slopes(case: Case, answer: Answer, solved: ByPlace,
               slopes: dict[str, set[float]]) -> Exactness:
    """What the slopes say that were solved for, since the ones that programs choose do not fit."""
    if solved.wrong:
        right = gradients(case, solved.mended)
        found = (differing(k, np.asarray(g, dtype=float), right[k])
                 for k, g in answer.gradients.items())
        return Exactness("failed", "", tuple(d for d in found if d), solved)
    for kind, (value, *_) in solved.by_kind.items():
        known = choices_of(kind, slopes)
        undecided = len(known) > 1  # no network yet told the slope
        slopes[kind] = {value} if undecided else known & {value}
    return Exactness("passed")


def choices_of(kind: str, known: Slopes) -> set[float]:
    """The choices at one kind of kink that are still possible."""
    return set(known.get(kind, CONVENTIONS[kind].choices))


def _in_words(chosen: Mapping[str, float]) -> dict[str, str]:
    """The choices that no right program makes."""
    return {kind: CONVENTIONS[kind].wrong[choice] for kind, choice in chosen.items()
            if choice in CONVENTIONS[kind].wrong}


def _beside(case: Case, answer: Answer, chosen: Mapping[str, float],
            known: Slopes) -> tuple[Disagreement, ...]:
    """What differs from the right answer with the same choices but for those that are wrong."""
    right = {kind: min(choices_of(kind, known)) if choice in CONVENTIONS[kind].wrong else choice
             for kind, choice in chosen.items()}
    truth = evaluate(case.astype("float64"), with_slopes(right))
    found = (differing(k, np.asarray(g, dtype=float), truth.gradients[k])
             for k, g in answer.gradients.items())
    return tuple(d for d in found if d)


def on_kink(case: Case) -> bool:
    """Whether some unit, or the loss, sits exactly on its kink."""
    return bool(spread(case).unclear)


def _same(case: Case, answer: Answer, tables: Tables) -> bool:
    truth = evaluate(case.astype("float64"), tables)
    return all(np.array_equal(np.asarray(g, dtype=float), truth.gradients[k])
               for k, g in answer.gradients.items())


def _near(case: Case, answer: Answer, tables: Tables,
          rate: float | None) -> tuple[Disagreement, ...]:
    truth = evaluate(case.astype("float64"), tables)
    s = carried(case, spread(case), rate)
    least = 1e-6 * np.finfo(case.dtype).eps
    allowed = {k: SLACK * s.gradients[k] + least * np.abs(g).max()
               for k, g in truth.gradients.items()}
    found = (differing(k, Measured(np.asarray(g, dtype=float), allowed[k]), truth.gradients[k])
             for k, g in answer.gradients.items())
    return tuple(d for d in found if d)
