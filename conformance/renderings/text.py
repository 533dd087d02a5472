"""What a terminal shows."""

from __future__ import annotations

from ..record.reading import Run
from ..reference.checks import visible


def render(run: Run) -> str:
    """The report's own text; what a terminal would obey rather than show is escaped."""
    return "".join(f"{visible(line)}\n" for line in run.report.text().split("\n"))
