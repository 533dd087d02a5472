"""From failures to findings: one mistake, one headline, on the smallest case that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from ..faults import FAULTS, Fault
from ..faults.core import Faults
from ..judging.judge import Judge
from ..judging.tally import Failure
from ..properties import exact
from ..properties.agreement import Disagreement
from ..properties.catalogue import family as family_of
from ..record.report import Finding
from ..reference import Case
from .looking import Looking, Size
from .matching import Evidence, View, diagnose, pair
from .reduce import reduce
from .witnessed import Witnessed
from .words import describe

REDUCE_SECONDS = 5.0
OTHERS = 8
ORDER = ("contract", "answers", "state", "value", "loss", "own_loss", "identity")
CONSEQUENCES = {"identity": {"state", "value", "contract"}, "own_loss": {"state", "value", "loss"},
                "value": {"state"}, "loss": {"state"}}
NONE: Mapping[str, Fault] = {}
Groups = Mapping[str, list[Failure]]
UNSIZED = Size()


class Finder:
    """Turns a judge's failures into findings; store(case) keeps a case and gives its id."""

    def __init__(self, judge: Judge, store: Callable[[Case], str]):
        self.judge, self.store = judge, store
        self.looking = Looking(judge)
        self.loss_was_said = False
        self.seen: dict[int, Witnessed] = {}

    def reduced(self, case: Case, fails: Callable[[Case], bool], exact_only: bool = False) -> Case:
        """The smallest case that fails so; with exact arithmetic where that is asked for."""
        valid = exact.certified if exact_only else None
        return reduce(case, fails, self.judge.claims, REDUCE_SECONDS, valid)

    def build(self, name: str, case: Case, lines: Sequence[str],
              worst: Disagreement | None = None, faults: Mapping[str, Fault] = NONE,
              outcome: str = "failed", kinds: str = "", wrong: Sequence[str] = (),
              right: Sequence[str] = (), size: Size = UNSIZED) -> Finding:
        """The finding: its data, and its words with the case at the end."""
        nan = float("nan")
        d = worst or Disagreement("", (), nan, nan, nan, nan)
        text = "\n".join([*filter(None, lines), describe(case)])
        return Finding(name, d.parameter, d.where, d.got, d.wanted, d.error, d.tolerance,
                       self.store(case), text, outcome, self.also(name), tuple(faults),
                       lesson(faults), kinds, tuple(wrong), tuple(right), size.ratio, size.equals,
                       next(iter(faults.values())).numbers if faults else {})

    def also(self, name: str) -> tuple[str, ...]:
        """The other checks that broke with this one."""
        mine = family_of(name)
        own = {mine} | {of for of, causes in CONSEQUENCES.items() if mine in causes}
        broken = self.judge.tally.broken.items()
        also = {other for (of, _), names in broken for other in names if of in own}
        return tuple(sorted(also - {name}))

    # --- which known mistakes ---------------------------------------------------------------------

    def diagnosed(self, asked: Sequence[Case], known: Mapping[str, Fault] = NONE,
                  faults: Mapping[str, Fault] = FAULTS) -> Faults:
        """The known mistakes consistent with the subject on these cases, beyond those named.

        Where the loss is wrong too, which may be a mistake of its own, and none explains both, the
        gradient is explained alone.
        """
        return self._search(diagnose, asked, known, faults)

    def paired(self, asked: Sequence[Case], known: Mapping[str, Fault],
               faults: Mapping[str, Fault]) -> Faults:
        """Two known mistakes that only together are consistent with the subject."""
        return self._search(pair, asked, known, faults)

    def _search(self, how: Callable[[View, Evidence, Mapping[str, Fault]], Faults],
                asked: Sequence[Case], known: Mapping[str, Fault],
                faults: Mapping[str, Fault]) -> Faults:
        rows = {name: fault for name, fault in faults.items() if name not in known}
        for any_loss in (False, True) if self.wrong_loss else (False,):
            view = partial(self.witnessed, known=known.values(), any_loss=any_loss)
            others = [case for case in self.judge.others if case.dtype == asked[0].dtype]
            evidence = Evidence([view(case) for case in asked[:OTHERS]], [*map(view, others)])
            found = how(view, evidence, rows)
            if found:
                return found
        return {}

    @property
    def wrong_loss(self) -> bool:
        """Whether the loss is wrong too, which may be a mistake of its own."""
        return ("loss", "loss") in self.judge.tally.failures

    def witnessed(self, case: Case, known: Iterable[Fault] = (),
                  any_loss: bool | None = None) -> Witnessed:
        """What the subject does on a case, beside the mistakes named; asked once."""
        key = id(case)
        if key not in self.seen:
            self.seen[key] = Witnessed(self.judge.question, case)
        loose = self.wrong_loss if any_loss is None else any_loss
        return self.seen[key].beside(tuple(known), loose)


def telling(failure: Failure) -> tuple[bool, bool, int]:
    """Small and plain first: float64, random rather than exact, few parameters."""
    size = sum(v.size for v in failure.case.parameters.values())
    return failure.case.dtype != "float64", failure.property == "exact_integers", size


def most_telling(groups: Groups) -> Failure:
    """The smallest and plainest failure of all groups."""
    return min((failure for failures in groups.values() for failure in failures), key=telling)


def lesson(faults: Mapping[str, Fault]) -> dict[str, str]:
    """The texts of the likeliest mistake."""
    for fault in faults.values():
        return {key: getattr(fault, key) for key in ("symptom", "wrong", "right", "seen")}
    return {}
