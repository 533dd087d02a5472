"""JSON Schemas (2020-12) of all that is written: lines, summaries, cases, trials, messages."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

SCHEMAS = ("record-line", "report", "case", "trial", "message")


def schema(name: str) -> Any:
    """The schema of that name, as JSON data; it refers to no other file."""
    text = resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text)
