"""The cases that showed a mistake in the runs before: they are asked before any is drawn."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..properties.claims import Claims
from ..properties.exact import certified
from ..properties.membership import covers
from ..properties.strategies import exactable
from ..record.cases import read_case
from ..record.notes import Note, NoteKind
from ..record.writing import RecordError
from ..reference import LOSSES, Case, infer
from ..reference.losses import factor

MOST = 50


def remembered(directory: str | os.PathLike[str] | None) -> tuple[tuple[Case, ...], list[Note]]:
    """The cases of a record's directory, the newest first, at most 50; and a note.

    The note says how many files hold no case; there is none where all do.
    """
    if directory is None:
        return (), []
    found, unreadable = [], 0
    for path in newest(Path(directory) / "cases"):
        try:
            found.append(read_case(path))
        except RecordError:
            unreadable += 1
    left_out = f"left out: {_files(unreadable)} that cannot be read"
    return tuple(found), [Note(left_out, NoteKind.PAST_CASES)] if unreadable else []


def newest(folder: Path) -> list[Path]:
    """The files of cases in a folder, the newest first, at most 50."""
    try:
        dated = sorted((-path.lstat().st_mtime, path) for path in folder.glob("*.json"))
    except OSError:
        return []
    return [path for _, path in dated[:MOST]]


def _files(number: int) -> str:
    return "1 case file" if number == 1 else f"{number} case files"


def notes(asked: int, foreign: int) -> list[Note]:
    """How many cases were asked again, and how many were not."""
    cases = "1 case" if asked == 1 else f"{asked} cases"
    said = [f"asked first: {cases} of the runs before"] if asked else []
    said += [f"left out: {_files(foreign)} outside the claims"] if foreign else []
    return [Note(text, NoteKind.PAST_CASES) for text in said]


# --- whose cases they are -------------------------------------------------------------------------


def covered(cases: Sequence[Case], claims: Claims) -> tuple[Case, ...]:
    """The cases that could have been drawn inside these claims: nothing else may be asked."""
    return tuple(case for case in cases if covers(claims, case))


def is_exact(claims: Claims, case: Case) -> bool:
    """Whether the case is an integer network whose arithmetic is exact in any order."""
    part = exactable(claims)
    if part is None or not covers(replace(part, depth=claims.depth), case):
        return False
    arrays = (*case.parameters.values(), case.inputs, case.targets)
    loss, outputs = case.network.loss, infer(case.network).output
    share = factor(loss.reduction, LOSSES[loss.kind].per, (case.batch, *outputs))
    whole = all(bool((np.asarray(a) == np.round(a)).all()) for a in arrays)
    return whole and math.frexp(share)[0] == 0.5 and certified(case)
