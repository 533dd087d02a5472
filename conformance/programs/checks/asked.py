"""One trial of a program with its answer, and what else a check may ask about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..claim import Claim
from ..trial import Arrays, Reply, Trial
from .moving import moved
from .noise import allowance

Answer = Callable[[Trial], Reply]
MOVED = 64  # units in the last place by which a trial is moved to see whether a finding stays


class Refused(Exception):  # noqa: N818 - no error of ours
    """What a program raised when it was asked."""

    def __init__(self, error: Exception):
        super().__init__(str(error))
        self.error = error


def refusing(answer: Answer) -> Answer:
    """The same, but that what the program raises is a Refused: no mistake of who asks is one."""
    def asks(trial: Trial) -> Reply:
        try:
            return answer(trial)
        except Exception as error:
            raise Refused(error) from error
    return asks


class Declared(Protocol):
    """Of one input, what the checks need to know; `program.inputs.Input` has it."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> Sequence[int | str]: ...
    @property
    def is_real(self) -> bool: ...
    @property
    def grad(self) -> bool: ...


class Claims(Protocol):
    """Of a program, what the checks need to know; `program.ProgramClaims` has it."""

    @property
    def inputs(self) -> Sequence[Declared]: ...
    @property
    def dtypes(self) -> Sequence[str]: ...
    @property
    def deterministic(self) -> bool: ...
    @property
    def double_backward(self) -> bool: ...
    @property
    def batch(self) -> str: ...
    def claim(self, dtype: str) -> Claim: ...


@dataclass(frozen=True)
class Asked:
    """answer: makes further calls, and raises Refused where the program raises. tolerance: what is
    allowed of each entry of `reply` by the plain form, None where there is none. second: answers
    trials of the program whose outputs are the gradients, see `double`.
    """

    claims: Claims
    answer: Answer
    trial: Trial
    reply: Reply
    rng: np.random.Generator
    tolerance: Arrays | None = None
    second: Answer | None = None

    def again(self, **changes: Any) -> Reply:
        """The answer to the trial with changes, asked once."""
        return self.answer(self.once(**changes))

    def once(self, **changes: Any) -> Trial:
        """The trial with changes, without repeats and the like."""
        return replace(self.trial, **{"repeats": 1, "twice": False, "poison": False, **changes})

    def at(self, trial: Trial) -> Asked:
        """Another trial of the same program, answered, without a tolerance."""
        return replace(self, trial=trial, reply=self.answer(trial), tolerance=None)

    def elsewhere(self) -> Asked:
        """The trial with all its real numbers moved a little, answered."""
        return self.at(moved(self.once(), self.rng, self.coarse * MOVED, cotangents=True))

    @property
    def claim(self) -> Claim:
        return self.claims.claim(self.trial.dtype)

    @cached_property
    def coarse(self) -> float:
        """How many units in the last place of the storage one rounding of the arithmetic is."""
        claim = self.claim
        return max(1.0, *(each.unit / claim.stored.unit
                          for each in (claim.operations, claim.products)))

    @cached_property
    def allowed(self) -> Arrays:
        """How far each entry of the reply may be from the truth, by key.

        That is the tolerance of the plain form; without one it is measured.
        """
        return allowance(self) if self.tolerance is None else self.tolerance

    @cached_property
    def able(self) -> tuple[str, ...]:
        """The inputs of the trial that have gradients."""
        refused = {each.name for each in self.claims.inputs if not each.grad}
        return tuple(name for name, value in self.trial.inputs.items()
                     if value is not None and value.is_real and name not in refused)

    def values(self) -> Mapping[str, Any]:
        """Inputs and cotangents ("cotangent 0") that hold real numbers, by name."""
        inputs = {name: value for name, value in self.trial.inputs.items()
                  if value is not None and value.is_real}
        return inputs | {f"cotangent {i}": value for i, value in enumerate(self.trial.cotangents)
                         if value is not None}
