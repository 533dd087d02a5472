"""The summary `report.json`, from the record."""

from __future__ import annotations

from ..record.reading import Run
from ..record.writing import to_text


def render(run: Run) -> str:
    """What `verify --report` writes beside the record."""
    return to_text(run.report, indent=1) + "\n"
