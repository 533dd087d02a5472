"""A program of JAX asked once: its outputs and gradients by jax.vjp, in the trial's dtypes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np

from ..trial import Array, Reply, Trial, output
from .calling import fitted, given, numbers, outputs_of, placed

Function = Callable[..., Any]
Answer = tuple[list[Any], tuple[Any, ...]]


def answer(function: Function, trial: Trial, device: str = "cpu") -> Reply:
    """What the program answers; whatever it raises comes out.

    Outputs and gradients are compiled together, as in a training step, where the trial's feature
    "jit" is not "no"; with "no" the call is made as it stands, operation by operation, and where
    the trial wants it backward is run twice. A program that branches on the values of its arrays
    cannot be compiled and is called as it stands. An array of JAX has no layout in memory.
    """
    wide = any(each is not None and each.dtype == "float64" for each in trial.inputs.values())
    with placed(device, wide):
        inputs = {name: given(value) for name, value in trial.inputs.items()}
        cotangents = [given(value) for value in trial.cotangents]
        call = Call(function, tuple(inputs), trial.wanted, tuple(trial.options.items()))
        if trial.features.get("jit") == "no":
            return _as_it_stands(call, trial, inputs, cotangents)
        first = _compiled(call, inputs, cotangents)
        reply = _reply(first, trial, inputs)
        for _ in range(trial.repeats - 1):
            _compare(reply, _reply(_compiled(call, inputs, cotangents), trial, inputs))
        return reply


@dataclass(frozen=True)
class Call:
    """A function, the names of its inputs, those that are differentiated, and its options."""

    function: Function
    names: tuple[str, ...]
    wanted: tuple[str, ...]
    options: tuple[tuple[str, Any], ...]

    def outputs(self, inputs: Mapping[str, Any], *wanted: Any) -> list[Any]:
        """The outputs in a row, as a function of the wanted inputs."""
        every = {**inputs, **dict(zip(self.wanted, wanted, strict=True))}
        found = self.function(*(every[name] for name in self.names), **dict(self.options))
        return outputs_of(found)

    def both(self, inputs: Mapping[str, Any], cotangents: Sequence[Any]) -> Answer:
        """The outputs and the gradients."""
        outputs, back = self.vjp(inputs)
        return outputs, back(fitted(outputs, cotangents))

    def vjp(self, inputs: Mapping[str, Any]) -> tuple[list[Any], Callable[..., Any]]:
        outputs, back = jax.vjp(partial(self.outputs, inputs),
                                *(inputs[name] for name in self.wanted))
        return outputs, back


def _as_it_stands(call: Call, trial: Trial, inputs: dict[str, Any],
                  cotangents: Sequence[Any]) -> Reply:
    outputs, back = call.vjp(inputs)
    flowing = fitted(outputs, cotangents)
    reply = _reply((outputs, back(flowing)), trial, inputs)
    if trial.twice:
        reply.second = _second(back, flowing, trial)
    for _ in range(trial.repeats - 1):
        _compare(reply, _reply(call.both(inputs, cotangents), trial, inputs))
    return reply


def _compiled(call: Call, inputs: dict[str, Any], cotangents: Sequence[Any]) -> Answer:
    """The answer of the compiled call, or of the call as it stands where it cannot be compiled."""
    try:
        jitted = _jitted(call)
    except TypeError:  # an option that cannot be kept in a cache
        jitted = jax.jit(call.both)
    try:
        found: Answer = jitted(inputs, list(cotangents))
    except jax.errors.ConcretizationTypeError:
        return call.both(inputs, cotangents)
    return found


@lru_cache(maxsize=8)
def _jitted(call: Call) -> Callable[..., Answer]:
    """The compiled call; one for all trials that differ in their numbers alone."""
    jitted: Callable[..., Answer] = jax.jit(call.both)
    return jitted


def _reply(found: Answer, trial: Trial, inputs: dict[str, Any]) -> Reply:
    outputs, gradients = found
    named = dict(zip(trial.wanted, gradients, strict=True))
    arrays = {**{output(i): each for i, each in enumerate(outputs)}, **named}
    return Reply([numbers(each) for each in outputs],
                 {name: numbers(each) for name, each in named.items()},
                 {key: str(each.dtype) for key, each in arrays.items() if each is not None},
                 _touched(trial, inputs))


def _touched(trial: Trial, inputs: dict[str, Any]) -> tuple[str, ...]:
    """The inputs that are no longer what they were: NumPy code behind a callback can do that."""
    return tuple(name for name, value in trial.inputs.items() if value is not None
                 and not np.array_equal(np.asarray(inputs[name], value.numbers.dtype),
                                        value.numbers, equal_nan=value.is_real))


def _compare(reply: Reply, again: Reply) -> None:
    """Notes in the first reply where a repeat of the call gave other bits."""
    for key, array in reply.arrays.items():
        other = again.arrays.get(key)
        if other is None or other.shape != array.shape:
            reply.differing[key] = np.inf
        elif not np.array_equal(array, other, equal_nan=True):
            reply.differing[key] = max(reply.differing.get(key, 0.0), _apart(array, other))


def _apart(array: Array, other: Array) -> float:
    with np.errstate(all="ignore"):
        apart = np.abs(array - other)[array != other]
    return float(np.max(apart)) if np.all(np.isfinite(apart)) else np.inf


def _second(back: Callable[..., Any], flowing: Sequence[Any],
            trial: Trial) -> dict[str, Array | None] | str:
    """The gradients of a second backward over one forward, or what it raised."""
    try:
        return dict(zip(trial.wanted, map(numbers, back(flowing)), strict=True))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
