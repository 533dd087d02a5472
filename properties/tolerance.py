"""How far may two right answers lie apart? Computed per entry, from the case, by the reference."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..reference import TABLES, Answer, Case, Engine, Tables, Trace, backprop, evaluate, forward
from ..reference.backprop import loss_kinks
from .bounded import Bounded
from .perturbed import AMPLIFY, TINY, UNIT, Noise, Perturbed

SLACK = 16.0
BOUNDS = 4.0
SAMPLES = 8


def textbook(tables: Tables = TABLES) -> Tables:
    """The tables with each row's textbook variant in its place: the programs that lose most digits.

    A tolerance must allow for what its 1 - y², say, has lost. Programs may also mix forms, one of f
    with another of f', or have one in this layer and another in the next: there are too many mixes
    to sample each. It is not needed. Errors as small as roundings pass through a program linearly,
    so that what a mix is off by is a sum over the places where it computes something, and no place
    owes more than the variant does there. That only fails where the variant's own errors cancel
    each other and those of a mix do not, so f and f' of a variant share no intermediate result.
    """
    activations = {name: row.variants[0] if row.variants else row
                   for name, row in tables.activations.items()}
    losses = {name: row.variants[0] if row.variants else row for name, row in tables.losses.items()}
    layers = {name: row.variants[0] if row.variants else row for name, row in tables.layers.items()}
    return tables._replace(layers=layers, activations=activations, losses=losses)


TEXTBOOK = textbook()


@dataclass(frozen=True)
class Spread:
    """Truth and spread of one case.

    The truth is the answer in float64; s, for the loss and for every gradient entry, is how far
    right programs lie apart. `unclear`: by layer, the units whose kink lies within the spread of
    their argument, so right programs may differ.
    """

    truth: Answer
    loss: float
    gradients: Mapping[str, Any]
    unclear: Mapping[str, Any]

    @property
    def finite(self) -> bool:
        """Whether the case is valid in its dtype: a finite loss and finite gradients."""
        return bool(np.isfinite(self.loss)
                    and all(np.isfinite(s).all() for s in self.gradients.values()))


    def widened(self, other: Answer) -> Spread:
        """The spread with the larger of two deviations in every place."""
        gradients = {name: np.maximum(s, other.gradients.get(name, 0.0))
                     for name, s in self.gradients.items()}
        return replace(self, loss=max(self.loss, float(other.loss)), gradients=gradients)


@lru_cache(maxsize=2)
def _noise(dtype: str) -> Noise:
    return Noise(dtype)


def resting(dtype: str, seed: int = 0) -> Noise:
    """The noise of a dtype at the place where a seed starts: the same numbers every time."""
    noise = _noise(dtype)
    noise.rest(seed)
    return noise


def lifted(case: Case, samples: int, noise: Noise) -> Case:
    """The case with every real array stacked `samples` times: exact until the first operation."""
    def lift(array: Any) -> Any:
        if array.dtype.kind != "f":
            return array
        return Perturbed(np.broadcast_to(array, (samples, *array.shape)), noise)
    return case.map(lift)


class _Recent:
    """The spreads needed last, by the case as an object.

    Whoever makes a case looks at its spread, and whoever asks about it needs it again. The cases
    are kept, so that no other object takes their identity.
    """

    def __init__(self, most: int):
        self.most = most
        self.kept: OrderedDict[tuple[int, int, int], tuple[Case, Spread]] = OrderedDict()

    def of(self, case: Case, samples: int, seed: int) -> Spread:
        key = id(case), samples, seed
        if key not in self.kept:
            self.kept[key] = case, _spread(case, samples, seed)
            if len(self.kept) > self.most:
                self.kept.popitem(last=False)
        self.kept.move_to_end(key)
        return self.kept[key][1]


_RECENT = _Recent(64)


def spread(case: Case, samples: int = SAMPLES, seed: int = 0) -> Spread:
    """s: the largest deviation of `samples` perturbed runs from the truth.

    Added to it are u|g|, the rounding of the answer itself, and 64 underflow units. The arrays of
    the case must not be changed afterwards: its spread may be remembered.
    """
    return _RECENT.of(case, samples, seed)


def rounding(case: Case) -> Spread:
    """The truth, and the part of s that no sample makes smaller: the rounding of the answer itself.

    It costs one backprop. An answer that agrees within it agrees; of another it says nothing.
    """
    truth = evaluate(case.astype("float64"))
    with np.errstate(all="ignore"):
        return Spread(truth, float(least(truth.loss, case.dtype)),
                      {k: least(g, case.dtype) for k, g in truth.gradients.items()}, {})


def least(truth: Any, dtype: str) -> Any:
    """u|g| and 64 underflow units; infinite where the dtype cannot hold the number."""
    size = np.abs(truth)
    return np.where(size < np.finfo(dtype).max, UNIT[dtype] * size + 64 * TINY[dtype], np.inf)


def _spread(case: Case, samples: int, seed: int) -> Spread:
    noise = resting(case.dtype, seed)
    wide = case.astype("float64")
    stack = lifted(wide, samples, noise)
    with np.errstate(all="ignore"):
        trace = forward(wide)
        truth = Answer(backprop.loss(wide, trace), backprop.backward(wide, trace))
        s, runs = _sampled(stack, truth, case.dtype)
        return Spread(truth, float(s.loss), s.gradients, unclear(wide, trace, runs, case.dtype))


def deviations(case: Case, make: Callable[[Tables], Engine], samples: int = SAMPLES) -> Answer:
    """How far two programs of one formula may lie apart, whatever the formula: s of a wrong engine.

    `make(tables)` is its engine over some tables. Raises whatever the engine raises on perturbed
    numbers.
    """
    noise = resting(case.dtype)
    wide = case.astype("float64")
    middle, runs = make(TABLES)(wide), make(TEXTBOOK)(lifted(wide, samples, noise))
    with np.errstate(all="ignore"):
        each = {name: deviation(g.raw, middle.gradients[name], case.dtype)
                for name, g in runs.gradients.items()}
        return Answer(deviation(runs.loss.raw, middle.loss, case.dtype), each)


def _sampled(stack: Case, truth: Answer, dtype: str) -> tuple[Answer, Trace]:
    """The spread of the textbook's samples, as an Answer, and their forward pass."""
    runs = forward(stack, TEXTBOOK)
    gradients = backprop.backward(stack, runs, TEXTBOOK)
    loss = deviation(backprop.loss(stack, runs, TEXTBOOK).raw, truth.loss, dtype)
    return Answer(loss, {k: deviation(gradients[k].raw, g, dtype)
                         for k, g in truth.gradients.items()}), runs


def unclear(wide: Case, trace: Trace, runs: Trace, dtype: str) -> dict[str, Any]:
    """By layer, the mask (batch, units) of those whose kink lies within their argument's spread.

    "loss" is the key where the loss has a kink there. Within means closer than the slack times s,
    or crossed by a sample.
    """
    pairs = [(here.layer, here.points, here.argument, run.argument)
             for here, run in zip(trace.kinks, runs.kinks, strict=True)]
    pairs += [(here.layer, here.points, here.argument, run.argument) for here, run in zip(
        loss_kinks(wide, trace.outputs), loss_kinks(wide, runs.outputs), strict=True)]
    masks: dict[str, Any] = {}
    for name, kinks, x, stack in pairs:
        apart = np.abs(stack.raw - x).max(axis=0)
        margin = np.maximum(apart, SLACK * (apart / AMPLIFY[dtype] + UNIT[dtype] * np.abs(x)))
        mask = np.logical_or.reduce([~(np.abs(x - kink) > margin) for kink in kinks])
        if mask.any():
            masks[name] = masks[name] | mask if name in masks else mask
    return masks


def deviation(runs: Any, truth: Any, dtype: str) -> Any:
    """s of one array: the samples (S, ...) against the truth (...), in the dtype's own units."""
    return np.abs(runs - truth).max(axis=0) / AMPLIFY[dtype] + least(truth, dtype)


def bounds(case: Case) -> Answer:
    """A bound, per entry, of the error of any program of the textbook's shape.

    It comes from running error analysis.
    """
    wide = case.astype("float64")
    lift = wide.map(lambda a: Bounded(a, np.zeros_like(a), case.dtype)
                    if a.dtype.kind == "f" else a)
    with np.errstate(all="ignore"):
        answer = evaluate(lift, TEXTBOOK)
        finite = {k: np.where(np.isnan(g.error), np.inf, g.error)
                  for k, g in answer.gradients.items()}
        return Answer(np.nan_to_num(answer.loss.error, nan=np.inf), finite)
