"""Two records of one subject: what got worse, what got better.

Only what was checked in both can have got better.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .coverage import FLOOR, Feature, counted, judge_of, matrix, status
from .expectations import by_id
from .reading import Run
from .report import EXECUTED, Finding, Report

# From the worst on; what got worse first.
KINDS = {
    "verdict": "verdict", "failing_finding": "newly failing", "failing_cell": "newly failing",
    "coverage": "lost coverage", "digits": "lost digits",
    "better_verdict": "verdict", "passing_finding": "newly passing",
    "passing_cell": "newly passing",
}
WORSE = tuple(KINDS)[:5]
RANK = {"conforms": 0, "does_not_conform": 1, "incomplete": 2, "not_judged": 3}
BAD = ("failed", "errored")
NOTHING = Feature("", "", {}, "not_claimed")
Json = Any


@dataclass(frozen=True)
class Change:
    """One difference: of what kind, of what, what it was and is, and in the matrix its judge.

    `judge` is "" where it is no cell of the matrix.
    """

    kind: str
    name: str
    was: str
    now: str
    judge: str = ""


@dataclass
class Compared:
    """Two records, the changes from the worst on, and what is to be known of the two."""

    old: Run
    new: Run
    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def worse(self) -> list[Change]:
        return [change for change in self.changes if change.kind in WORSE]

    @property
    def better(self) -> list[Change]:
        return [change for change in self.changes if change.kind not in WORSE]


def compare(old: Run, new: Run, digits: float = 1.0) -> Compared:
    """The changes from one record to the next; `digits`: how many of agreement may be lost."""
    found = [*_verdict(old.report, new.report), *_findings(old, new), *_cells(old, new),
             *_features(old, new), *_judges(old.report, new.report),
             *_claims(old.header, new.header), *_digits(old, new, digits)]
    if RANK[new.report.verdict] > 1:
        found = [change for change in found if not change.kind.startswith("passing")]
    ordered = sorted(found, key=lambda change: list(KINDS).index(change.kind))
    return Compared(old, new, ordered, list(_notes(old, new)))


def _notes(old: Run, new: Run) -> Iterator[str]:
    """What makes the two hard to compare."""
    if old.report.subject != new.report.subject:
        yield f"different subjects: {old.report.subject} and {new.report.subject}"
    if old.report.verdict in ("incomplete", "not_judged"):
        yield f"the old run is {words(old.report.verdict)}: what it did not see may have been there"
    was, now = old.report.environment, new.report.environment
    changed = [f"{name} {was.get(name, 'absent')} -> {now.get(name, 'absent')}"
               for name in {**was, **now} if was.get(name) != now.get(name)]
    if changed:
        yield f"versions: {', '.join(changed)}"


# --- the verdict and the findings -----------------------------------------------------------------


def _verdict(old: Report, new: Report) -> Iterator[Change]:
    if old.verdict != new.verdict:
        kind = "verdict" if RANK[new.verdict] > RANK[old.verdict] else "better_verdict"
        why = f" ({new.reason})" if new.reason else ""
        yield Change(kind, "verdict", words(old.verdict), words(new.verdict) + why)


def _findings(old: Run, new: Run) -> Iterator[Change]:
    """By their ids; one that is gone has passed only where its property was still checked."""
    was, now = by_id(old.report.findings), by_id(new.report.findings)
    yield from (Change("failing_finding", name, "not found", each.headline)
                for name, each in now.items() if name not in was)
    yield from (_gone(name, each, new.report) for name, each in was.items() if name not in now)


def _gone(name: str, finding: Finding, new: Report) -> Change:
    if executed(Counter(new.counts.get(finding.property, {}))):
        return Change("passing_finding", name, finding.headline, "not found")
    why = f"{finding.property} was not run"
    return Change("coverage", f"finding {name}", finding.headline, why)


# --- the matrix -----------------------------------------------------------------------------------


def executed(outcomes: Counter[str]) -> int:
    """How many checks were made: passed, failed or errored."""
    return sum(outcomes[each] for each in EXECUTED)


def _by_name(run: Run) -> dict[tuple[str, str], Feature]:
    return {(each.facet, each.name): each for each in matrix(run)}


def _cells(old: Run, new: Run) -> Iterator[Change]:
    """Every feature before every judge: what fails now and did not, and what passes now and failed.

    A mistake that is there in both runs shows before one judge or another as the networks fall:
    where the feature failed before, a cell that had hardly passed says nothing new, and one that
    hardly passes now has not passed.
    """
    before = _by_name(old)
    for key, feature in _by_name(new).items():
        was = before.get(key, NOTHING)
        floor = FLOOR if was.status in BAD else 0
        for judge, outcomes in feature.cells.items():
            change = Change("", " ".join(key), "", "", judge)
            yield from _cell(change, was.cells.get(judge, Counter()), outcomes, floor)


def _cell(change: Change, was: Counter[str], now: Counter[str], floor: int) -> Iterator[Change]:
    failed, fails = status(was) in BAD, status(now) in BAD
    if fails and not failed and was["passed"] >= floor:
        yield replace(change, kind="failing_cell", was=_said(was), now=_said(now))
    elif failed and status(now) == "passed" and now["passed"] >= floor:
        yield replace(change, kind="passing_cell", was=_said(was), now=_said(now))


def _features(old: Run, new: Run) -> Iterator[Change]:
    """Features that are green no more, without failing, or that nothing checks any more."""
    after = _by_name(new)
    for key, was in _by_name(old).items():
        now = after.get(key, NOTHING)
        green = was.status == "passed" and now.status not in ("passed", *BAD)
        if green or (executed(was.total) and not executed(now.total)):
            yield Change("coverage", " ".join(key), _said(was.total),
                         f"{_said(now.total)}{_few(now)}")


def _few(feature: Feature) -> str:
    return ", too few to tell" if feature.status == "too_few" else ""


def _judges(old: Report, new: Report) -> Iterator[Change]:
    """Judges that say nothing any more, and kinds of parameter that are compared no more."""
    now = _by_judge(new)
    for judge, outcomes in _by_judge(old).items():
        if executed(outcomes) and not executed(now.get(judge, Counter())):
            said = _said(now.get(judge, Counter()))
            yield Change("coverage", f"judge {judge}", _said(outcomes), said)


def _by_judge(report: Report) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for name, outcomes in report.counts.items():
        found.setdefault(judge_of(name), Counter()).update(outcomes)
    return found


def _said(outcomes: Counter[str]) -> str:
    """The counts in words: a judge that is not there says so, without a count."""
    if set(+outcomes) == {"not_available"}:
        return "not available"
    return counted(outcomes) or "not exercised"


# --- the claims -----------------------------------------------------------------------------------


def _claims(old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[Change]:
    """Claims that shrank: what is claimed no more, and what is claimed for less."""
    was, now = old.get("claims", {}), new.get("claims", {})
    for name, lost in CLAIMS.items():
        if name in was and name in now and (gone := lost(was[name], now[name])):
            yield Change("coverage", f"claim {name}", gone, "not claimed")


def _missing(was: Json, now: Json) -> str:
    """The entries that are there no more."""
    if not isinstance(was, list) or not isinstance(now, list):
        return ""
    return ", ".join(each if isinstance(each, str) else json.dumps(each)
                     for each in was if each not in now)


def _heads(was: Json, now: Json) -> str:
    """The heads that are there no more, or for fewer outputs."""
    if not isinstance(was, list) or not isinstance(now, list):
        return ""
    fewer = [_head(each) for each in was
             if all(_range(_outputs(each), _outputs(other)) for other in now
                    if _head(other) == _head(each))]
    return ", ".join(dict.fromkeys(fewer))


def _head(head: Json) -> str:
    if not isinstance(head, dict):
        return str(head)
    return " + ".join(str(head.get(key)) for key in ("activation", "loss"))


def _outputs(head: Json) -> Json:
    return head.get("outputs") if isinstance(head, dict) else None


def _range(was: Json, now: Json) -> str:
    """The old range, where the new one does not hold all of it; None as its end is no end."""
    if not (_is_range(was) and _is_range(now)):
        return ""
    (low, high), (least, most) = was, now
    shrank = least > low or (most is not None and (high is None or most < high))
    return f"{low} to {'any' if high is None else high}" if shrank else ""


def _is_range(value: Json) -> bool:
    return (isinstance(value, list) and len(value) == 2 and type(value[0]) is int
            and type(value[1]) in (int, type(None)))


# Claims of biases -> those that hold all of them.
WIDER = {"any": (), "always": ("any", "all_or_none"), "never": ("any", "all_or_none")}
CLAIMS: dict[str, Callable[[Json, Json], str]] = {
    "hidden": _missing,
    "heads": _heads,
    "dtypes": _missing,
    "batch": _range,
    "depth": _range,
    "max_parameters": lambda was, now: _range([0, was], [0, now]),
    "bias": lambda was, now: "" if now in (was, *WIDER.get(str(was), ("any",))) else str(was),
    "same_hidden": lambda was, now: ("several hidden activations in one network"
                                     if now and not was else ""),
    "same_output": lambda was, now: ("another output activation than the hidden ones"
                                     if now and not was else ""),
    "same_widths": lambda was, now: ("several hidden widths in one network"
                                     if now and not was else ""),
    "l2": lambda was, now: f"l2 {was}" if was != now else "",
    "explored": lambda was, now: "all that is declared" if now and not was else "",
    "rate": lambda was, now: "gradients that are no differences" if now and not was else "",
}


# --- the digits -----------------------------------------------------------------------------------


def _digits(old: Run, new: Run, most: float) -> Iterator[Change]:
    """Kinds of parameter that agree to fewer digits, or that nothing was compared of."""
    for dtype, kinds in old.report.resolution.items():
        for kind, was in kinds.items():
            now = new.report.resolution.get(dtype, {}).get(kind)
            if now is None:
                yield Change("coverage", f"{dtype} {kind}", f"{was['digits']:.1f} digits",
                             "not compared")
            elif was["digits"] - now["digits"] > most:
                yield Change("digits", f"{dtype} {kind}", f"{was['digits']:.1f}",
                             f"{now['digits']:.1f}")


def words(verdict: str) -> str:
    """"does not conform"."""
    return verdict.replace("_", " ")
