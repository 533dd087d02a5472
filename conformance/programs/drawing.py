"""Trials: which calls are made, hostile by default, the same for the same seed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..reference.checks import DescriptionError
from .inputs import Input
from .layouts import LAYOUTS
from .program import Program
from .regimes import COTANGENTS, DRAWN, INDICES, MASKS, VALUES, stored
from .shapes import names_in, value_of
from .trial import Trial, Value

Array = Any
Shape = tuple[int, ...]
Rng = np.random.Generator
Shapes = Callable[[Trial], list[Any]]
REPEATED = 7   # every so many trials the call is repeated
RACES = 20     # calls of it, now and then
TWICE = 5
POISONED = 3


@dataclass(frozen=True)
class Drawn:
    """The trials of a program. outputs: what the plain form's outputs are for inputs, their shapes,
    None for one that takes no cotangent.
    """

    program: Program
    outputs: Shapes
    seed: int = 0

    def trials(self, count: int) -> Iterator[Trial]:
        """So many, of every dtype in turn."""
        dtypes = itertools.cycle(self.program.asked.dtypes)
        for number, dtype in zip(range(count), dtypes, strict=False):
            yield self.trial(number, dtype)

    def trial(self, number: int, dtype: str) -> Trial:
        """One of them; raises whatever `outputs` raises, and DescriptionError for its sizes."""
        rng = np.random.default_rng([self.seed, number])
        claims, symbols = self.program.asked, self.program.symbols
        assert symbols is not None
        sizes = symbols.drawn(rng)
        mood = _mood(rng)
        inputs = {each.name: _value(rng, each, sizes, dtype, mood) for each in claims.inputs}
        options = {name: _option(values[int(rng.integers(len(values)))], len(values) == 1, sizes)
                   for name, values in claims.options.items()}
        trial = Trial(inputs, options, (), _wanted(rng, claims.inputs, inputs), dtype, number,
                      repeats=_repeats(number), twice=number % TWICE == 1,
                      poison=number % POISONED == 2)
        return self._with_cotangents(rng, trial, mood, sizes)

    def _with_cotangents(self, rng: Rng, trial: Trial, mood: Mapping[str, str],
                         sizes: Mapping[str, int]) -> Trial:
        shapes = self.outputs(trial)
        used = _used(rng, shapes)
        cotangents = tuple(_cotangent(rng, shape, trial.dtype, mood) if i in used else None
                           for i, shape in enumerate(shapes))
        return replace(trial, cotangents=cotangents,
                       features={**_facets(trial, cotangents, mood), **self._compiled(trial),
                                 **_jit(self.program.asked.framework, trial.number),
                                 **{f"size {name}": str(n) for name, n in sizes.items()}})

    def _compiled(self, trial: Trial) -> dict[str, str]:
        """Of JAX alone: whether the call is compiled, as it is in three of four trials."""
        if self.program.asked.framework != "jax":
            return {}
        return {"jit": "no" if trial.number % 4 == 3 else "yes"}


def _option(value: Any, only: bool, sizes: Mapping[str, int]) -> Any:
    """The value; the only one of an option may be an expression of sizes, "2 * G"."""
    if not only or not isinstance(value, str):
        return value
    try:
        return value_of(value, sizes) if names_in(value) <= {*sizes} else value
    except DescriptionError:
        return value


def _mood(rng: Rng) -> dict[str, str]:
    """What this trial is like: half of all trials have the usual numbers, so that a mistake that
    shows at any shows at many, and half are hostile.
    """
    hostile = rng.random() < 0.6
    return {"values": str(rng.choice(DRAWN)) if hostile else "usual",
            "cotangent": str(rng.choice(list(COTANGENTS))) if rng.random() < 0.5 else "random",
            "layout": str(rng.choice(list(LAYOUTS))) if rng.random() < 0.4 else "contiguous",
            "cotangent layout": (str(rng.choice(list(LAYOUTS))) if rng.random() < 0.5
                                 else "contiguous")}


def _jit(framework: str, number: int) -> dict[str, str]:
    """Whether a program of JAX is compiled as a whole."""
    return {"jit": "no" if number % 4 == 2 else "yes"} if framework == "jax" else {}


def _facets(trial: Trial, cotangents: tuple[Value | None, ...],
            mood: Mapping[str, str]) -> dict[str, str]:
    """What was drawn, by facet, as it came out: a layout that does not apply is contiguous."""
    layouts = {value.layout for value in trial.inputs.values() if value is not None}
    lies = {value.layout for value in cotangents if value is not None}
    absent = [name for name, value in trial.inputs.items() if value is None]
    return {"dtype": trial.dtype, "values": mood["values"], "cotangent": mood["cotangent"],
            "layout": next(iter(layouts - {"contiguous"}), "contiguous"),
            "cotangent layout": next(iter(lies - {"contiguous"}), "contiguous"),
            "wanted": ", ".join(trial.wanted), "absent": ", ".join(absent),
            **{f"option {name}": str(value) for name, value in trial.options.items()}}


def _value(rng: Rng, each: Input, sizes: Mapping[str, int], dtype: str,
           mood: Mapping[str, str]) -> Value | None:
    if each.optional and rng.random() < 0.3:
        return None
    shape = tuple(value_of(size, sizes) for size in each.shape)
    if each.index is not None or each.dtype == "int64":
        most = 2 if each.index is None else value_of(each.index, sizes)
        numbers = INDICES[str(rng.choice(list(INDICES)))](rng, shape, max(most, 1))
        if each.sentinel is not None and rng.random() < 0.5:
            numbers = np.where(rng.random(shape) < 0.3, each.sentinel, numbers)
        return Value(np.asarray(numbers, np.int64), "int64")
    if each.dtype == "bool":
        return Value(np.asarray(MASKS[str(rng.choice(list(MASKS)))](rng, shape), bool), "bool")
    return _real(rng, each, shape, each.dtype or dtype, mood)


def _real(rng: Rng, each: Input, shape: Shape, dtype: str, mood: Mapping[str, str]) -> Value:
    """Numbers of the trial's kind: of every input with several axes, of the others one in three."""
    special = len(shape) > 1 or rng.random() < 0.34
    kind = each.values or (mood["values"] if special else "usual")
    return laid(stored(VALUES[kind](rng, shape), dtype), dtype, mood["layout"])


def laid(numbers: Array, dtype: str, layout: str) -> Value:
    """The value in that layout, its numbers as they must be for it; contiguous where it cannot."""
    row = LAYOUTS[layout]
    if not row.applies(numbers.shape):
        return Value(numbers, dtype)
    return Value(row.numbers(numbers), dtype, layout)


def _cotangent(rng: Rng, shape: Shape | None, dtype: str, mood: Mapping[str, str]) -> Value | None:
    if shape is None:
        return None
    numbers = stored(COTANGENTS[mood["cotangent"]](rng, shape), dtype)
    return laid(numbers, dtype, mood["cotangent layout"])


def _used(rng: Rng, shapes: list[Any]) -> set[int]:
    """The outputs that get a cotangent: all of them, or one of several now and then."""
    real = [i for i, shape in enumerate(shapes) if shape is not None]
    if len(real) > 1 and rng.random() < 0.3:
        return {int(rng.choice(real))}
    return set(real)


def _wanted(rng: Rng, inputs: tuple[Input, ...], values: Mapping[str, Value | None]
            ) -> tuple[str, ...]:
    """The inputs whose gradients are asked for: all, or some of them in a third of the trials."""
    able = [each.name for each in inputs
            if each.is_real and each.grad and values[each.name] is not None]
    if len(able) > 1 and rng.random() < 0.34:
        some = [name for name in able if rng.random() < 0.5] if rng.random() < 0.5 else []
        return tuple(some or [able[int(rng.integers(len(able)))]])
    return tuple(able)


def _repeats(number: int) -> int:
    return RACES if number % 29 == 3 else 2 if number % REPEATED == 0 else 1
