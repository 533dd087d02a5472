"""The two frameworks behind one face: ask a program, differentiate its plain form, perturb it.

torch_engine/ and jax_engine/ each have a class of this face; nothing else imports a framework.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Protocol

from .claim import Claim
from .trial import Arrays, Mutant, Reply, Trial

Function = Callable[..., Any]
FRAMEWORKS = {"torch": "torch_engine", "jax": "jax_engine"}


class Engine(Protocol):
    """All that is asked of a framework.

    A function is called as the program is: the inputs of the trial in their order by position, the
    options by name. device: where tensors live, "cpu" or "cuda".
    """

    def has(self, device: str) -> bool:
        """Whether tensors can be on that device here."""

    def answer(self, function: Function, trial: Trial, device: str = "cpu") -> Reply:
        """The program's own answer, its inputs in the trial's dtypes and layouts.

        Whatever the function raises comes out.
        """

    def second(self, function: Function, trial: Trial, device: str = "cpu") -> Reply:
        """The answer of the program whose outputs are the function's gradients.

        trial: of `checks.double.of_gradients`: the cotangents are inputs of it too.
        """

    def shapes(self, function: Function, trial: Trial) -> list[tuple[int, ...] | None]:
        """The shape of every output for these inputs; None for one that takes no cotangent.

        The trial's own cotangents do not matter.
        """

    def truth(self, plain: Function, trial: Trial) -> Arrays:
        """Outputs and gradients of the plain form in float64, by key ("output 0", "x")."""

    def perturbed(self, plain: Function, trial: Trial, claim: Claim, count: int,
                  seed: int) -> list[Arrays]:
        """The same from so many runs in float64 in which every operation, forward and backward, is
        off by one rounding of the claim. The rounding into storage is not in them.
        """

    def mutants(self, plain: Function, trial: Trial) -> Iterator[Mutant]:
        """Wrong backwards of the plain form in float64, the simplest kinds first."""


def engine_of(framework: str) -> Engine:
    """The engine of "torch" or "jax"; ImportError where the framework is not there."""
    module = import_module(f".{FRAMEWORKS[framework]}", __package__)
    found: Engine = module.ENGINE
    return found
