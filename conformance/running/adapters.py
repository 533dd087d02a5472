"""Files to start from: an adapter for each door, which runs as it is."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from string import Template

from ..reference.checks import BackproofError, one_of
from .doors import DOORS


class NewFileError(BackproofError):
    """The file cannot be written; the message is one line."""


def new_file(path: str, door: str) -> str:
    """Write the adapter of a door and return the command that verifies it.

    Raises NewFileError for a file that is there, or that cannot be written, and DescriptionError
    for an unknown door.
    """
    one_of("door", door, DOORS)
    file, (name, _) = Path(path), DOORS[door]
    if file.suffix != ".py":
        raise NewFileError(f"{path} is no Python file; wanted a name such as {path or 'mine'}.py")
    command = f"python -m backproof verify {path}:{name}"
    try:
        with file.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(_text(door, verify=command, name=name))
    except FileExistsError:
        raise NewFileError(f"{path} is there already, and is left as it is") from None
    except OSError as error:
        raise NewFileError(f"{path} cannot be written: {error.strerror or error}") from error
    return command


def _text(door: str, **values: str) -> str:
    file = resources.files(__package__).joinpath("templates", f"new_{door}.template")
    return Template(file.read_text(encoding="utf-8")).substitute(values)
