"""`backproof explain NAME`: what a known mistake or a property is."""

from __future__ import annotations

import argparse
from typing import Any

from .terminal import UsageError, say

DESCRIPTION = """\
Explain a known mistake (the formula, the wrong line and the right one, an example in numbers, where
it was seen), or a property.

  python -m backproof explain bias-averaged-over-batch
  python -m backproof explain batch_additivity
"""


def add(command: Any) -> None:
    command.add_argument("name", metavar="NAME", help="a fault or a property")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print what a fault or a property is; UsageError for an unknown name."""
    from ..kills.teaching import teach
    from ..reference.checks import DescriptionError

    try:
        say(teach(options.name))
    except DescriptionError as error:
        raise UsageError(str(error)) from error
    return 0
