"""The command line: a file a command. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from . import (
    compare,
    expect,
    explain,
    grade,
    judge,
    listing,
    matrix,
    new,
    replay,
    report,
    scoreboard,
    serve,
    verify,
)
from .terminal import UnsaidError, UsageError, complain, occupy, say, survive, trouble

HELP = """\
backproof tells you whether your backpropagation is right and, where it is not, which mistake you
made.

  python -m backproof new my_file.py                   a file to start from, which runs at once
  python -m backproof verify my_file.py:backprop       your function, on random networks
  python -m backproof verify scikit-learn-classifier   a ready-made subject
  python -m backproof list subjects                    what there is

A function to verify, in my_file.py:

  from backproof import Head, implementation

  @implementation(hidden=["sigmoid", "tanh"], heads=[Head("identity", "squared_error")])
  def backprop(network, parameters, inputs, targets):
      W, b = network.unpack(parameters)       # weights (in, units), biases (units,), layer by layer
      ...
      return loss, network.pack(dW, db)
"""
COMMANDS = {
    "new": ("write an adapter to start from", new),
    "verify": ("verify one implementation", verify),
    "serve": ("be asked by a test runner that answers: any language, the other way round", serve),
    "grade": ("points for a submission, with hints", grade),
    "judge": ("a score for a kernel that was written for a task: for benchmarks", judge),
    "list": ("list what there is", listing),
    "explain": ("what a word, a mistake or a property is", explain),
    "matrix": ("which judge kills which known mistake", matrix),
    "report": ("show a record: text, markdown, html, junit, json, badge", report),
    "replay": ("ask one case again: FIXED, FAILED or ERROR; or print it as a test", replay),
    "expect": ("compare a record with the file of known failures", expect),
    "compare": ("compare two records: what got worse, what got better", compare),
    "scoreboard": ("several records on one page: subjects before features", scoreboard),
}


class Parser(argparse.ArgumentParser):
    """argparse, with its errors left to `main`, and its help said as all else is."""

    def print_help(self, file: Any = None) -> None:
        say(self.format_help().removesuffix("\n"))

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; try `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; SystemExit(0) after --help and --version.

    A status is that of a verdict only where the verdict was said. Whatever else happens, a closed
    or full output too, and an exception that nobody foresaw, is one line and 2.
    """
    occupy()
    for stream in (sys.stdout, sys.stderr):
        survive(stream)
    try:
        if not (sys.argv[1:] if argv is None else argv):
            parser().print_help()
            return 2
        return _ran(parser().parse_args(argv))
    except KeyboardInterrupt:
        complain("interrupted")
        return 3
    except UsageError as error:
        complain(str(error), error.more)
    except UnsaidError as error:
        complain(str(error))
    return 2


def _ran(options: argparse.Namespace) -> int:
    """The status of the command; UsageError and UnsaidError for its one line and 2."""
    try:
        status = int(options.command(options))
        say()
    except (UsageError, UnsaidError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise UsageError(f"trouble inside, so there is no verdict: {trouble(error)}") from error
    return status


def parser() -> Parser:
    """The whole command line."""
    top = _parser(Parser, prog="backproof", description=HELP, epilog=verify.EPILOG)
    top.add_argument("--version", action=Version, help="print the version")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (says, module) in COMMANDS.items():
        module.add(_parser(commands.add_parser, name=name, help=says,
                           description=module.DESCRIPTION,
                           epilog=getattr(module, "EPILOG", None)))
    return top


def _parser(make: Callable[..., Parser], **more: Any) -> Parser:
    return make(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **more)


class Version(argparse.Action):
    """--version, looked up only when it is asked for."""

    def __init__(self, option_strings: list[str], dest: str, **more: Any):
        super().__init__(option_strings, dest, nargs=0, **more)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from .. import __version__

        say(f"backproof {__version__}")
        parser.exit()
