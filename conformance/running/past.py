"""The cases that showed a mistake in the runs before: they are asked first, before any network is drawn."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..naming.reduce import inside, parts, plain
from ..properties.claims import Claims, activation
from ..properties.exact import certified
from ..properties.strategies import chain, exactable
from ..record.cases import read_case
from ..record.writing import RecordError
from ..reference import LOSSES, Case, infer
from ..reference.losses import factor

MOST = 50


def remembered(directory: str | os.PathLike[str] | None) -> tuple[tuple[Case, ...], list[str]]:
    """The cases of a record's directory, the newest first, at most 50; and a note on files that hold none."""
    if directory is None:
        return (), []
    found, unreadable = [], 0
    for path in _newest(Path(directory) / "cases"):
        try:
            found.append(read_case(path))
        except RecordError:
            unreadable += 1
    return tuple(found), [f"left out: {_files(unreadable)} that cannot be read"] if unreadable else []


def _newest(folder: Path) -> list[Path]:
    try:
        dated = sorted((-path.stat().st_mtime, path) for path in folder.glob("*.json"))
    except OSError:
        return []
    return [path for _, path in dated[:MOST]]


def _files(number: int) -> str:
    return "1 case file" if number == 1 else f"{number} case files"


def notes(asked: int, foreign: int) -> list[str]:
    """How many cases were asked again, and how many were not."""
    cases = "1 case" if asked == 1 else f"{asked} cases"
    said = [f"asked first: {cases} of the runs before"] if asked else []
    return [*said, f"left out: {_files(foreign)} outside the claims"] if foreign else said


# --- whose cases they are -----------------------------------------------------------------------------------------


def covered(cases: Sequence[Case], claims: Claims) -> tuple[Case, ...]:
    """The cases that could have been drawn inside these claims: nothing else may be asked of the subject."""
    return tuple(case for case in cases if covers(claims, case))


def covers(claims: Claims, case: Case) -> bool:
    """Whether the case is a question inside the claims: dtype, batch, depth, biases, activations, head, reduction."""
    if case.dtype not in claims.dtypes or not plain(case) or not inside(case, claims):
        return False
    chained = parts(case)
    biases = [part.bias is not None for part in chained]
    between = [part.after for part in chained[:-1]]
    claimed = [(activation(each),) for each in claims.hidden]
    if not all(after in claimed for after in between) or not _biases(biases, claims.bias):
        return False
    if claims.same_hidden and any(after != between[0] for after in between):
        return False
    hidden = [after[0] for after in between]
    return any(chain(case.network.sizes, biases, hidden, head) == case.network for head in claims.heads)


def _biases(biases: Sequence[bool], claimed: str) -> bool:
    return {"always": all(biases), "never": not any(biases), "any": True}[claimed]


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
