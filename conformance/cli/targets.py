"""The subject that a command is for: TARGET or --command, in its own process or in this one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .terminal import UsageError, aside, complain

if TYPE_CHECKING:
    from ..plug.subject import Subject

TARGET = "file.py:name, package.module:name or a ready-made subject"


def add(command: Any, says: str = TARGET) -> None:
    """The options that say which subject, and where it runs."""
    option = command.add_argument
    option("target", metavar="TARGET", nargs="?", help=says)
    option("--command", metavar="LINE", dest="line",
           help="a program in any language that speaks the protocol (docs/protocol.md), in the "
                'place of TARGET: "node my_net.js"')
    option("--in-process", action="store_true",
           help="run a Python subject in this process, for a debugger; without it a crash is a "
                "finding, and no question takes longer than its limit")
    option("--transcript", metavar="FILE",
           help="write all questions and replies to FILE, for `replay FILE`")


def text_of(options: argparse.Namespace) -> str:
    """The target as a text: "command:LINE" for a command.

    Raises UsageError where there is none, or both.
    """
    from ..plug.protocol import COMMAND

    if options.line is not None and options.target is not None:
        raise UsageError(f"received TARGET {options.target} and --command: leave out one")
    if options.line is not None:
        return f"{COMMAND}{options.line}"
    if options.target is None:
        raise UsageError(f"required: TARGET ({TARGET}), or --command \"node my_net.js\"")
    return str(options.target)


@contextmanager
def opened(options: argparse.Namespace, **header: Any) -> Iterator[Subject]:
    """The subject, whose process ends with the block; header: what a transcript begins with.

    Raises UsageError for options that cannot be, and where the subject cannot be had.
    """
    from ..plug.protocol.printed import Printed
    from ..plug.targets import TargetError
    from ..record.writing import RecordError
    from ..running.api import subject_for
    from ..running.transcripts import transcribed

    text = text_of(options)
    if options.in_process and options.transcript:
        raise UsageError("--transcript: nothing is written down of a subject --in-process")
    try:
        with (transcribed(options.transcript, target=text, **header) as listen,
              subject_for(text, not options.in_process, complain, listen=listen,
                          log=Printed(aside)) as subject):
            yield subject
    except TargetError as error:
        raise UsageError(str(error), error.more) from error
    except RecordError as error:
        raise UsageError(str(error)) from error
