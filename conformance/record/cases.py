"""The file of a case: it is read, checked against its own name, and never executed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..reference import Case, DescriptionError, parse
from . import files
from .folder import CASES as FOLDER
from .folder import LINES
from .harmless import may_be_typed
from .reading import ID, no_constant
from .writing import RecordError

LARGEST_FILE = 64 * 2**20


def read_case(where: str | os.PathLike[str]) -> Case:
    """The case of a file.

    Raises RecordError, in one line, where there is none, or where its name is another case's id.
    """
    path = Path(where)
    case = _case(path, _text(path))
    check_name(path, case.id)
    return case


def check_name(path: Path, found: str) -> None:
    """RecordError where a file that is named like a case holds another one."""
    if ID.fullmatch(path.stem) and path.stem != found:
        raise RecordError(f"{path}: the case was changed: its id is {found}, "
                          f"the file's name says {path.stem}")


def case_json(where: str | os.PathLike[str]) -> Any:
    """The JSON of a case's file, of whatever kind it is.

    Raises RecordError, in one line, where there is none.
    """
    path = Path(where)
    text = _text(path)
    try:
        return json.loads(text, parse_constant=no_constant)
    except RecursionError as error:
        raise RecordError(f"{path}: nested too deeply") from error
    except ValueError as error:
        raise RecordError(f"{path}: is not JSON") from error


def is_trial(data: Any) -> bool:
    """Whether the JSON of a case is that of a trial of a program, and of no network."""
    return isinstance(data, dict) and "program" in data


def target_beside(where: str | os.PathLike[str]) -> str:
    """What the record beside a case calls its subject, as data; "" where none says what to ask.

    Nothing is looked up, imported or run.
    """
    path = Path(where).parent.parent / LINES
    try:
        header = json.loads(next(files.lines(path), ""), parse_constant=no_constant)
    except (files.UnreadableError, ValueError, RecursionError):
        return ""
    header = header if isinstance(header, dict) else {}
    target = header.get("target", header.get("subject"))
    return target if isinstance(target, str) and may_be_typed(target) else ""


def _text(path: Path) -> str:
    """A case in a record's folder is not to lead out of the record's."""
    folder = path.parent.parent if path.parent.name == FOLDER else path.parent
    try:
        return files.whole(path, LARGEST_FILE, folder)
    except files.UnreadableError as error:
        raise RecordError(str(error)) from error


def _case(path: Path, text: str) -> Case:
    try:
        return parse.case(json.loads(text, parse_constant=no_constant))
    except DescriptionError as error:
        raise RecordError(f"{path}: {error}") from error
    except RecursionError as error:
        raise RecordError(f"{path}: nested too deeply") from error
    except ValueError as error:
        raise RecordError(f"{path}: is not JSON") from error
    except MemoryError as error:
        raise RecordError(f"{path}: is too large for the memory there is") from error
