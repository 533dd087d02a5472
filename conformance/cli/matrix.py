"""`backproof matrix`: every known mistake before every judge."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from .terminal import UsageError, say

DESCRIPTION = """\
Put every known mistake before every judge: which of them kills it, and after how many networks.

  python -m backproof matrix --out docs
  python -m backproof matrix --only bias-averaged-over-batch
"""


def add(command: Any) -> None:
    option = command.add_argument
    option("--out", metavar="DIR", help="write DIR/kill-matrix.md and DIR/kill-matrix.svg")
    option("--only", metavar="NAME", action="append", default=[],
           help="one fault (may be given again)")
    option("--networks", type=int, default=40, metavar="N",
           help="networks for the kills (default 40)")
    option("--seeds", type=int, default=10, metavar="S",
           help="seeds for the networks until the first kill (default 10)")
    option("--faults", metavar="FILE", help="a module of your own with FAULTS = {name: Fault(...)}")
    command.set_defaults(command=run)


def _told(row: Any) -> None:
    print(f"{row.fault}: {', '.join(row.judges) or 'survives'}", file=sys.stderr)


def run(options: argparse.Namespace) -> int:
    """Make the kill matrix; exit 1 where a fault survives."""
    from ..kills.matrix import markdown, write
    from ..kills.matrix import matrix as make
    from ..reference.checks import DescriptionError

    try:
        rows = make(options.only, options.networks, options.seeds, _told, options.faults or "")
    except DescriptionError as error:
        raise UsageError(str(error)) from error
    if options.out:
        write(rows, Path(options.out))
    else:
        say(*markdown(rows))
    return 0 if all(row.judges for row in rows) else 1
