"""A plain form as steps: its outputs and, by jax.vjp, its gradients, traced in 64 bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..trial import Array, Arrays, Trial, output
from .calling import cotangents_for, given, is_real, of_wanted, placed
from .computing import compute, results
from .lines import home_of
from .tracing import Step, Traced, trace

Function = Callable[..., Any]


@dataclass(frozen=True)
class Question:
    """A traced plain form with the arguments of one trial.

    keys: of the results, the outputs first. forward: how many of the results are outputs. real:
    which of the arguments are inputs with real numbers.
    """

    traced: Traced
    arguments: tuple[Array, ...]
    keys: tuple[str, ...]
    forward: int
    real: tuple[bool, ...]

    @cached_property
    def outward(self) -> list[Step]:
        """The steps that the outputs hang on."""
        needed = set(self.traced.outputs[:self.forward])
        found = []
        for step in reversed(self.traced.steps):
            if needed.intersection(step.outputs):
                needed.update(step.inputs)
                found.append(step)
        return found[::-1]

    @cached_property
    def inward(self) -> list[Step]:
        """The other steps, those of the gradients alone."""
        outward = set(map(id, self.outward))
        return [step for step in self.traced.steps if id(step) not in outward]

    def named(self, slots: list[Any]) -> Arrays:
        """The results by key, as float64 arrays of their own."""
        found = results(self.traced, slots)
        return {key: np.array(array, np.float64)
                for key, array in zip(self.keys, found, strict=True)}


class _Latest:
    """The question that was traced last: what is true of a trial and its perturbed runs share it.
    """

    def __init__(self) -> None:
        self.held: tuple[Function, Trial, Question] | None = None

    def __call__(self, plain: Function, trial: Trial) -> Question:
        held = self.held
        if held is None or held[0] is not plain or held[1] is not trial:
            held = self.held = plain, trial, _traced(plain, trial)
        return held[2]


_latest = _Latest()


def question(plain: Function, trial: Trial) -> Question:
    """Outputs and gradients of the plain form as one trace.

    Raises TypeError where it branches on the values of its arrays, and whatever it raises itself.
    """
    return _latest(plain, trial)


def _traced(plain: Function, trial: Trial) -> Question:
    present = {name: value for name, value in trial.inputs.items() if value is not None}
    keys: list[str] = []
    forward: list[str] = []

    def both(*arrays: Any) -> list[Any]:
        inputs = {**dict.fromkeys(trial.inputs), **dict(zip(present, arrays, strict=True))}
        outputs, back = jax.vjp(of_wanted(plain, trial, inputs),
                                *(inputs[name] for name in trial.wanted))
        gradients = back(cotangents_for(outputs, trial))
        forward[:] = [output(i) for i, each in enumerate(outputs) if each is not None]
        keys[:] = [*forward, *trial.wanted]
        return [each for each in (*outputs, *gradients) if each is not None]

    with placed():
        arrays = [given(value, "float64" if value.is_real else None) for value in present.values()]
        traced = trace(both, *arrays, home=home_of(plain))
    arguments = tuple(np.asarray(each) for each in arrays)
    real = tuple(value.is_real for value in present.values())
    return Question(traced, arguments, tuple(keys), len(forward), real)


def truth(plain: Function, trial: Trial) -> Arrays:
    """The plain form's outputs and gradients in float64, by key."""
    asked = question(plain, trial)
    return asked.named(compute(asked.traced, asked.arguments))


def shapes(function: Function, trial: Trial) -> list[tuple[int, ...] | None]:
    """The shape of each output for inputs of these shapes; None for one without a cotangent."""
    def call(inputs: dict[str, Any]) -> list[Any]:
        made = of_wanted(function, trial, inputs)(*(inputs[name] for name in trial.wanted))
        found[:] = [tuple(jnp.shape(each)) if is_real(each) else None for each in made]
        return [each for each in made if each is not None]

    found: list[tuple[int, ...] | None] = []
    with placed():
        wide = {name: None if value is None else given(value, "float64" if value.is_real else None)
                for name, value in trial.inputs.items()}
        jax.eval_shape(call, wide)
    return found
