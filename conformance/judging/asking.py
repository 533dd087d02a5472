"""One question to a subject: its answer, or how it gave none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..plug.asked import last_line as last_line
from ..plug.asked import question as question
from ..reference import Answer, Case, Engine

EARLY = 128


class Numbered:
    """An engine whose questions are counted; the first ones are kept, with their answers."""

    def __init__(self, engine: Engine):
        self.engine, self.count = engine, 0
        self.early: list[tuple[int, Case, Answer]] = []

    def __call__(self, case: Case) -> Answer:
        self.count += 1
        number = self.count
        answer = self.engine(case)
        if number <= EARLY and not case.large:
            self.early.append((number, case, answer))
        return answer

    def loss(self, case: Case) -> float:
        """The loss of its reply alone; the question counts."""
        self.count += 1
        return loss_of(self.engine, case)

    @property
    def several(self) -> Callable[[Sequence[Case]], Iterable[Answer | Exception]] | None:
        """What asks several questions at once, where the engine can; they all count."""
        inside: Callable[..., Any] | None = getattr(self.engine, "several", None)
        if inside is None or getattr(self.engine, "outstanding", 1) == 1:
            return None

        def counted(cases: Sequence[Case]) -> Iterable[Answer | Exception]:
            self.count += len(cases)
            return inside(cases)

        return counted

    @property
    def notes(self) -> set[str]:
        """What the engine noted about its answers."""
        return getattr(self.engine, "notes", set())


def loss_of(engine: Engine, case: Case) -> float:
    """The loss that an engine reports, whatever its gradients are, where it can tell it apart."""
    alone: Callable[[Case], float] | None = getattr(engine, "loss", None)
    return float(engine(case).loss) if alone is None else alone(case)


def questions(engine: Engine, cases: Iterable[Case]) -> list[Answer | Exception]:
    """The engine's answers, each with its own limit; or what it raised.

    One after another, but where the engine takes several questions at once.
    """
    several: Callable[..., Iterable[Answer | Exception]] | None = getattr(engine, "several", None)
    if several is not None:
        return list(several(list(cases)))
    return [_reply(engine, case) for case in cases]


def _reply(engine: Engine, case: Case) -> Answer | Exception:
    try:
        return question(engine, case)
    except Exception as error:
        return error
