"""`backproof serve`: the command door the other way round, for another language's test runner."""

from __future__ import annotations

import argparse
from typing import Any

from . import verify
from .terminal import UsageError, complain

DESCRIPTION = """\
Verify whoever has started this command: questions go to standard output, replies are read from
standard input, and the last message is the verdict. So a test of `cargo test` or `npm test` starts
it, answers in its own process, and fails where the verdict is not "conforms".

  python -m backproof serve --examples 100

The messages are those of `verify --command` (docs/protocol.md), with the roles swapped.
"""
EPILOG = verify.EPILOG


def add(command: Any) -> None:
    verify.add_plan(command)
    command.add_argument("--transcript", metavar="FILE",
                         help="write all questions and replies to FILE, for `replay FILE`")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Say the verdict as the last message and return its exit status."""
    from ..plug.protocol.guest import TARGET, Guest
    from ..plug.targets import TargetError
    from ..record.writing import RecordError
    from ..running.transcripts import transcribed

    header, asked = verify.header_of(options), verify.planned(options)
    try:
        with transcribed(options.transcript, target=TARGET, **header) as listen:
            guest = Guest(listen)
            try:
                lines, ended = verify.judged(guest.subject(), asked)
            except (TargetError, UsageError) as error:
                guest.end("not_judged", 2, str(error))
                complain(str(error))
                return 2
            guest.end(*ended, "\n".join(lines))
            return ended.status
    except RecordError as error:
        raise UsageError(str(error)) from error
