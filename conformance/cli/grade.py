"""`backproof grade TARGET --points FILE`: points for a submission, with hints."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from .terminal import UsageError, say

DESCRIPTION = """\
Verify a submission once, and give every row of a points file what it has earned.

  python -m backproof grade submission.py:backprop --points points.toml
  python -m backproof grade submission.py --points points.toml --hints mistake
  python -m backproof grade submission.py --points points.toml --gradescope results.json

A points file:

  hints = "layer"               # none, symptom, layer, mistake or line
  [claims]                      # what it is asked, whatever it claims itself
  hidden = ["tanh"]
  heads = [{activation = "identity", loss = "squared_error"}]
  [[row]]
  name = "gradients of biases"
  points = 3
  gradients = ["bias"]          # or activations, losses, layers, dtypes, doors, properties

The seed is made from the text in the environment variable BACKPROOF_SECRET, which is taken away
before the submission is imported; nothing that is printed shows it.
"""
EPILOG = """\
exit status:
  0  graded, whatever the points; a submission that cannot be called has none
  2  not graded: the points file or an option cannot be
"""
SECRET = "BACKPROOF_SECRET"


def add(command: Any) -> None:
    option = command.add_argument
    option("target", metavar="TARGET", help="file.py:name, package.module:name, or file.py")
    option("--points", metavar="FILE", required=True, help="the rows with their points, in TOML")
    option("--hints", metavar="LEVEL", help="none, symptom, layer, mistake or line: in the place "
           "of what the points file says")
    option("--secret", metavar="NAME", help="the environment variable with the text that the seed "
           f"is made from (default {SECRET}, where it is set)")
    option("--gradescope", metavar="FILE", help="write what Gradescope reads: "
           "/autograder/results/results.json")
    option("--examples", type=int, metavar="N", help="random networks to ask")
    option("--seconds", type=float, metavar="S", help="stop after so many seconds")
    option("--oracles", metavar="LIST", help="witnesses, with commas (default: all there are)")
    option("--in-process", action="store_true",
           help="run the submission in this process, for a debugger")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print the points and write what was asked for; UsageError where it cannot be graded."""
    from ..running.api import PlanError
    from ..running.grading import PointsError, grade

    try:
        graded = grade(options.target, options.points, hints=options.hints,
                       secret=_secret(options.secret), examples=options.examples,
                       seconds=options.seconds, oracles=options.oracles,
                       apart=not options.in_process)
    except (PlanError, PointsError) as error:
        raise UsageError(str(error)) from error
    if options.gradescope:
        _write(options.gradescope, graded.gradescope())
    return say(graded.text())


def _secret(name: str | None) -> str:
    """The text of the environment variable, which is not there for the submission."""
    if name is not None and name not in os.environ:
        raise UsageError(f"secret: the environment variable {name} is not set")
    return os.environ.pop(name or SECRET, "")


def _write(path: str, data: dict[str, Any]) -> None:
    try:
        Path(path).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
