"""What the asking of one trial has shown beside its numbers: what was touched, and what differed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from .checks import checked
from .judged import Failure, Judged, compared
from .trial import Reply, Trial

if TYPE_CHECKING:
    from .judge import Judge
    from .program import Program

Answer = Callable[[Trial], Reply]
SELDOM = 97
UNCLAIMED = "unclaimed"  # a kind of failure: of what nobody claims, so a note is enough


def stated(judge: Judge, judged: Judged, reply: Reply, wrong: bool
           ) -> Iterator[tuple[str, list[Failure]]]:
    """The checks that this trial can make, by name, each with its failures."""
    trial = judged.trial
    yield "untouched", [Failure("untouched", trial, name, "changed") for name in reply.touched]
    if trial.repeats > 1:
        yield "repeated", repeated(judge.program, judged, reply)
    if not wrong:
        for name, failures in checked(judge.program.asked, judge.answer, trial, reply,
                                      judged.tolerance or None,
                                      np.random.default_rng([judge.seed, trial.number]),
                                      second=_second(judge, trial)):
            judge.unclaimed += sum(each.kind == UNCLAIMED for each in failures)
            yield name, [each for each in failures if each.kind != UNCLAIMED]
    if trial.twice and isinstance(reply.second, dict) and not wrong and judged.truth:
        yield "twice", twice(judged, reply)


def repeated(program: Program, judged: Judged, reply: Reply) -> list[Failure]:
    """What differs from call to call."""
    trial, exact = judged.trial, program.asked.deterministic
    return [Failure("repeated", trial, key, "differs", {"largest": far, "calls": trial.repeats})
            for key, far in reply.differing.items() if exact or _beyond(judged, key, far)]


def twice(judged: Judged, reply: Reply) -> list[Failure]:
    """What a second backward over the same forward has wrong; nothing where it refuses."""
    second = reply.second if isinstance(reply.second, dict) else {}
    got = {name: each for name, each in second.items() if each is not None}
    truth = {key: judged.truth[key] for key in got}
    return [Failure("twice", judged.trial, f.key, "numbers", f.data, f.worst)
            for f in compared(judged.trial, got, truth, judged.tolerance)]


def _second(judge: Judge, trial: Trial) -> Answer | None:
    """Who is asked for gradients of gradients: on one trial in many, where nobody claims them."""
    claimed = judge.program.asked.double_backward
    return judge.second if claimed or trial.number % SELDOM == 1 else None


def _beyond(judged: Judged, key: str, far: float) -> bool:
    """Whether repeats differ by more than two answers may that are both right."""
    allowed = judged.tolerance.get(key)
    return allowed is not None and bool(far > 2.0 * allowed.max(initial=0.0))
