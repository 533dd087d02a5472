"""What the asking of one trial has shown beside its numbers: what was touched, and what differed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .checks import checked
from .judged import Failure, Judged, compared
from .trial import Reply

if TYPE_CHECKING:
    from .judge import Judge

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
                                      second=judge.second):
            judge.unclaimed += sum(each.kind == UNCLAIMED for each in failures)
            yield name, [each for each in failures if each.kind != UNCLAIMED]
    if trial.twice and isinstance(reply.second, dict) and not wrong and judged.truth:
        got = {name: each for name, each in reply.second.items() if each is not None}
        yield "twice", [Failure("twice", trial, f.key, "numbers", f.data, f.worst)
                        for f in compared(trial, got, {k: judged.truth[k] for k in got},
                                          judged.tolerance)]


def _beyond(judged: Judged, key: str, far: float) -> bool:
    """Whether repeats differ by more than two answers may that are both right."""
    allowed = judged.tolerance.get(key)
    return allowed is not None and bool(far > 2.0 * allowed.max(initial=0.0))
