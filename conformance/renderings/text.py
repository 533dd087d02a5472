"""What a terminal shows."""

from __future__ import annotations

from ..reading import Run


def render(run: Run) -> str:
    """The report's own text."""
    return run.report.text() + "\n"
