"""The program whose outputs are another program's gradients, for differentiating twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax

from ..trial import Reply, Trial
from .asking import answer
from .calling import fitted, outputs_of

Function = Callable[..., Any]
Names = tuple[str, ...]


def second(function: Function, trial: Trial, device: str = "cpu") -> Reply:
    """The answer of that program to a trial of `checks.double.of_gradients`."""
    names = tuple(name for name in trial.inputs if not name.startswith("cotangent "))
    wanted = tuple(name for name in trial.wanted if name in names)
    return answer(gradients_of(function, names, wanted), trial, device)


@lru_cache(maxsize=8)
def gradients_of(function: Function, names: Names, wanted: Names) -> Function:
    """A function of the inputs and the cotangents of another, that gives its gradients.

    It is the same one each time, so that it is compiled once.
    """
    def differentiated(*given: Any, **options: Any) -> list[Any]:
        inputs = dict(zip(names, given, strict=False))

        def outputs(*some: Any) -> list[Any]:
            every = {**inputs, **dict(zip(wanted, some, strict=True))}
            return outputs_of(function(*every.values(), **options))

        found, back = jax.vjp(outputs, *(inputs[name] for name in wanted))
        return list(back(fitted(found, given[len(names):])))
    return differentiated
