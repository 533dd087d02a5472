"""A program judged, with its record: what `api.judge` is for networks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..judging.plan import Plan
from ..programs.case import from_json, is_trial
from ..programs.program import Program
from ..programs.run import run, trials_of
from ..programs.trial import Trial
from ..record.cases import case_json
from ..record.keeping import Kept
from ..record.report import Report
from ..record.writing import Recorder, RecordError
from ..reference.checks import DescriptionError
from .notebook import listener
from .past import newest
from .showing import Shown

if TYPE_CHECKING:
    from ..record.expectations import Expecting


def judge(subject: Any, plan: Plan, directory: str | os.PathLike[str] | None, quiet: bool | None,
          kept: Kept | None = None, expecting: Expecting | None = None,
          device: str = "cpu") -> Report:
    """The report of a run, which leaves its record in the directory, and where it is kept.

    Raises RecordError for the record, DescriptionError where the framework is not there.
    """
    program: Program = subject
    progress = listener(program.name, quiet)
    with Recorder(directory, kept, expecting) as recorder, progress as listen:
        recorder.header(program, plan)
        planned = trials_of(program, plan)
        listen(0, planned, 0, 0.0)
        report = run(program, plan, recorder, listen, device, of_before(directory))
        if expecting is not None:
            expecting.compare(report)
        recorder.footer(report)
        listen.ended(report)
    if kept is not None:
        report.shown_by(Shown(kept, directory))
    return report


def of_before(directory: str | os.PathLike[str] | None) -> Sequence[Trial]:
    """The trials of a record's directory, the newest first."""
    found = []
    for path in [] if directory is None else newest(Path(directory) / "cases"):
        try:
            data = case_json(path)
            if is_trial(data):
                found.append(from_json(data))
        except (RecordError, DescriptionError):
            continue
    return found
