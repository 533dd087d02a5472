"""How far may two right answers lie apart? Computed per entry, from the case, by the reference."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ..reference import TABLES, Answer, Case, Engine, Tables, Trace, backprop, evaluate, forward
from ..reference.backprop import loss_kinks
from .bounded import Bounded
from .perturbed import AMPLIFY, TINY, UNIT, Noise, Perturbed

SLACK = 16.0
BOUNDS = 4.0
SAMPLES = 8
PART = 1 << 14


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

    def enough_for(self, answer: Answer) -> Spread:
        """The spread with as many samples as it takes to say that the answer agrees, or all."""
        return self

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
            if case.large:
                self._forget()
            self.kept[key] = case, _spread(case, samples, seed)
            if len(self.kept) > self.most:
                self.kept.popitem(last=False)
        self.kept.move_to_end(key)
        return self.kept[key][1]

    def _forget(self) -> None:
        """Of large cases only one is kept."""
        for key in [key for key, (case, _) in self.kept.items() if case.large]:
            del self.kept[key]


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
    return _owed(0.0, truth, dtype)


def _spread(case: Case, samples: int, seed: int) -> Spread:
    return Streamed(case, samples, seed) if case.large else _stacked(case, samples, seed)


def _stacked(case: Case, samples: int, seed: int) -> Spread:
    """All samples side by side."""
    noise = resting(case.dtype, seed)
    wide = case.astype("float64")
    stack = lifted(wide, samples, noise)
    with np.errstate(all="ignore"):
        trace = forward(wide)
        truth = Answer(backprop.loss(wide, trace), backprop.backward(wide, trace))
        s, runs = _sampled(stack, truth, case.dtype)
        return Spread(truth, float(s.loss), s.gradients, unclear(wide, trace, runs, case.dtype))


class Streamed(Spread):
    """The spread of a large case: one sample after another, of which only the largest is kept.

    A sample more only makes s larger. So an answer that agrees within the samples so far agrees,
    and no further one is taken for it (`enough_for`); whoever asks for s itself gets all of them.
    """

    def __init__(self, case: Case, samples: int, seed: int):
        self.case, self.samples, self.seed, self.taken = case, samples, seed, 0
        with np.errstate(all="ignore"):
            wide = case.astype("float64")
            trace = forward(wide)
            truth = Answer(backprop.loss(wide, trace), backprop.backward(wide, trace))
        object.__setattr__(self, "truth", truth)
        self.kinked = bool(trace.kinks or loss_kinks(wide, trace.outputs))
        self.apart = {name: np.zeros(np.shape(g)) for name, g in truth.gradients.items()}
        self.apart["loss"] = np.zeros(())

    def _stack(self, sample: int) -> Case:
        noise = resting(self.case.dtype, 64 * self.seed + sample)
        return lifted(self.case.astype("float64"), 1, noise)

    def _take(self) -> None:
        """One sample more."""
        with np.errstate(all="ignore"):
            stack = self._stack(self.taken)
            runs = forward(stack, TEXTBOOK)
            loss = backprop.loss(stack, runs, TEXTBOOK)
            gradients = backprop.backward(stack, runs, TEXTBOOK)
            del runs
            self._widen("loss", loss.raw[0])
            for name in self.truth.gradients:
                self._widen(name, gradients.pop(name).raw[0])
        self.taken += 1

    def _true(self, name: str) -> Any:
        return np.asarray(self.truth.loss if name == "loss" else self.truth.gradients[name])

    def _widen(self, name: str, run: Any) -> None:
        """Keep the largest distance from the truth."""
        for so_far, one, true in parts(self.apart[name], run, self._true(name)):
            np.maximum(so_far, np.abs(one - true), out=so_far)

    def _s(self, name: str) -> Any:
        """s of one array, of the samples so far."""
        return _owed(self.apart[name], self._true(name), self.case.dtype)

    def _all(self) -> None:
        while self.taken < self.samples:
            self._take()

    @property
    def loss(self) -> float:
        """s of the loss, of all samples."""
        self._all()
        return float(self._s("loss"))

    @property
    def gradients(self) -> Mapping[str, Any]:
        """s of every entry, of all samples."""
        self._all()
        return {name: self._s(name) for name in self.truth.gradients}

    @cached_property
    def unclear(self) -> Mapping[str, Any]:
        """By layer, the units whose kink lies within the spread; forwards alone tell."""
        masks: dict[str, Any] = {}
        if self.kinked:
            wide = self.case.astype("float64")
            trace = forward(wide)
            for sample in range(self.samples):
                runs = forward(self._stack(sample), TEXTBOOK)
                for name, mask in unclear(wide, trace, runs, self.case.dtype).items():
                    masks[name] = masks[name] | mask if name in masks else mask
        return masks

    @property
    def finite(self) -> bool:
        """Whether the case is valid in its dtype: a finite loss and finite gradients."""
        limit = np.finfo(self.case.dtype).max
        return bool(abs(self.truth.loss) < limit) and all(
            bool((np.abs(g) < limit).all()) for g in self.truth.gradients.values())

    def enough_for(self, answer: Answer) -> Spread:
        while self.taken < self.samples and not self._agrees(answer):
            self._take()
        each = {name: self._s(name) for name in self.truth.gradients}
        return Spread(self.truth, float(self._s("loss")), each, {})

    def _agrees(self, answer: Answer) -> bool:
        """Whether every number is within the slack times the samples so far."""
        return self._within("loss", answer.loss) and all(
            self._within(name, g) for name, g in answer.gradients.items() if name in self.apart)

    def _within(self, name: str, got: Any) -> bool:
        return all(bool((np.abs(mine - true) <= SLACK * _owed(so_far, true, self.case.dtype)).all())
                   for mine, true, so_far in parts(np.asarray(got, dtype=float), self._true(name),
                                                   self.apart[name]))

    def widened(self, other: Answer) -> Spread:
        return Spread(self.truth, self.loss, self.gradients, self.unclear).widened(other)


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
    return _owed(np.abs(runs - truth).max(axis=0), truth, dtype)


def _owed(apart: Any, truth: Any, dtype: str) -> Any:
    """s, where so far apart from the truth is the furthest of the samples."""
    size = np.abs(truth)
    limit = np.finfo(dtype).max
    s = apart / AMPLIFY[dtype] + UNIT[dtype] * size + 64 * TINY[dtype]
    return np.where(size < limit, s, np.inf)


def parts(*arrays: Any) -> Iterator[tuple[Any, ...]]:
    """Arrays of one shape side by side, in parts that a processor's cache holds."""
    flat = [np.ravel(array) for array in arrays]
    for start in range(0, flat[0].size, PART):
        yield tuple(array[start:start + PART] for array in flat)


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
