"""A program judged, with its record: what `api.judge` is for networks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..judging.plan import Plan
from ..programs import written
from ..programs.case import ProgramCase, from_json
from ..programs.program import Program
from ..programs.run import NotJudged, replayed, run, trials_of
from ..programs.trial import Trial
from ..record.cases import case_json, check_name, is_trial
from ..record.keeping import Kept
from ..record.report import Report
from ..record.writing import Recorder, RecordError
from ..reference.checks import DescriptionError
from .notebook import listener
from .past import newest
from .replay import Replay
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
        listen.of = "trials"
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


def trial_of(data: Any, where: str) -> Trial:
    """The trial of a case's JSON, checked against the name of its file.

    Raises RecordError where the file says another one, DescriptionError for what is no trial.
    """
    trial = from_json(data)
    check_name(Path(where), ProgramCase(trial).id)
    return trial


def replay(trial: Trial, subject: Any) -> Replay:
    """Ask a program one trial again: FIXED, FAILED with what a finding says, or ERROR."""
    program: Program = subject
    head = f"{program.name} on case {ProgramCase(trial).id}"
    try:
        found, looked = replayed(program, trial)
    except (DescriptionError, NotJudged) as error:
        return Replay("ERROR", f"ERROR: {head}: {error}")
    if found:
        told = "".join(f"\n\n  {finding.text}".replace("\n", "\n  ") for finding in found)
        return Replay("FAILED", f"FAILED: {head}{told}")
    if not looked:
        return Replay("ERROR", f"ERROR: {head}: the plain form has no finite answer there, or the "
                               "claimed arithmetic no room for it")
    return Replay("FIXED", f"FIXED: {head}\n  every check passed: {', '.join(looked)}")


def as_test(trial: Trial, subject: Any, target: str) -> str:
    """A pytest test with the numbers written out, which needs the framework and the program."""
    return written.as_test(trial, subject, target)
