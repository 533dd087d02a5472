"""What is wrong and what is right on one case: every number is asked anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..faults.behaviour import largest
from ..judging.judge import Judge
from ..judging.tally import Failure
from ..properties import own_loss
from ..properties.agreement import Disagreement, differing, disagreements, measured
from ..properties.identities import Reply
from ..properties.measured import Measured, apart
from ..properties.perturbed import UNIT
from ..properties.tolerance import BOUNDS, Spread, bounds
from ..reference import Answer, Case
from .matching import variations
from .ratios import gradient_ratio, named, tells_ratios
from .symptoms import Symptom, symptoms
from .witnessed import Witnessed

# Of the largest gradient: above this a bound on rounding says nothing.
LITTLE = 0.01
# Of a gradient's largest entry: no formula that somebody wrote is as near as this.
DIGITS = 1e-11
FEW = 8


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


def _rounded(mine: Measured, true: Any, bound: Any, whole: float) -> bool:
    """Whether an error is below what rounding may make, and that is little; or very small.

    `whole`: the largest entry of all gradients of the network.
    """
    error, _ = apart(mine, true)
    worst, may = float(np.max(error)), BOUNDS * float(np.max(bound))
    tail = UNIT["float64"] ** 2 * whole
    size = float(np.abs(true).max(initial=0.0))
    return worst <= tail or worst <= DIGITS * size or worst <= may <= LITTLE * whole


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
            return self.judge.question(case), self.judge.spread(case)
        except Exception:
            return None

    def wrong(self, case: Case) -> list[Disagreement]:
        """The gradients that differ from the truth."""
        got = self.reply(case)
        return disagreements(*got) if got else []

    def wrongly(self, case: Case, answer: Answer) -> bool:
        """Whether an answer given before has a wrong gradient."""
        s = self.judge.spread(case)
        return bool(disagreements(measured(case, answer, s), s.truth))

    def right(self, case: Case, wrong: Iterable[str]) -> list[str]:
        """The gradients given that are not among the wrong ones, nor 0 in truth."""
        got = self.reply(case)
        return [name for name in got[0].gradients
                if name not in wrong and np.any(got[1].gradients[name])] if got else []

    def zero(self, case: Case, wrong: Iterable[str]) -> list[str]:
        """The gradients given that are 0 in truth and not wrong: nearly any mistake leaves them."""
        got = self.reply(case)
        return [name for name in got[0].gradients
                if name not in wrong and not np.any(got[1].gradients[name])] if got else []

    def loses_digits(self, failures: Sequence[Failure]) -> bool:
        """Whether on most failing networks the error is one that rounding may make, and is little.

        The bound on rounding is that of any program of the textbook's shape, in a whole array.
        """
        few = [failure.case for failure in failures[:FEW]]
        return 2 * sum(map(self._rounded, few)) > len(few)

    def _rounded(self, case: Case) -> bool:
        got, wrong = self.reply(case), self.wrong(case)
        if got is None or not wrong:
            return False
        (reply, truth), bound = got, bounds(case).gradients
        size = largest(truth.gradients.values())
        return all(_rounded(reply[name], truth.gradients[name], bound[name], size)
                   for name in (d.parameter for d in wrong))

    def loss_wrong(self, case: Case) -> Disagreement | None:
        """The loss, where it is checkable and differs from the declared one."""
        got = self.reply(case)
        if not got or self.judge.clipped(case):
            return None
        return differing("loss", got[0].loss, got[1].loss)

    def symptoms(self, case: Case) -> list[Symptom]:
        """What can be said of a wrong gradient that no known mistake matches."""
        seen = [Witnessed(self.judge.question, each, rate=self.judge.claims.rate)
                for each in (case, *variations(case))]
        wrong = [one for one in seen if one.wrong]
        return list(symptoms(wrong)) if seen[0].wrong and len(wrong) > 1 else []

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
        if not got or case.large or case.dtype != "float64" or self.judge.clipped(case):
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
        if not self.judge.claims.reports_loss:
            return None
        if self.judge.clipped(case):
            return Losses(checkable=False)
        wrong = differing("loss", got[0].loss, got[1].loss)
        if wrong is None or not wrong.wanted:
            return Losses(True, wrong)
        k, kg = wrong.got / wrong.wanted, gradient_ratio(got[0], got[1], got[0].gradients)
        same = kg is not None and abs(kg - k) <= 1e-6 * abs(k)
        return Losses(True, wrong, k if same and abs(k - 1) > 1e-3 and abs(k) > 1e-12 else None)
