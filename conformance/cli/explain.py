"""`backproof explain`: what a known mistake, a property or a word is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .terminal import UsageError, say

DESCRIPTION = """\
Explain a word (its formulas, where they stand, the mistakes that people make with it), a known
mistake (the wrong line and the right one, an example in numbers, where it was seen), or a property.
Without a name: what can be explained.

  python -m backproof explain bias
  python -m backproof explain bias-averaged-over-batch
  python -m backproof explain batch_additivity
"""


def add(command: Any) -> None:
    command.add_argument("name", metavar="NAME", nargs="*",
                         help="a word (bias, sigmoid, weight decay), a mistake or a property")
    command.add_argument("--out", metavar="DIR",
                         help="of bias only: write DIR/bias.md and DIR/bias.svg, with a picture")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print what was asked for; UsageError for an unknown name, and for a page there is not."""
    from ..kills.teaching import overview, teach
    from ..reference.checks import DescriptionError

    name = " ".join(options.name)
    try:
        said = teach(name) if name else overview()
    except DescriptionError as error:
        raise UsageError(str(error)) from error
    if options.out:
        said = _page(name, Path(options.out))
    say(said)
    return 0


def _page(name: str, folder: Path) -> str:
    from ..kills.bias import write
    from ..kills.lessons import subject_of

    if subject_of(name) != "bias":
        raise UsageError(f"--out: there is a page on bias only; received {name!r}. "
                         "Write explain bias --out DIR")
    return f"written: {', '.join(map(str, write(folder)))}"
