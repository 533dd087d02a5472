"""A badge: the JSON that a shields.io endpoint wants, and no key more (it refuses unknown ones)."""

from __future__ import annotations

import json

from ..record import harmless
from ..record.reading import Run

COLORS = {"conforms": "brightgreen", "does_not_conform": "red", "not_judged": "lightgrey",
          "incomplete": "lightgrey"}


def render(run: Run) -> str:
    """The verdict, and, where networks were judged, how many checks there were or failed."""
    verdict = run.report.verdict
    bad = run.report.total("failed") + run.report.total("errored")
    every = f"{run.report.total('passed') + bad:,} checks"
    about = {"conforms": f", {every}", "does_not_conform": f", {bad:,} of {every} failed"}
    message = run.report.says + about.get(verdict, "")
    badge = {"schemaVersion": 1, "label": "backproof", "message": message, "color": COLORS[verdict]}
    return harmless.defused_json(json.dumps(badge)) + "\n"
