"""`backproof judge KERNEL --plain TASK`: a score for a kernel, for benchmarks of kernels."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .terminal import UsageError, aside, complain, put, say

if TYPE_CHECKING:
    from ..programs.benchmark import Score

DESCRIPTION = """\
Judge a kernel that somebody, or a machine, wrote for a task: forward and backward, by a tolerance
that is computed, on inputs that nobody knows beforehand.

  python -m backproof judge kernel.py:layer_norm --plain task.py:task --json
  python -m backproof judge kernel.py:layer_norm --plain task.py:task \\
      --forbid torch.nn.functional.layer_norm,torch.ops.aten.native_layer_norm

The task is a declaration without a function; the kernel is a function in a file of its own:

  task = program(plain=plain_layer_norm, inputs={"x": ("N", "D"), "weight": ("D",)},
                 dtypes=["float32", "bfloat16"])

The kernel's file is imported in a fresh process, which has neither the plain form nor what is true.
The score is the share of right cells (dtype x feature x output or gradient): 1.0 only where all is
right, and never less for a kernel that is right on more. How long it takes is not judged.
"""
EPILOG = """\
exit status:
  0  conforms: every cell is right
  1  does not conform
  2  not judged: the kernel or the task cannot be had, an option cannot be, or nothing could fail
"""


def add(command: Any) -> None:
    option = command.add_argument
    option("target", metavar="KERNEL", help="the kernel: file.py:name")
    option("--plain", metavar="TASK", required=True,
           help="the task, a program(...) without a function: task.py:task")
    option("--json", action="store_true", help="print the score as JSON, with all cells")
    option("--seed", type=int, metavar="N", help="of the trials (default: one that nobody knows, "
           "which is told afterwards; one that is given here is seen by all processes)")
    option("--examples", type=int, metavar="N", help="trials (default 40 of every dtype)")
    option("--device", default="cpu", metavar="NAME", help="where its tensors are: cpu, cuda")
    option("--forbid", metavar="NAMES", default="", help="what the kernel may not call, with "
           "commas: Python functions, and operations of PyTorch as torch.ops.aten.NAME")
    command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print the score; its exit status. UsageError for a task or an option that cannot be."""
    from ..plug.protocol.printed import Printed
    from ..plug.refused import TargetError
    from ..programs.benchmark import judged
    from ..reference import DescriptionError

    for name in ("seed", "examples"):
        if (given := getattr(options, name)) is not None and given < (name == "examples"):
            raise UsageError(f"--{name}: received {given}; wanted {name == 'examples':d} or more")
    try:
        score = judged(options.target, options.plain, seed=options.seed, examples=options.examples,
                       device=options.device, forbid=[*filter(None, options.forbid.split(","))],
                       announce=complain, log=Printed(aside))
    except (TargetError, DescriptionError) as error:
        raise UsageError(str(error)) from error
    put(json.dumps(score.to_json(), indent=1)) if options.json else say(*_lines(score))
    return score.exit


def _lines(score: Score) -> Iterator[str]:
    why = f": {score.reason}" if score.reason else ""
    yield f"{score.kernel}: {score.verdict.replace('_', ' ')}{why}"
    yield (f"score {score.score:.3f} (forward {score.forward:.3f}, backward {score.backward:.3f}): "
           f"{sum(cell.is_right for cell in score.cells)} of {len(score.cells)} cells, "
           f"{score.trials} trials, seed {score.seed}; how long it takes is not judged")
    for tried in score.tried:
        yield f"it has tried what it may not: {tried}"
    for dtype, each in score.precision.items():
        yield (f"{dtype}: claims arithmetic {each['claimed']}; the strictest it would meet is "
               f"{each['strictest'] or 'none that was tried'}")
    for finding in score.findings:
        yield f"\n{finding.text}"
