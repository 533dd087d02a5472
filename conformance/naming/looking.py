"""What is wrong and what is right on one case: every number is asked anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..judging.judge import Judge
from ..judging.tally import Failure
from ..properties import own_loss
from ..properties.agreement import Disagreement, differing, disagreements, measured
from ..properties.identities import Reply
from ..properties.tolerance import Spread, spread
from ..reference import Answer, Case
from .matching import variations
from .ratios import gradient_ratio, named, tells_ratios
from .symptoms import Symptom, symptoms
from .witnessed import Witnessed


class Size(NamedTuple):
    """How far off a wrong gradient is, as data.

    `finite`: whether its numbers are. `ratio`: the one number that it is times the truth, None
    where there is none; `equals`: what that number is on every failing network ("1/N", "3"), ""
    where it is nothing. `everything`: whether all gradients are wrong. `of_own_loss`: whether the
    gradient is as much off from that of the loss the subject reports.
    """

    finite: bool = True
    ratio: float | None = None
    equals: str = ""
    everything: bool = False
    of_own_loss: bool = False


class Losses(NamedTuple):
    """What the subject's loss on a case says beside its gradient: the table of two losses.

    `checkable`: no claimed floor is active. `wrong`: the loss, where it is not the declared one.
    `both`: loss and gradient are both so many times the declared ones, None where they are not.
    """

    checkable: bool
    wrong: Disagreement | None = None
    both: float | None = None


class Looking:
    """Asks a judge's subject about single cases."""

    def __init__(self, judge: Judge):
        self.judge = judge

    def reply(self, case: Case) -> tuple[Reply, Answer] | None:
        """The subject's answer with its tolerances, and the truth; None where it gives none."""
        got = self.answered(case)
        return (measured(case, *got), got[1].truth) if got else None

    def answered(self, case: Case) -> tuple[Answer, Spread] | None:
        """The subject's answer on a case and its spread; None where it gives none."""
        try:
            return self.judge.question(case), spread(case)
        except Exception:
            return None

    def wrong(self, case: Case) -> list[Disagreement]:
        """The gradients that differ from the truth."""
        got = self.reply(case)
        return disagreements(*got) if got else []

    def wrongly(self, case: Case, answer: Answer) -> bool:
        """Whether an answer given before has a wrong gradient."""
        s = spread(case)
        return bool(disagreements(measured(case, answer, s), s.truth))

    def right(self, case: Case, wrong: Iterable[str]) -> list[str]:
        """The gradients given that are not among the wrong ones."""
        got = self.reply(case)
        return [name for name in got[0].gradients if name not in wrong] if got else []

    def loss_wrong(self, case: Case) -> Disagreement | None:
        """The loss, where it is checkable and differs from the declared one."""
        got = self.reply(case)
        if not got or self.judge.clipped(case):
            return None
        return differing("loss", got[0].loss, got[1].loss)

    def symptoms(self, case: Case) -> list[Symptom]:
        """What can be said of a wrong gradient that no known mistake matches."""
        seen = [Witnessed(self.judge.question, each) for each in (case, *variations(case))]
        return list(symptoms([one for one in seen if one.wrong])) if seen[0].wrong else []

    # --- how far off ------------------------------------------------------------------------------

    def size(self, case: Case, wrong: Sequence[str], failures: Sequence[Failure]) -> Size:
        """How far off the wrong gradients are, here and on the other failing networks."""
        got = self.reply(case)
        if got is None:
            return Size()
        if not all(np.isfinite(got[0][name].value).all() for name in wrong):
            return Size(finite=False)
        k = gradient_ratio(got[0], got[1], wrong)
        everything = len(wrong) == len(got[0].gradients)
        if k is None:
            return Size(everything=everything)
        pairs = self.ratios(failures)
        own = self.own_ratio(case) if everything else None
        return Size(True, k, named([*pairs, (case, k)]) if pairs else "", everything,
                    own is not None and abs(own - k) <= 1e-3 * abs(k))

    def ratios(self, failures: Sequence[Failure]) -> list[tuple[Case, float]] | None:
        """The ratio, on each failing case, of the gradients wrong there; None without one."""
        found: list[tuple[Case, float]] = []
        for failure in failures:
            got = self.reply(failure.case)
            wrong = [d.parameter for d in disagreements(*got)
                     if tells_ratios(*got, d.parameter)] if got else []
            if got and wrong:
                k = gradient_ratio(got[0], got[1], wrong)
                if k is None:
                    return None
                found.append((failure.case, k))
        return found

    def own_ratio(self, case: Case) -> float | None:
        """<g, d> over the derivative of the loss the subject reports, along a random direction d.

        None where there is nothing to difference.
        """
        got = self.reply(case)
        if not got or case.dtype != "float64" or self.judge.clipped(case):
            return None
        rng = np.random.default_rng(0)
        for _ in range(3):
            try:
                direction = own_loss.direction(got[0], rng)
                pair = own_loss.slope(got[0], self.judge.question, direction)
            except Exception:
                return None
            if pair and abs(pair[0].value) > 1e3 * pair[0].tolerance:
                return float(pair[1].value / pair[0].value)
        return None

    # --- the loss ---------------------------------------------------------------------------------

    def losses(self, case: Case) -> Losses | None:
        """The row of the table of two losses; None where there is no answer."""
        got = self.reply(case)
        if not got:
            return None
        if self.judge.clipped(case):
            return Losses(checkable=False)
        wrong = differing("loss", got[0].loss, got[1].loss)
        if wrong is None or not wrong.wanted:
            return Losses(True, wrong)
        k, kg = wrong.got / wrong.wanted, gradient_ratio(got[0], got[1], got[0].gradients)
        same = kg is not None and abs(kg - k) <= 1e-6 * abs(k)
        return Losses(True, wrong, k if same and abs(k - 1) > 1e-3 and abs(k) > 1e-12 else None)
