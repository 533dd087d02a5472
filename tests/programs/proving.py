"""The proving ground asked: the right and the wrong programs as `Program`s, their trials, and what was judged."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from backproof.programs.drawing import Drawn
from backproof.programs.engine import engine_of
from backproof.programs.findings import findings
from backproof.programs.formats import FORMATS
from backproof.programs.judge import Judge
from backproof.programs.judged import Judged
from backproof.programs.program import program

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from bugs import BUGS, Bug  # noqa: E402
from right import FLOATS, OPERATIONS, STYLES, Operation  # noqa: E402

__all__ = ["BUGS", "FLOATS", "OPERATIONS", "STYLES", "Asked", "Bug", "Operation", "beyond", "of_bug", "of_operation"]


@dataclass(frozen=True)
class Asked:
    """A program with its trials and its judge."""

    program: object
    trials: Drawn
    judge: Judge

    def judged(self, count: int) -> Iterator[Judged]:
        """So many trials, less those without an answer."""
        for trial in self.trials.trials(count):
            if (judged := self.judge.judge(trial)) is not None:
                yield judged

    def lines(self, judged: list[Judged], plain) -> set[int]:
        """The lines of the plain form's file where the findings point, those named first and their equals."""
        file = Path(plain.__code__.co_filename).name
        return {place["line"] for finding in findings(self.judge, judged, lambda case: "")
                for place in finding.located or () if Path(place["file"]).name == file}


DEVICE = "cpu"  # where the programs are asked; their plain forms stay on the CPU


def _asked(made, seed: int) -> Asked:
    engine = engine_of("torch")
    return Asked(made, Drawn(made, partial(engine.shapes, made.plain), seed),
                 Judge(made, engine, partial(_answer, engine, made.engine), seed))


def _answer(engine, function, trial):
    """On the device, where what a program makes for itself is made too."""
    with torch.device(DEVICE):
        return engine.answer(function, trial, DEVICE)


def of_operation(operation: Operation, style: str, dtype: str, seed: int = 0) -> Asked:
    """A right program, in one style and one dtype."""
    return _asked(program(operation.function(style), plain=operation.plain, inputs=operation.inputs,
                          sizes=operation.sizes, options=operation.options, dtypes=[dtype],
                          **operation.claim(style, dtype)), seed)


def of_bug(bug: Bug, seed: int = 0, few: bool = False) -> Asked:
    """A wrong program; few: drawn so that nearly every trial shows it."""
    fewer = {name: {**getattr(bug, name), **(bug.few.get(name, {}) if few else {})}
             for name in ("inputs", "sizes", "options")}
    return _asked(program(bug.wrong, plain=bug.plain, dtypes=bug.dtypes, **fewer), seed)


def beyond(judged: Judged) -> float:
    """The largest error over s, the rounding into storage taken off first; above 16 it is wrong.

    That is the rule |error| <= 16 s + u (|g| + 16 s) + t, solved for the factor of s.
    """
    stored, worst = FORMATS[judged.trial.dtype], 0.0
    for key, g in judged.truth.items():
        answer, s = judged.reply.arrays.get(key), judged.spread[key]
        if answer is None or answer.shape != g.shape or not g.size:
            continue
        with np.errstate(all="ignore"):
            rest = np.abs(answer - g) - stored.unit * np.abs(g) - stored.smallest
            ratio = np.where((rest <= 0) | (answer == g), 0.0, rest / ((1 + stored.unit) * s))
        worst = max(worst, float(np.nanmax(ratio)))
    return worst
