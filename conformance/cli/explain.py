"""`backproof explain WORD`: a word of the field, a known mistake, a property; or what there is."""

from __future__ import annotations

import argparse
from typing import Any

from .terminal import UsageError, say

DESCRIPTION = """\
Explain a word (the formula, where it stands in the reference, the mistakes that people make with
it), a known mistake (the wrong line and the right one, an example in numbers, where it was seen),
or a property. Without a name it shows what there is.

  python -m backproof explain bias
  python -m backproof explain batch norm
  python -m backproof explain bias-averaged-over-batch
  python -m backproof explain batch_additivity
"""


def add(command: Any) -> None:
    command.add_argument("name", metavar="NAME", nargs="*",
                         help="a word, a known mistake or a property; none: what there is")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print what a word, a mistake or a property is; UsageError for an unknown name."""
    from ..kills.teaching import teach
    from ..reference.checks import DescriptionError

    try:
        say(teach(" ".join(options.name)))
    except DescriptionError as error:
        raise UsageError(str(error)) from error
    return 0
