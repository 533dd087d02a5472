"""`backproof new FILE`: an adapter to start from, which runs at once."""

from __future__ import annotations

import argparse
from typing import Any

from ..running.doors import DOORS
from .terminal import UsageError, say

DESCRIPTION = """\
Write a file to start from: a right backward pass, plugged in, with a comment at every place that is
yours. It conforms as it is; put your own lines in, and verify it after each.

  python -m backproof new my_file.py
  python -m backproof new my_layers.py --door layers
  python -m backproof new my_network.py --door step
"""
EPILOG = "doors:\n" + "\n".join(f"  {door:10} {says}" for door, (_, says) in DOORS.items())


def add(command: Any) -> None:
    command.add_argument("file", metavar="FILE", help="the file to write, which is not there yet")
    command.add_argument("--door", choices=[*DOORS], default="function", metavar="DOOR",
                         help=f"how it is plugged in: {', '.join(DOORS)} (default function)")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Write the file and say what to type next; UsageError where it cannot be written."""
    from ..running.adapters import NewFileError, new_file

    try:
        command = new_file(options.file, options.door)
    except NewFileError as error:
        raise UsageError(str(error)) from error
    return say(f"wrote {options.file}; next:", "", f"    {command}")
