"""The file of a case: it is read, checked against its own name, and never executed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from ..reference import Case, DescriptionError, parse
from .reading import no_constant, regular
from .writing import RecordError

LARGEST_FILE = 64 * 2**20
ID = re.compile("[0-9a-f]{12}")


def read_case(where: str | os.PathLike[str]) -> Case:
    """The case of a file.

    Raises RecordError, in one line, where there is none, or where its name is another case's id.
    """
    path = Path(where)
    case = _case(path, _text(path))
    if ID.fullmatch(path.stem) and path.stem != case.id:
        raise RecordError(f"{path}: the case was changed: its id is {case.id}, "
                          f"the file's name says {path.stem}")
    return case


def _text(path: Path) -> str:
    try:
        if (size := regular(path).stat().st_size) > LARGEST_FILE:
            raise RecordError(f"{path}: is too large for a case: {size} bytes, "
                              f"at most {LARGEST_FILE}")
        return path.read_text("utf-8")
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise RecordError(f"{path}: cannot be read: {why}") from error
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: is not UTF-8 text") from error


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
