"""The judge: a trial is asked, its truth and its tolerance are computed, and every check is made.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ..plug.asked import as_raised, last_line
from ..plug.limits import TookTooLong
from .claim import Claim
from .contract import broken
from .engine import Engine
from .judged import Failure, Judged, compared
from .program import Program
from .stated import stated
from .tolerance import FAR, MANY, RUNS, spread, tolerance
from .trial import Arrays, Mutant, Reply, Trial

Answer = Callable[[Trial], Reply]


class PlainRaised(Exception):  # noqa: N818 - about the plain form, not an error of ours
    """The plain form raised something, which is no finding: the last line of it."""


@dataclass
class Judge:
    """Judges trials of one program. answer: asks it, wherever it runs; second: asks the program
    whose outputs are its gradients, where that can be had.

    unclaimed: trials on which gradients of gradients are wrong, which nobody claims. counts: check
    -> outcome -> how many. invalid: trials whose truth is not finite, or which the
    claimed arithmetic cannot hold; nothing is asked of them.
    """

    program: Program
    engine: Engine
    answer: Answer
    seed: int = 0
    second: Answer | None = None
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    invalid: int = 0
    unclaimed: int = 0

    def claim(self, trial: Trial) -> Claim:
        return self.program.asked.claim(trial.dtype)

    def judge(self, trial: Trial) -> Judged | None:
        """None for a trial without an answer; the program's exceptions are failures.

        Raises PlainRaised where the plain form raises something.
        """
        judged = Judged(trial, None)
        if self.program.plain is not None and not self._differentiated(judged):
            self.invalid += 1
            return None
        try:
            judged.reply = self._answered(trial)
        except Exception as error:
            judged.failures.append(raised(trial, error))
            self._tell(judged, "answers", "errored")
            return judged
        self._tell(judged, "answers", "passed")
        self._check(judged, judged.reply)
        return judged

    def _answered(self, trial: Trial) -> Reply:
        """The answer; what takes too long is asked once more: a machine may be busy, and a kernel
        may be compiled when it is first called.
        """
        try:
            return self.answer(trial)
        except TookTooLong:
            return self.answer(trial)

    def _differentiated(self, judged: Judged) -> bool:
        try:
            return self._known(judged)
        except Exception as error:
            raise PlainRaised(last_line(error)) from error

    def _known(self, judged: Judged) -> bool:
        """Whether the plain form has numbers for it, and the arithmetic room for them."""
        assert self.program.plain is not None
        trial, claim = judged.trial, self.claim(judged.trial)
        judged.truth = self.engine.truth(self.program.plain, trial)
        if not all(np.isfinite(g).all() and np.abs(g).max(initial=0.0) <= claim.stored.largest
                   for g in judged.truth.values()):
            return False
        runs = self.runs(trial, claim)
        if runs is None:
            return False
        judged.spread = spread(judged.truth, runs)
        judged.tolerance = tolerance(judged.truth, judged.spread, claim)
        return True

    def runs(self, trial: Trial, claim: Claim, count: int = RUNS) -> list[Arrays] | None:
        """Perturbed runs of the plain form; None where the arithmetic overflows."""
        assert self.program.plain is not None
        try:
            return self.engine.perturbed(self.program.plain, trial, claim, count,
                                         self.seed + trial.number)
        except OverflowError:
            return None

    def mutants(self, trial: Trial) -> Iterator[Mutant]:
        """Wrong backwards of the plain form on this trial."""
        assert self.program.plain is not None
        return self.engine.mutants(self.program.plain, trial)

    def _check(self, judged: Judged, reply: Reply) -> None:
        found = [*broken(self.program, judged, reply)]
        self._made(judged, "contract", found)
        if judged.truth:
            wrong = self._compared(judged, reply)
            self._made(judged, "plain", wrong)
            found += wrong
        for name, failures in stated(self, judged, reply, bool(found)):
            self._made(judged, name, failures)
            found += failures
        judged.failures += found

    def _compared(self, judged: Judged, reply: Reply) -> list[Failure]:
        """What is further off than its tolerance; of more runs, where it is not far."""
        wrong = [*compared(judged.trial, reply.arrays, judged.truth, judged.tolerance)]
        if not wrong or max((far for _, far in judged.ratios(self.claim(judged.trial))),
                            default=FAR) >= FAR:
            return wrong
        runs = self.runs(judged.trial, self.claim(judged.trial), MANY) or []
        judged.spread = spread(judged.truth, runs)
        judged.tolerance = tolerance(judged.truth, judged.spread, self.claim(judged.trial))
        return [*compared(judged.trial, reply.arrays, judged.truth, judged.tolerance)]

    def _made(self, judged: Judged, check: str, failures: list[Failure]) -> None:
        self._tell(judged, check, "failed" if failures else "passed")

    def _tell(self, judged: Judged, check: str, outcome: str) -> None:
        self.counts[check][outcome] += 1
        judged.outcomes.append((check, outcome))


def raised(trial: Trial, error: BaseException) -> Failure:
    """The failure of a program that raised, hung, or whose process died."""
    told = as_raised(error)
    return Failure("answers", trial, "", type(told).__name__, {"error": str(told)})
