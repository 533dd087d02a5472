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

Answer = Callable[[Trial], Reply]
SELDOM = 97
UNCLAIMED = "unclaimed"  # a kind of failure: of what nobody claims, so a note is enough


def stated(judge: Judge, judged: Judged, reply: Reply, wrong: bool
           ) -> Iterator[tuple[str, list[Failure]]]:
    """The checks that this trial can make, by name, each with its failures."""
    trial = judged.trial
    yield "untouched", [Failure("untouched", trial, name, "changed") for name in reply.touched]
    if trial.repeats > 1:
        exact = judge.program.asked.deterministic
        yield "repeated", [
            Failure("repeated", trial, key, "differs", {"largest": far, "calls": trial.repeats})
            for key, far in reply.differing.items()
            if exact or _beyond(judged, key, far)]
    if not wrong:
        for name, failures in checked(judge.program.asked, judge.answer, trial, reply,
                                      judged.tolerance or None,
                                      np.random.default_rng([judge.seed, trial.number]),
                                      second=_second(judge, trial)):
            judge.unclaimed += sum(each.kind == UNCLAIMED for each in failures)
            yield name, [each for each in failures if each.kind != UNCLAIMED]
    if trial.twice and isinstance(reply.second, dict) and not wrong and judged.truth:
        got = {name: each for name, each in reply.second.items() if each is not None}
        yield "twice", [Failure("twice", trial, f.key, "numbers", f.data, f.worst)
                        for f in compared(trial, got, {k: judged.truth[k] for k in got},
                                          judged.tolerance)]


def _second(judge: Judge, trial: Trial) -> Answer | None:
    """Who is asked for gradients of gradients: on one trial in many, where nobody claims them."""
    claimed = judge.program.asked.double_backward
    return judge.second if claimed or trial.number % SELDOM == 1 else None


def _beyond(judged: Judged, key: str, far: float) -> bool:
    """Whether repeats differ by more than two answers may that are both right."""
    allowed = judged.tolerance.get(key)
    return allowed is not None and bool(far > 2.0 * allowed.max(initial=0.0))
