"""The summary `report.json`, from the record."""

from __future__ import annotations

from ..record import harmless
from ..record.reading import Run
from ..record.writing import summary


def render(run: Run) -> str:
    """What `verify --report` writes beside the record."""
    return harmless.defused_json(summary(run.report)) + "\n"
