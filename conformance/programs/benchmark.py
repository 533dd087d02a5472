"""A judge for benchmarks: a kernel that somebody, or a machine, wrote for a task, and its score.

A task is a Program without a function: `task = program(plain=..., inputs=..., ...)`. The kernel is
a function in a file of its own, which is imported and asked in a fresh process; the plain form and
all that is true stay in this one. How long the kernel takes is not judged.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from ..plug.asked import last_line
from ..plug.executed import Announce
from ..plug.protocol.apart import opened
from ..plug.protocol.process import Log
from ..plug.refused import TargetError
from ..plug.targets import named
from ..record.report import Finding
from ..record.writing import environment
from .attempts import identities
from .cells import Cell, cells, is_output, share, to_json
from .closed import closed
from .drawing import Drawn
from .engine import engine_of
from .findings import findings
from .judge import Judge
from .judged import Judged
from .precise import name as claim_name
from .precise import strictest
from .program import Program, _Later
from .remote import RemoteAnswer
from .suspecting import Suspecting
from .vacuity import sharpness, vacuous

WORKER = "backproof.programs.worker"
EACH = 40  # trials of every dtype
WANTED = "wanted a task: task = program(plain=..., inputs=..., dtypes=..., ...)"
UNJUDGED = "how long it takes is not judged"


@dataclass
class Score:
    """What a kernel has come to. precision: by dtype, what is claimed and the strictest it meets.

    verdict: "conforms", "does_not_conform", or "not_judged" with a reason. score, forward and
    backward: shares of right cells. tried: what it may not do and did. given_up: it crashed or hung
    too often to be asked every trial. look: finds the mistakes, which takes a while.
    """

    verdict: str
    seed: int
    kernel: str
    task: str
    cells: Sequence[Cell] = ()
    look: Callable[[], Sequence[Finding]] = list
    precision: dict[str, dict[str, str]] = field(default_factory=dict)
    trials: int = 0
    tried: Sequence[str] = ()
    forbidden: Sequence[str] = ()
    given_up: bool = False
    reason: str = ""

    @property
    def score(self) -> float:
        """The share of all cells that are right."""
        return share(self.cells)

    @property
    def forward(self) -> float:
        """That of the outputs."""
        return share(self.cells, is_output)

    @property
    def backward(self) -> float:
        """That of the gradients."""
        return share(self.cells, lambda cell: not is_output(cell))

    @cached_property
    def findings(self) -> Sequence[Finding]:
        """The mistakes, each with its place in the plain form where that is found."""
        return self.look()

    @property
    def exit(self) -> int:
        """0 conforms, 1 does_not_conform, 2 not_judged."""
        return {"conforms": 0, "does_not_conform": 1}.get(self.verdict, 2)

    def to_json(self) -> dict[str, Any]:
        """The report as data."""
        return {"verdict": self.verdict, "score": self.score, "forward": self.forward,
                "backward": self.backward, "kernel": self.kernel, "task": self.task,
                "seed": self.seed, "trials": self.trials, "reason": self.reason,
                "tried": [*self.tried], "forbidden": [*self.forbidden], "given_up": self.given_up,
                "precision": self.precision, "findings": [each.text for each in self.findings],
                "cells": [*map(to_json, self.cells)], "timing": UNJUDGED, "versions": environment()}


def judged(kernel: str, task: str, *, seed: int | None = None, examples: int | None = None,
           device: str = "cpu", forbid: Sequence[str] = (), announce: Announce | None = None,
           log: Log = lambda _: None) -> Score:
    """The score of the kernel that a text names, at the task that another one names.

    seed: of the trials, from the operating system where it is left out. forbid: what the kernel may
    not call, by name. A kernel that cannot be had is not judged. Raises TargetError for a task that
    cannot be had, and a device that is not there.
    """
    wanted = task_of(task)
    if not engine_of(wanted.asked.framework).has(device):
        raise TargetError(f"device: {device!r} is not there for {wanted.asked.framework}")
    seed = int.from_bytes(os.urandom(6), "little") if seed is None else seed
    rules = {"framework": wanted.asked.framework, "forbid": [*forbid],
             "hidden": identities(_file(wanted))}
    score = Score("not_judged", seed, kernel, task, forbidden=forbid)
    with closed():
        try:
            session = opened(WORKER, kernel, announce, log=log, judged=rules)
        except TargetError as error:
            score.reason = str(error)
            return score
        try:
            run = _Run(wanted, seed, RemoteAnswer(session), device)
            run.ask(examples or EACH * len(wanted.asked.dtypes))
        finally:
            session.close()
    return run.score(score)


def task_of(text: str) -> Program:
    """The task that a text names; TargetError where it is none."""
    found = named(text)
    if isinstance(found, _Later):
        found = found.task()
    if not isinstance(found, Program) or found.plain is None:
        raise TargetError(f"{text}: {WANTED}; received {type(found).__name__}")
    return found


def _file(task: Program) -> str:
    """The file that the plain form stands in."""
    assert task.plain is not None
    return inspect.getsourcefile(inspect.unwrap(task.plain)) or ""


class _Run:
    """A kernel asked every trial, and what came of it."""

    def __init__(self, task: Program, seed: int, answer: RemoteAnswer, device: str):
        self.task, self.answer = task, Suspecting(answer, seed)
        engine = engine_of(task.asked.framework)
        self.judge = Judge(task, engine, partial(self.answer, device=device), seed,
                           partial(self.answer.second, device=device))
        assert task.plain is not None
        self.drawn = Drawn(task, partial(engine.shapes, task.plain), seed)
        self.judged: list[Judged] = []

    def ask(self, count: int) -> None:
        """Judge so many trials, whatever comes; TargetError where the plain form raises."""
        try:
            self.judged = [each for trial in self.drawn.trials(count)
                           if (each := self.judge.judge(trial)) is not None]
        except Exception as error:
            raise TargetError(f"plain: raises {last_line(error)}") from error

    def score(self, score: Score) -> Score:
        """The score, filled."""
        score.cells, score.trials = cells(self.task, self.judged), len(self.judged)
        score.tried, score.given_up = [*self._tried()], self.answer.given_up
        score.verdict, score.reason = self._verdict(score)
        if score.verdict == "conforms":
            score.precision = {dtype: self._precision(dtype) for dtype in self.task.asked.dtypes}
        else:
            score.look = partial(findings, self.judge, self.judged, lambda _: "")
        return score

    def _verdict(self, score: Score) -> tuple[str, str]:
        if not score.trials:
            return "not_judged", "the plain form has no finite answer on any trial"
        if score.score < 1.0:
            return "does_not_conform", ""
        why = vacuous(sharpness(self.judged, self.judge.claim))
        return ("not_judged", f"it could not have failed: {why}") if why else ("conforms", "")

    def _tried(self) -> Iterator[str]:
        """What it may not do, once each."""
        said = {failure.data["error"]: None for each in self.judged for failure in each.failures
                if failure.kind == "Attempted"}
        yield from said

    def _precision(self, dtype: str) -> dict[str, str]:
        return {"claimed": claim_name(self.task.asked.claim(dtype)),
                "strictest": strictest(self.judge, self.judged, dtype)}
