"""A badge: the JSON that a shields.io endpoint wants, and no key more (it refuses unknown ones)."""

from __future__ import annotations

import json

from ..record.coverage import share
from ..record.reading import Run

COLORS = {"conforms": "brightgreen", "does_not_conform": "red", "not_judged": "lightgrey",
          "incomplete": "lightgrey"}


def render(run: Run) -> str:
    """The verdict, and, where networks were judged, the share of claimed features that are green.

    The share is in per cent, rounded down.
    """
    verdict = run.report.verdict
    judged = verdict in ("conforms", "does_not_conform")
    message = run.report.says + (f", {share(run)}% of features" if judged else "")
    badge = {"schemaVersion": 1, "label": "backproof", "message": message, "color": COLORS[verdict]}
    return json.dumps(badge) + "\n"
