"""The conformance matrix: every feature before every judge, and what may be called green.

A feature is a layer kind, an activation, a loss with its reduction, a dtype, or the door the
subject was plugged in by. A cell counts the outcomes of the checks on networks that have the
feature, so one mistake reddens all the features of the networks it shows on. Green needs a floor of
passed comparisons: what was hardly tried has not passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..properties.catalogue import PROGRAM, catalogue, check_of
from .features import FACETS
from .reading import Run

FLOOR = 30
WORST = ("failed", "errored", "inconclusive", "declined", "passed", "not_available", "not_claimed")
MARKS = {"passed": "pass", "failed": "FAIL", "errored": "ERROR", "declined": "declined",
         "not_claimed": "not claimed", "inconclusive": "inconclusive",
         "not_available": "not available", "too_few": "too few"}


@dataclass(frozen=True)
class Feature:
    """A row: its cells by judge; `status` is one of the outcomes, or "too_few"."""

    facet: str
    name: str
    cells: dict[str, Counter[str]]
    status: str

    @property
    def total(self) -> Counter[str]:
        """The outcomes of all judges."""
        return sum(self.cells.values(), Counter())


def judge_of(name: str) -> str:
    """The column of a check; one that this version does not know has its own name."""
    found = check_of(name)
    return found.column if found is not None else name


def judges(run: Run) -> list[str]:
    """The columns, in the order of the catalogue."""
    order = [check.column for check in (*catalogue().values(), *PROGRAM.values())]
    seen = {judge_of(name) for name in run.report.counts}
    order = [*dict.fromkeys(order)]
    return [*dict.fromkeys(each for each in order if each in seen), *sorted(seen - set(order))]


def status(outcomes: Counter[str]) -> str:
    """The worst outcome there is."""
    return next((outcome for outcome in WORST if outcomes.get(outcome)), "not_claimed")


def matrix(run: Run) -> Iterator[Feature]:
    """Every feature, the claimed ones first within its facet."""
    absent = {judge_of(name) for name, by in run.report.counts.items() if by.get("not_available")}
    missing = {judge: Counter(not_available=1) for judge in absent}
    for facet in [*FACETS, *sorted({facet for facet, _ in run.cells} - set(FACETS))]:
        for name in sorted(name for of, name in run.cells if of == facet):
            yield _feature(facet, name, run.cells[facet, name], missing)
        yield from (Feature(facet, name, {}, "not_claimed")
                    for name in run.unclaimed.get(facet, []))


def _feature(facet: str, name: str, by_property: dict[str, Counter[str]],
             missing: dict[str, Counter[str]]) -> Feature:
    cells: dict[str, Counter[str]] = {}
    for each, outcomes in by_property.items():
        cells.setdefault(judge_of(each), Counter()).update(outcomes)
    found = status(sum(cells.values(), Counter()))
    few = sum(outcomes["passed"] for outcomes in cells.values()) < FLOOR
    found = "too_few" if few and found in ("passed", "not_claimed") else found
    return Feature(facet, name, {**missing, **cells}, found)


def share(run: Run) -> int:
    """The per cent of the claimed features that are green, rounded down; 0 if incomplete."""
    claimed = [feature for feature in matrix(run) if feature.status != "not_claimed"]
    if not claimed or run.report.verdict in ("incomplete", "not_judged"):
        return 0
    return 100 * sum(feature.status == "passed" for feature in claimed) // len(claimed)


def counted(outcomes: Counter[str]) -> str:
    """"12 failed, 3 passed": what is not zero, worst first."""
    return ", ".join(f"{n} {outcome.replace('_', ' ')}"
                     for outcome in WORST if (n := outcomes.get(outcome)))
