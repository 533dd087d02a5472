"""From failures to findings: one mistake, one headline, on the smallest case that shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..faults import FAULTS
from ..judging.judge import Judge
from ..judging.tally import Failure
from ..properties import exact
from ..properties.agreement import Disagreement
from ..properties.catalogue import family as family_of
from ..record.report import Finding
from ..reference import Case
from .looking import Looking, Size
from .matching import diagnose
from .reduce import reduce
from .witnessed import Witnessed
from .words import describe

REDUCE_SECONDS = 5.0
OTHERS = 8
ORDER = ("contract", "answers", "state", "value", "loss", "own_loss", "identity")
CONSEQUENCES = {"identity": {"state", "value", "contract"}, "own_loss": {"state", "value", "loss"},
                "value": {"state"}, "loss": {"state"}}
Groups = Mapping[str, list[Failure]]
UNSIZED = Size()


class Finder:
    """Turns a judge's failures into findings; store(case) keeps a case and gives its id.

    `faults` are the known mistakes, those that were found with the number that was found.
    """

    def __init__(self, judge: Judge, store: Callable[[Case], str]):
        self.judge, self.store = judge, store
        self.looking = Looking(judge)
        self.loss_was_said = False
        self.faults = dict(FAULTS)

    def reduced(self, case: Case, fails: Callable[[Case], bool], exact_only: bool = False) -> Case:
        """The smallest case that fails so; with exact arithmetic where that is asked for."""
        valid = exact.certified if exact_only else None
        return reduce(case, fails, self.judge.claims, REDUCE_SECONDS, valid)

    def build(self, name: str, case: Case, lines: Sequence[str],
              worst: Disagreement | None = None, faults: Sequence[str] = (),
              outcome: str = "failed", kinds: str = "", wrong: Sequence[str] = (),
              right: Sequence[str] = (), size: Size = UNSIZED) -> Finding:
        """The finding: its data, and its words with the case at the end."""
        nan = float("nan")
        d = worst or Disagreement("", (), nan, nan, nan, nan)
        text = "\n".join([*filter(None, lines), describe(case)])
        return Finding(name, d.parameter, d.where, d.got, d.wanted, d.error, d.tolerance,
                       self.store(case), text, outcome, self.also(name), tuple(faults),
                       lesson(faults), kinds, tuple(wrong), tuple(right), size.ratio, size.equals,
                       self.faults[faults[0]].numbers if faults else {})

    def also(self, name: str) -> tuple[str, ...]:
        """The other checks that broke with this one."""
        mine = family_of(name)
        own = {mine} | {of for of, causes in CONSEQUENCES.items() if mine in causes}
        broken = self.judge.tally.broken.items()
        also = {other for (of, _), names in broken for other in names if of in own}
        return tuple(sorted(also - {name}))

    def diagnosed(self, asked: Sequence[Case], known: Sequence[str] = (),
                  stateless: bool = False) -> list[str]:
        """The known mistakes consistent with the subject on these cases, beyond those named."""
        faults = {name: fault for name, fault in self.faults.items()
                  if not stateless or fault.family != "state"}
        found = diagnose(self.judge.question, asked[:OTHERS], self.judge.others, known,
                         self.wrong_loss, faults)
        self.faults |= found
        return list(found)

    @property
    def wrong_loss(self) -> bool:
        """Whether the loss is wrong too, which may be a mistake of its own."""
        return ("loss", "loss") in self.judge.tally.failures

    def witnessed(self, case: Case, known: Sequence[str] = ()) -> Witnessed:
        """What the subject does on a case, less what the mistakes named already account for."""
        faults = [self.faults[name] for name in known]
        return Witnessed(self.judge.question, case, faults, self.wrong_loss)


def telling(failure: Failure) -> tuple[bool, bool, int]:
    """Small and plain first: float64, random rather than exact, few parameters."""
    size = sum(v.size for v in failure.case.parameters.values())
    return failure.case.dtype != "float64", failure.property == "exact_integers", size


def most_telling(groups: Groups) -> Failure:
    """The smallest and plainest failure of all groups."""
    return min((failure for failures in groups.values() for failure in failures), key=telling)


def lesson(faults: Sequence[str]) -> dict[str, str]:
    """The texts of the likeliest mistake."""
    if not faults:
        return {}
    return {key: getattr(FAULTS[faults[0]], key) for key in ("symptom", "wrong", "right", "seen")}
