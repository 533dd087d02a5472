"""What a terminal shows."""

from __future__ import annotations

from ..record.reading import Run


def render(run: Run) -> str:
    """The report's own text, in which nothing is obeyed by a terminal or a CI log."""
    return run.report.text() + "\n"
