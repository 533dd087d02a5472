"""Files to start from: an adapter for each door, which runs as it is."""

from __future__ import annotations

import shlex
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from ..reference.checks import BackproofError, one_of
from .doors import COMMAND, DOORS
from .languages import LANGUAGES, language_of

VERIFY = "python -m backproof verify"


class NewFileError(BackproofError):
    """The file cannot be written; the message is one line."""


def new_file(path: str, door: str | None = None, language: str | None = None) -> list[str]:
    """Write the adapter of a door and return what to type next: the line that verifies it comes
    last, behind the one that builds it where it is built.

    Left out, the door is a command where a language is named or the ending tells one, and a
    function otherwise. Raises NewFileError for a file that is there, or that cannot be written, and
    DescriptionError for an unknown door or language.
    """
    language = language or language_of(path)
    door = one_of("door", door or (COMMAND if language else "function"), DOORS)
    text, lines = _command(path, language) if door == COMMAND else _python(path, door)
    try:
        with Path(path).open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        raise NewFileError(f"{path} is there already, and is left as it is") from None
    except OSError as error:
        raise NewFileError(f"{path} cannot be written: {error.strerror or error}") from error
    return lines


def _python(path: str, door: str) -> tuple[str, list[str]]:
    """The text of a Python file, and what to type next."""
    if Path(path).suffix != ".py":
        raise NewFileError(f"{path} is no Python file; wanted a name such as {path or 'mine'}.py")
    name, _ = DOORS[door]
    command = f"{VERIFY} {path}:{name}"
    template = Template(_templates().joinpath(f"new_{door}.template").read_text(encoding="utf-8"))
    return template.substitute(verify=command, name=name), [command]


def _command(path: str, language: str | None) -> tuple[str, list[str]]:
    """The text of a program in another language, and what to type next."""
    if language is None:
        raise NewFileError(f"{path}: in which language? write --language {'|'.join(LANGUAGES)}, or "
                           f"a name that ends in {', '.join(r.ending for r in LANGUAGES.values())}")
    row = LANGUAGES[one_of("language", language, LANGUAGES)]
    if not path.endswith(row.ending):
        raise NewFileError(f"{path} is no file of {row.title}; wanted a name such as "
                           f"{path or 'mine'}{row.ending}")
    build, run = row.commands(path)
    text = _templates().joinpath("adapters", row.template).read_text(encoding="utf-8")
    verify = f"{VERIFY} --command {_quoted(run)}"
    return text, [build, verify] if build else [verify]


def _quoted(run: str) -> str:
    """A line of a shell as one word of another, in double quotes where that does."""
    return shlex.quote(run) if set(run) & set('"$`\\!') else f'"{run}"'


def _templates() -> Traversable:
    return resources.files(__package__).joinpath("templates")
