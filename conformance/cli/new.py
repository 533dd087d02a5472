"""`backproof new FILE`: an adapter to start from, which runs at once."""

from __future__ import annotations

import argparse
from typing import Any

from ..running.doors import DOORS
from ..running.languages import LANGUAGES
from .terminal import UsageError, say

DESCRIPTION = """\
Write a file to start from: a right backward pass, plugged in, with a comment at every place that is
yours. It conforms as it is; put your own lines in, and verify it after each.

  python -m backproof new my_file.py
  python -m backproof new my_layers.py --door layers
  python -m backproof new my_network.py --door step
  python -m backproof new my_net.rs --door command --language rust
"""
EPILOG = "\n".join([
    "doors:", *(f"  {door:10} {says}" for door, (_, says) in DOORS.items()), "",
    "languages of a command:", *(f"  {name:10} {row.commands(f'my_net{row.ending}')[1]}"
                                 for name, row in LANGUAGES.items())])


def add(command: Any) -> None:
    command.add_argument("file", metavar="FILE", help="the file to write, which is not there yet")
    command.add_argument("--door", choices=[*DOORS], metavar="DOOR",
                         help=f"how it is plugged in: {', '.join(DOORS)} (default function; "
                              "command where the name tells a language)")
    command.add_argument("--language", choices=[*LANGUAGES], metavar="NAME",
                         help=f"of a command: {', '.join(LANGUAGES)} (default: as the name ends)")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Write the file and say what to type next; UsageError where it cannot be written."""
    from ..running.adapters import NewFileError, new_file

    try:
        commands = new_file(options.file, options.door, options.language)
    except NewFileError as error:
        raise UsageError(str(error)) from error
    return say(f"wrote {options.file}; next:", "", *(f"    {command}" for command in commands))
