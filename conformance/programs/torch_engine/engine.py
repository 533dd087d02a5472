"""The face of `engine.Engine` for PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from ..claim import Claim
from ..trial import Arrays, Mutant, Reply, Trial
from . import asking, doubling, mutating, perturbing

Function = Callable[..., Any]


class TorchEngine:
    """PyTorch's answers to what `engine.Engine` asks."""

    def has(self, device: str) -> bool:
        """Whether tensors can be on that device here."""
        try:
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError):
            return False
        return True

    def answer(self, function: Function, trial: Trial, device: str = "cpu") -> Reply:
        """The program's own answer; what it raises comes out."""
        return asking.answered(function, trial, device)

    def second(self, function: Function, trial: Trial, device: str = "cpu") -> Reply:
        """The answer of the program whose outputs are the function's gradients."""
        return doubling.second(function, trial, device)

    def shapes(self, function: Function, trial: Trial) -> list[tuple[int, ...] | None]:
        """The shapes of the outputs, None for one that takes no cotangent."""
        return asking.shapes(function, trial)

    def truth(self, plain: Function, trial: Trial) -> Arrays:
        """Outputs and gradients of the plain form in float64."""
        return perturbing.truth(plain, trial)

    def perturbed(self, plain: Function, trial: Trial, claim: Claim, count: int, seed: int
                  ) -> list[Arrays]:
        """So many runs of it, every operation off by a rounding of the claim."""
        return perturbing.perturbed(plain, trial, claim, count, seed)

    def mutants(self, plain: Function, trial: Trial) -> Iterator[Mutant]:
        """Wrong backwards of it, the simplest kinds first."""
        return mutating.mutants(plain, trial)
