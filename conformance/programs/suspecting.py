"""Asking a kernel that may cheat: decoys before every question, and an end to crashes and hangs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ..plug.limits import TookTooLong
from ..plug.protocol.session import Died
from .remote import RemoteAnswer
from .trial import Reply, Trial, Value

Rng = np.random.Generator
LOST = 3  # crashes and hangs, after which nothing more is asked


class GivenUp(Exception):  # noqa: N818 - about the program, not an error of ours
    """It has crashed or hung too often to be asked again."""


class Suspecting:
    """Asks each trial after a decoy: the same shapes, dtypes, layouts and options, other numbers.

    Who keeps results by shape, by identity or by address gives the decoy's for the trial's. All
    memory is poisoned. `lost` counts the crashes and hangs; `given_up`: whether they were too many.
    """

    def __init__(self, answer: RemoteAnswer, seed: int):
        self.answer, self.seed, self.lost = answer, seed, 0

    @property
    def given_up(self) -> bool:
        return self.lost >= LOST

    def __call__(self, trial: Trial, device: str = "cpu") -> Reply:
        rng = np.random.default_rng([self.seed, trial.number, 1])
        with self._counted():
            self.answer(decoy(rng, trial), device=device)
            return self.answer(replace(trial, poison=True), device=device)

    def second(self, trial: Trial, device: str = "cpu") -> Reply:
        """As `Engine.second`."""
        with self._counted():
            return self.answer.second(trial, device=device)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self.given_up:
            raise GivenUp(f"not asked any more, after {self.lost} crashes or hangs")
        try:
            yield
        except (Died, TookTooLong):
            self.lost += 1
            raise


def decoy(rng: Rng, trial: Trial) -> Trial:
    """The trial with the real numbers of every tensor in another order; indices and masks stay."""
    inputs = {name: _shuffled(rng, value) for name, value in trial.inputs.items()}
    cotangents = tuple(_shuffled(rng, value) for value in trial.cotangents)
    return replace(trial, inputs=inputs, cotangents=cotangents, repeats=1, twice=False)


def _shuffled(rng: Rng, value: Value | None) -> Value | None:
    if value is None or not value.is_real:
        return value
    numbers = rng.permutation(value.numbers.reshape(-1)).reshape(value.numbers.shape)
    return replace(value, numbers=numbers)
