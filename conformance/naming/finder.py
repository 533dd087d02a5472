"""From failures to findings: one mistake, one headline, on the smallest case that shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ..faults import FAULTS, Fault
from ..faults.core import Faults, Mistake
from ..faults.showing import concerns
from ..judging.clock import TimeIsUp
from ..judging.judge import Judge
from ..judging.session import clock
from ..judging.tally import Failure, Row
from ..properties import exact
from ..properties.agreement import Disagreement
from ..properties.catalogue import family as family_of
from ..properties.membership import covers
from ..record.report import Finding
from ..reference import Case
from .conditions import Condition
from .large_search import fewer_examples, matched
from .looking import Looking, Size
from .matching import Evidence, View, diagnose, pair, variations
from .reduce import reduce
from .traits import Traits
from .turns import Turn, possible, turning
from .when import Networks, When, when
from .witnessed import Counts, Witnessed
from .words import describe

REDUCE_SECONDS = 5.0
SEARCH_SECONDS = 30.0
OTHERS = 8
ORDER = ("contract", "answers", "state", "value", "rate", "update", "kink", "loss", "own_loss",
         "identity")
CONSEQUENCES = {"rate": {"state", "value", "contract", "answers"},
                "update": {"state", "value", "rate", "contract", "answers"},
                "identity": {"state", "value", "contract"}, "own_loss": {"state", "value", "loss"},
                "kink": {"state", "value", "contract"}, "value": {"state"}, "loss": {"state"}}
NONE: Mapping[str, Fault] = {}
Groups = Mapping[str, list[Failure]]
UNSIZED = Size()


class Shown(NamedTuple):
    """On how many of the networks drawn a mistake shows, of how many, and when.

    `turn`: from which question on, or at which.
    """

    networks: tuple[int, ...] = ()
    when: When | None = None
    turn: When | None = None


UNCOUNTED = Shown()


class Finder:
    """Turns a judge's failures into findings; store(case) keeps a case and gives its id.

    `hasty`: it is not asked when a mistake shows. `known` are the mistakes named in wrong
    gradients, `loss_was_said` whether such a finding spoke of the loss.
    """

    def __init__(self, judge: Judge, store: Callable[[Case], str], hasty: bool = False):
        self.judge, self.store, self.hasty = judge, store, hasty
        self.looking = Looking(judge)
        self.loss_was_said = False
        self.known: Faults = {}
        self.deadline = time.monotonic() + min(SEARCH_SECONDS, clock().left)
        self.seen: dict[int, Witnessed] = {}

    def reduced(self, case: Case, fails: Callable[[Case], bool], exact_only: bool = False) -> Case:
        """The smallest case that fails so; with exact arithmetic where that is asked for."""
        if case.large and not clock().left > 0:
            return case
        if case.large:
            return fewer_examples(case, fails, partial(covers, self.judge.claims))
        valid = exact.certified if exact_only else None
        left = max(0.5, self.deadline - time.monotonic())
        try:
            return reduce(case, fails, self.judge.claims, min(REDUCE_SECONDS, left), valid)
        except TimeIsUp:
            return case

    @property
    def others(self) -> list[Case]:
        """Further networks of the claims, drawn for no reason."""
        return self.judge.others

    @property
    def late(self) -> bool:
        """Whether the search has taken so long that no other way is tried; subjects may be slow."""
        return time.monotonic() > self.deadline

    def build(self, name: str, case: Case, lines: Sequence[str],
              worst: Disagreement | None = None, faults: Mapping[str, Mistake] = NONE,
              outcome: str = "failed", kinds: str = "", wrong: Sequence[str] = (),
              right: Sequence[str] = (), size: Size = UNSIZED,
              on: Shown = UNCOUNTED, zero: Sequence[str] = (),
              loses_digits: bool = False) -> Finding:
        """The finding: its data, and its words with the case at the end."""
        nan = float("nan")
        d = worst or Disagreement("", (), nan, nan, nan, nan)
        condition = on.when or on.turn
        told = condition.to_json() if condition is not None else {}
        text = "\n".join([*filter(None, lines), describe(case)])
        likeliest = next(iter(faults.values()), None)
        return Finding(name, d.parameter, d.where, d.got, d.wanted, d.error, d.tolerance,
                       self.store(case), text, outcome, self.also(name), tuple(faults),
                       lesson(faults), kinds, tuple(wrong), tuple(right), size.ratio, size.equals,
                       likeliest.numbers if likeliest else {}, on.networks, told,
                       likeliest.place if likeliest else {}, tuple(zero), loses_digits)

    def shown(self, failed: Callable[[Row], bool | None], fails: Callable[[Case], bool | None],
              failures: Sequence[Failure] = ()) -> Shown:
        """On which networks a mistake shows.

        failed(row): whether it does on a network of the run, None where that cannot be said.
        fails(case): whether it does on any case, asked anew; `failures` are more of those.
        """
        if self.hasty or not self.judge.tally.rows or any(f.case.large for f in failures):
            return UNCOUNTED
        try:
            return self._shown(failed, fails, failures)
        except TimeIsUp:
            return UNCOUNTED

    def _shown(self, failed: Callable[[Row], bool | None], fails: Callable[[Case], bool | None],
               failures: Sequence[Failure]) -> Shown:
        rows = {True: list[Case](), False: list[Case]()}
        for row in self.judge.tally.rows:
            bad = None if row.unsure else failed(row)
            if bad is not None:
                rows[bad].append(row.case)
        counts = len(rows[True]), len(rows[True]) + len(rows[False])
        known = {id(case) for case in rows[True]}
        more = [failure.case for failure in failures if id(failure.case) not in known]
        networks = Networks([*rows[True], *more], rows[False], len(rows[True]))
        found = when(networks, fails, self.judge.claims)
        return Shown(counts, found, None if found else self.turned(failed, fails))

    def turned(self, failed: Callable[[Row], bool | None],
               fails: Callable[[Case], bool | None]) -> When | None:
        """From which question on a mistake shows, where it does not from the first."""
        rows = [Turn(row.question, row.case, mine) for row in self.judge.tally.rows
                if not row.case.large and not row.unsure and (mine := failed(row)) is not None]
        if not possible(rows):
            return None
        first = [Turn(number, case, self.looking.wrongly(case, answer))
                 for number, case, answer in getattr(self.judge.engine, "early", ())]
        asked = {turn.number for turn in first}
        return turning([*first, *(turn for turn in rows if turn.number not in asked)], fails)

    def also(self, name: str) -> tuple[str, ...]:
        """The other checks that broke with this one."""
        mine = family_of(name)
        own = {mine} | {of for of, causes in CONSEQUENCES.items() if mine in causes}
        broken = self.judge.tally.broken.items()
        also = {other for (of, _), names in broken for other in names if of in own}
        return tuple(sorted(also - {name}))

    # --- which known mistakes ---------------------------------------------------------------------

    def diagnosed(self, asked: Sequence[Case], known: Mapping[str, Fault] = NONE,
                  faults: Mapping[str, Fault] = FAULTS,
                  alone: Counts = Counts.GRADIENTS, where: Condition | None = None) -> Faults:
        """The known mistakes consistent with the subject on these cases, beyond those named.

        `where`: only networks on which this condition holds are looked at.

        Where the loss is wrong too, which may be a mistake of its own, and none explains both, the
        gradient is explained alone; `alone` may say the loss in its place. None where the time is
        up before all was asked that may speak against a name.
        """
        return self._search(diagnose, asked, known, faults, alone, where)

    def paired(self, asked: Sequence[Case], known: Mapping[str, Fault],
               faults: Mapping[str, Fault]) -> Faults:
        """Two known mistakes that only together are consistent with the subject."""
        return self._search(pair, asked, known, faults, Counts.GRADIENTS)

    def _search(self, how: Callable[[View, Evidence], Faults],
                asked: Sequence[Case], known: Mapping[str, Fault],
                faults: Mapping[str, Fault], alone: Counts,
                where: Condition | None = None) -> Faults:
        try:
            return self._searched(how, asked, known, faults, alone, where)
        except TimeIsUp:
            return {}

    def _searched(self, how: Callable[[View, Evidence], Faults],
                  asked: Sequence[Case], known: Mapping[str, Fault],
                  faults: Mapping[str, Fault], alone: Counts, where: Condition | None) -> Faults:
        if asked[0].large:
            only = alone if self.wrong_loss else Counts.WHOLE
            rest = {name: fault for name, fault in faults.items() if name not in known}
            return matched(self.judge.question, asked[0], rest, only)
        rows = {name: fault for name, fault in faults.items()
                if name not in known and any(concerns(fault, case.network) for case in asked)}
        for counts in self.counted(alone):
            view = partial(self.witnessed, known=known.values(), counts=counts)
            others = [case for case in self.others if case.dtype == asked[0].dtype
                      and (where is None or where.holds(Traits(case)))]
            near = [case for case in variations(asked[0])
                    if where is None or where.holds(Traits(case))]
            evidence = Evidence([view(case) for case in asked[:OTHERS]], [*map(view, near)],
                                [*map(view, others)], rows)
            found = how(view, evidence)
            if found:
                return found
        return {}

    def counted(self, alone: Counts) -> tuple[Counts, ...]:
        """What of an answer is compared, one way after another."""
        if not self.judge.claims.reports_loss:
            return (Counts.GRADIENTS,)
        return (Counts.WHOLE, alone) if self.wrong_loss else (Counts.WHOLE,)

    @property
    def wrong_loss(self) -> bool:
        """Whether the loss is wrong too, which may be a mistake of its own."""
        return ("loss", "loss") in self.judge.tally.failures

    def witnessed(self, case: Case, known: Iterable[Fault] = (),
                  counts: Counts | None = None) -> Witnessed:
        """What the subject does on a case, beside the mistakes named; asked once.

        Of its gradients alone, where nothing else is said and the loss is wrong on some network.
        """
        key = id(case)
        if key not in self.seen:
            self.seen[key] = Witnessed(self.judge.question, case, rate=self.judge.claims.rate)
        alone = self.wrong_loss or not self.judge.claims.reports_loss
        default = Counts.GRADIENTS if alone else Counts.WHOLE
        return self.seen[key].beside(tuple(known), counts or default)


def telling(failure: Failure) -> tuple[bool, bool, int]:
    """Small and plain first: float64, random rather than exact, few parameters."""
    size = sum(v.size for v in failure.case.parameters.values())
    return failure.case.dtype != "float64", failure.property == "exact_integers", size


def most_telling(groups: Groups) -> Failure:
    """The smallest and plainest failure of all groups."""
    return min((failure for failures in groups.values() for failure in failures), key=telling)


def lesson(faults: Mapping[str, Mistake]) -> dict[str, str]:
    """The texts of the likeliest mistake."""
    for fault in faults.values():
        return {key: getattr(fault, key) for key in ("symptom", "wrong", "right", "seen")}
    return {}
