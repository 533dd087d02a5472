"""`backproof replay CASE [TARGET]`: one case asked again, or written out as a plain test."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

DESCRIPTION = """\
Ask one implementation one case again: is the mistake that it showed fixed?

  python -m backproof replay out/cases/9f7234f2cef7.json my_file.py:backprop
  python -m backproof replay out/cases/9f7234f2cef7.json                a ready-made subject's
  python -m backproof replay out/cases/9f7234f2cef7.json my_file.py:backprop --as-test > test_it.py

It says FIXED (exit 0), FAILED with what is wrong (1), or ERROR (2). TARGET is as for `verify`.
Without it only a ready-made subject is asked; for any other the whole command is printed.
--as-test prints a pytest test with the numbers written out, which needs NumPy and your function,
and not backproof.
"""


def add(command: Any) -> None:
    command.add_argument("case", metavar="CASE", help="a case file: DIR/cases/<id>.json")
    command.add_argument("target", metavar="TARGET", nargs="?",
                         help="file.py:name, package.module:name or a ready-made subject "
                              "(default: the record's, where it is ready-made)")
    command.add_argument("--as-test", action="store_true",
                         help="print a stand-alone pytest test instead")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print what the case says now; UsageError where case or target cannot be had."""
    from ..plug.targets import TargetError, load
    from ..record.cases import read_case
    from ..record.writing import RecordError
    from ..reference import DescriptionError
    from ..running.as_pytest import as_test
    from ..running.replay import replay
    from .terminal import UsageError, complain, put, say

    try:
        case = read_case(options.case)
        target = options.target or _ready_made(options)
        subject = load(target)
        if not options.target:
            complain(f"TARGET is {target}, as the record says")
        if options.as_test:
            return put(as_test(case, subject, target))
        said = replay(case, subject)
    except (RecordError, TargetError, DescriptionError) as error:
        raise UsageError(str(error)) from error
    say(said.text)
    return said.exit


def _ready_made(options: argparse.Namespace) -> str:
    """The record's subject where it comes with backproof; UsageError with what to type else."""
    from ..plug.subjects import SUBJECTS
    from ..record.cases import target_beside
    from .terminal import UsageError

    target = target_beside(options.case)
    if target in SUBJECTS:
        return target
    words = ["python", "-m", "backproof", "replay", options.case, target or "TARGET"]
    command = shlex.join([*words, *(["--as-test"] if options.as_test else [])])
    raise UsageError("a record is data, and names code: what it names is not run unless you name "
                     "it. Type, if you trust it:", [command])
