"""One run for all workers of a test session: the first makes it, the others wait and read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from ..record.notes import note_of
from ..record.report import Finding, Report
from ..record.writing import to_text, write_whole

NUMBERS = ("got", "wanted", "error", "tolerance")


def once(folder: Path, name: str, make: Callable[[], Report]) -> tuple[Report, bool]:
    """The report, and whether it was made here; what `make` raises is not shared."""
    done = folder / f"{name}.json"
    with FileLock(folder / f"{name}.lock"):
        if done.exists():
            return revived(json.loads(done.read_text(encoding="utf-8"))), False
        report = make()
        write_whole(done, to_text(report))
        return report, True


def revived(data: dict[str, Any]) -> Report:
    """The Report of its own JSON."""
    findings = [Finding(**{key: _field(key, value) for key, value in finding.items()})
                for finding in data["findings"]]
    notes = [note_of(**note) for note in data["notes"]]
    fields = {key: value for key, value in data.items() if key != "schema"}
    return Report(**fields | {"findings": findings, "notes": notes})


def _field(key: str, value: Any) -> Any:
    if key in NUMBERS:
        return float(value)
    return tuple(value) if isinstance(value, list) else value
