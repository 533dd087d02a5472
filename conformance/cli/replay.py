"""`backproof replay CASE [TARGET]`: one case asked again, or written out as a plain test."""

from __future__ import annotations

import argparse
import sys
from typing import Any

DESCRIPTION = """\
Ask one implementation one case again: is the mistake that it showed fixed?

  python -m backproof replay out/cases/9f7234f2cef7.json my_file.py:backprop
  python -m backproof replay out/cases/9f7234f2cef7.json                the record's target
  python -m backproof replay out/cases/9f7234f2cef7.json my_file.py:backprop --as-test > test_it.py

It says FIXED (exit 0), FAILED with what is wrong (1), or ERROR (2). TARGET is as for `verify`.
--as-test prints a pytest test with the numbers written out, which needs NumPy and your function,
and not backproof.
"""


def add(command: Any) -> None:
    command.add_argument("case", metavar="CASE", help="a case file: DIR/cases/<id>.json")
    command.add_argument("target", metavar="TARGET", nargs="?",
                         help="file.py:name, package.module:name or a ready-made subject "
                              "(default: the record's)")
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
    from ..running.replay import load_recorded, recorded_target, replay
    from .terminal import UsageError, say

    try:
        case = read_case(options.case)
        target = options.target or recorded_target(options.case)
        subject = load(target) if options.target else load_recorded(target)
        if not options.target:
            print(f"backproof: TARGET is {target}, as the record says", file=sys.stderr)
        if options.as_test:
            return say(as_test(case, subject, target))
        said = replay(case, subject)
    except (RecordError, TargetError, DescriptionError) as error:
        raise UsageError(str(error)) from error
    say(said.text)
    return said.exit
