"""The engine of JAX: each question goes to the module that answers it, loaded when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..claim import Claim
from ..trial import Arrays, Mutant, Reply, Trial

Function = Callable[..., Any]


class JaxEngine:
    """`backproof.programs.engine.Engine` for programs and plain forms of JAX."""

    def has(self, device: str) -> bool:
        """Whether arrays can be on that device here."""
        import jax
        try:
            return bool(jax.devices(device))
        except RuntimeError:
            return False

    def answer(self, function: Function, trial: Trial, device: str = "cpu") -> Reply:
        from .asking import answer
        return answer(function, trial, device)

    def second(self, function: Function, trial: Trial, device: str = "cpu") -> Reply:
        from .doubling import second
        return second(function, trial, device)

    def shapes(self, function: Function, trial: Trial) -> list[tuple[int, ...] | None]:
        from .plain import shapes
        return shapes(function, trial)

    def truth(self, plain: Function, trial: Trial) -> Arrays:
        from .plain import truth
        return truth(plain, trial)

    def perturbed(self, plain: Function, trial: Trial, claim: Claim, count: int,
                  seed: int) -> list[Arrays]:
        from .perturbing import perturbed
        return perturbed(plain, trial, claim, count, seed)

    def mutants(self, plain: Function, trial: Trial) -> Iterator[Mutant]:
        from .mutating import mutants
        return mutants(plain, trial)


ENGINE = JaxEngine()
