"""Points for a submission: what each row of a points file has earned, and what a student is told.

A hint says so much and no more: the symptom, where it is, the mistake by name, the wrong line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .report import Finding, Report
from .shown import shown

HINTS = ("none", "symptom", "layer", "mistake", "line")
MOST = 3


@dataclass(frozen=True)
class Scored:
    """One row: its points, how many they could be, and what is said about the missing ones."""

    name: str
    points: float
    of: float
    said: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Grade:
    """The rows of one submission. report: the whole of the run, for the teacher; None without one.

    `text()` and `gradescope()` are for students: they have no seed and no numbers of a case.
    """

    subject: str
    rows: tuple[Scored, ...]
    seconds: float = 0.0
    report: Report | None = None

    @property
    def points(self) -> float:
        """All points earned."""
        return round(sum(row.points for row in self.rows), 2)

    @property
    def of(self) -> float:
        """All points that there are."""
        return round(sum(row.of for row in self.rows), 2)

    def row(self, name: str) -> float:
        """The points of one row, whose hints are printed; KeyError where there is no such row.

        As the last line of a test cell of nbgrader: the number is the cell's partial credit.
        """
        found = {row.name: row for row in self.rows}
        if name not in found:
            raise KeyError(f"no row {name!r}; there is {', '.join(map(repr, found))}")
        for line in found[name].said:
            print(line)
        return found[name].points

    def text(self) -> str:
        """The points, row by row, with the hints."""
        lines = [f"{self.subject}: {self.points:g} of {self.of:g} points"]
        for row in self.rows:
            start = f"  {row.points:g} of {row.of:g}"
            lines += [f"{start:12}{row.name}", *(f"{'':14}{line}" for line in row.said)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.text()

    def gradescope(self) -> dict[str, Any]:
        """What Gradescope reads from results.json."""
        tests = [{"name": row.name, "score": row.points, "max_score": row.of,
                  "status": "passed" if row.points == row.of else "failed",
                  "output": "\n".join(row.said), "output_format": "text", "visibility": "visible"}
                 for row in self.rows]
        return {"score": self.points, "execution_time": round(self.seconds),
                "output": f"{self.points:g} of {self.of:g} points", "output_format": "text",
                "visibility": "visible", "tests": tests}


def hints(findings: Sequence[Finding], level: str) -> tuple[str, ...]:
    """What a student is told of these findings, up to this level."""
    if level == "none":
        return ()
    more = len(findings) - MOST
    told = [line for finding in findings[:MOST] for line in _hint(finding, HINTS.index(level))]
    return (*told, *([f"and {more} more"] if more > 0 else []))


def _hint(finding: Finding, level: int) -> Iterator[str]:
    yield _symptom(finding)
    if level >= HINTS.index("layer"):
        yield from _place(finding)
    if level >= HINTS.index("mistake") and finding.lesson:
        yield f"  as if: {finding.faults[0]}: {finding.lesson['symptom']}"
    if level >= HINTS.index("line") and finding.lesson:
        yield from (f"    {what}: {finding.lesson[what]}" for what in ("wrong", "right"))


def _symptom(finding: Finding) -> str:
    kinds = dict.fromkeys(name.rpartition(".")[2] for name in finding.wrong)
    if not kinds:
        return f"the check {finding.property} fails"
    return f"the gradient is wrong: {', '.join(kinds)}"


def _place(finding: Finding) -> Iterator[str]:
    for says, names in (("wrong", finding.wrong), ("right", finding.right)):
        if names:
            yield f"  {says}: {', '.join(names)}"
    yield from (f"  {line}" for line in shown(finding.networks, finding.when))
