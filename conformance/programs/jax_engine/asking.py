"""A program of JAX asked once: its outputs and gradients by jax.vjp, in the trial's dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ..trial import Array, Reply, Trial, output
from .calling import cotangents_for, given, numbers, of_wanted, placed

Function = Callable[..., Any]
Answer = tuple[list[Any], tuple[Any, ...]]


def answer(function: Function, trial: Trial, device: str = "cpu") -> Reply:
    """What the program answers; whatever it raises comes out.

    Outputs and gradients are compiled together, as in a training step, where the trial's feature
    "jit" is not "no"; with "no" the call is made as it stands, operation by operation. A program
    that branches on the values of its arrays cannot be compiled and is called as it stands. An
    array of JAX has no layout in memory.
    """
    wide = any(each is not None and each.dtype == "float64" for each in trial.inputs.values())
    with placed(device, wide):
        inputs = {name: given(value) for name, value in trial.inputs.items()}
        ask = _asked(function, trial, inputs)
        first = ask()
        reply = _reply(first, trial, inputs)
        for _ in range(trial.repeats - 1):
            _compare(reply, _reply(ask(), trial, inputs))
        if trial.twice:
            reply.second = _second(function, trial, inputs)
        return reply


def _asked(function: Function, trial: Trial, inputs: dict[str, Any]) -> Callable[[], Answer]:
    """The question, ready to be put: compiled where the trial says so."""
    wanted = [inputs[name] for name in trial.wanted]

    def both(fixed: dict[str, Any], *wanted: Any) -> Answer:
        outputs, back = jax.vjp(of_wanted(function, trial, fixed), *wanted)
        return outputs, back(cotangents_for(outputs, trial))

    if trial.features.get("jit") == "no":
        return lambda: both(inputs, *wanted)
    compiled = jax.jit(both)

    def ask() -> Answer:
        try:
            return compiled(inputs, *wanted)
        except jax.errors.ConcretizationTypeError:
            return both(inputs, *wanted)
    return ask


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


def _second(function: Function, trial: Trial,
            inputs: dict[str, Any]) -> dict[str, Array | None] | str:
    """The gradients of a second backward over one forward, or what it raised."""
    wanted = [inputs[name] for name in trial.wanted]
    outputs, back = jax.vjp(of_wanted(function, trial, inputs), *wanted)
    cotangents = cotangents_for(outputs, trial)
    back(cotangents)
    try:
        return dict(zip(trial.wanted, map(numbers, back(cotangents)), strict=True))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
