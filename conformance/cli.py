"""The command line: `verify` and `list`. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from .commands import compare, expect, replay, report, scoreboard
from .profiles import listed

HELP = """\
backproof tells you whether your backpropagation is right and, where it is not, which mistake you made.

  python -m backproof verify my_file.py:backprop       your function, on random networks
  python -m backproof verify scikit-learn-classifier   a ready-made subject
  python -m backproof list subjects                    what there is

A function to verify, in my_file.py:

  from backproof import Head, implementation

  @implementation(hidden=["sigmoid", "tanh"], heads=[Head("identity", "squared_error")])
  def backprop(network, parameters, inputs, targets):
      W, b = network.unpack(parameters)       # weights (in, units) and biases (units,), layer by layer
      ...
      return loss, network.pack(dW, db)
"""
EXITS = """\
exit status:
  0  conforms: every check passed, and there were enough of them to tell
  1  does not conform: the mistakes are listed, each with the smallest case that shows it
  2  not judged: the target cannot be imported or called, or an option cannot be
  3  incomplete: interrupted, or too few checks to say "conforms"
"""
VERIFY = """\
Verify one implementation: ask it for the gradients of random networks and judge the answers.

  python -m backproof verify my_file.py:backprop
  python -m backproof verify package.module:name --examples 1000 --seconds 120
  python -m backproof verify scikit-learn-regressor --require torch,jax --report out

TARGET is file.py:name, package.module:name, or one of `python -m backproof list subjects`. A file is imported as
`python file.py` would import it: put training under `if __name__ == '__main__'`.
"""
LISTS = """\
List what there is.

  python -m backproof list activations
  python -m backproof list oracles
"""
EXPLAINS = """\
Explain a known mistake (the formula, the wrong line and the right one, an example in numbers, where it was seen), or a
property.

  python -m backproof explain bias-averaged-over-batch
  python -m backproof explain batch_additivity
"""
MATRIX = """\
Put every known mistake before every judge: which of them kills it, and after how many networks.

  python -m backproof matrix --out docs
  python -m backproof matrix --only bias-averaged-over-batch
"""
MORE = {
    "report": ("show a record: text, markdown, html, junit, json, badge", report),
    "replay": ("ask one case again: FIXED, FAILED or ERROR; or print it as a test", replay),
    "expect": ("compare a record with the file of known failures", expect),
    "compare": ("compare two records: what got worse, what got better", compare),
    "scoreboard": ("several records on one page: subjects before features", scoreboard),
}
KINDS = ("layers", "activations", "losses", "oracles", "properties", "subjects", "faults")


class UsageError(Exception):
    """One line for stderr; exit 2."""


class Parser(argparse.ArgumentParser):
    """argparse, with its errors left to `main`."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; try `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; SystemExit(0) after --help and --version."""
    for stream in (sys.stdout, sys.stderr):
        _survive(stream)
    try:
        options = parser().parse_args(argv)
        return int(options.command(options))
    except UsageError as error:
        print(f"backproof: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("backproof: interrupted", file=sys.stderr)
        return 3
    finally:
        say()


def parser() -> Parser:
    """The whole command line."""
    top = _parser(Parser, prog="backproof", description=HELP, epilog=EXITS)
    top.add_argument("--version", action=Version, help="print the version")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_verify(_parser(commands.add_parser, name="verify", help="verify one implementation", description=VERIFY,
                        epilog=EXITS))
    kinds = _parser(commands.add_parser, name="list", help="list what there is", description=LISTS)
    kinds.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    kinds.set_defaults(command=lambda options: say(*LISTINGS[options.kind]()))
    teaching = _parser(commands.add_parser, name="explain", help="what a mistake or a property is",
                       description=EXPLAINS)
    teaching.add_argument("name", metavar="NAME", help="a fault or a property")
    teaching.set_defaults(command=explain)
    _add_matrix(_parser(commands.add_parser, name="matrix", help="which judge kills which known mistake",
                        description=MATRIX))
    for name, (says, module) in MORE.items():
        module.add(_parser(commands.add_parser, name=name, help=says, description=module.DESCRIPTION))
    return top


def _parser(make: Callable[..., Parser], **more: Any) -> Parser:
    return make(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **more)


def _add_verify(command: Parser) -> None:
    add = command.add_argument
    add("target", metavar="TARGET", help="file.py:name, package.module:name or a ready-made subject")
    add("--examples", type=int, metavar="N", help="random networks to ask (default 300)")
    add("--seconds", type=float, metavar="S", help="stop after so many seconds (default 60)")
    add("--profile", default="default", metavar="NAME", help=f"how much is asked: {listed()}")
    add("--seed", type=int, default=0, metavar="S", help="the same seed asks the same questions (default 0)")
    add("--oracles", metavar="LIST", help="witnesses, with commas: torch,jax,differences (default: all there are)")
    add("--require", metavar="LIST", default=(), help="witnesses that must be there: where one is not, exit 2")
    add("--report", metavar="DIR", help="write DIR/report.jsonl as it goes, DIR/cases/ and DIR/report.json")
    add("--format", metavar="LIST", help="show the record at once, with commas: html,junit (see `report`)")
    add("--expected", metavar="FILE", help="known failures, see `expect`: exit 0 where the run has these and no other")
    command.set_defaults(command=verify)


class Version(argparse.Action):
    """--version, looked up only when it is asked for."""

    def __init__(self, option_strings: list[str], dest: str, **more: Any):
        super().__init__(option_strings, dest, nargs=0, **more)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from . import __version__

        say(f"backproof {__version__}")
        parser.exit()


# --- verify ------------------------------------------------------------------------------------------------------


def verify(options: argparse.Namespace) -> int:
    """Print the report, return its exit; UsageError for what cannot be verified as asked."""
    from .api import PlanError, judge, plan_of, subject_for
    from .expectations import ExpectationError, as_expected, load
    from .record import RecordError
    from .targets import TargetError

    formats = report.chosen(options.format, options.report)
    try:
        known = load(options.expected) if options.expected else None
        plan = plan_of(options.examples, options.seconds, options.seed, options.oracles, options.require,
                       profile=options.profile)
        found = judge(subject_for(options.target), plan, options.report, quiet=False)
    except (ExpectationError, PlanError, RecordError, TargetError) as error:
        raise UsageError(str(error)) from error
    said, status = ([], found.exit) if known is None else as_expected(known, found, options.expected)
    say(found.text(), *said, *report.rendered(options.report, formats))
    return status


# --- explain, matrix ---------------------------------------------------------------------------------------------


def explain(options: argparse.Namespace) -> int:
    """Print what a fault or a property is; UsageError for an unknown name."""
    from .reference.description import DescriptionError
    from .teach import teach

    try:
        say(teach(options.name))
    except DescriptionError as error:
        raise UsageError(str(error)) from error
    return 0


def _add_matrix(command: Parser) -> None:
    add = command.add_argument
    add("--out", metavar="DIR", help="write DIR/kill-matrix.md and DIR/kill-matrix.svg")
    add("--only", metavar="NAME", action="append", default=[], help="one fault (may be given again)")
    add("--networks", type=int, default=40, metavar="N", help="networks for the kills (default 40)")
    add("--seeds", type=int, default=10, metavar="S", help="seeds for the networks until the first kill (default 10)")
    add("--faults", metavar="FILE", help="a module of your own with FAULTS = {name: Fault(...)}")
    command.set_defaults(command=matrix)


def matrix(options: argparse.Namespace) -> int:
    """Make the kill matrix; exit 1 where a fault survives."""
    from pathlib import Path

    from .matrix import markdown, write
    from .matrix import matrix as make
    from .reference.description import DescriptionError

    try:
        rows = make(options.only, options.networks, options.seeds,
                    lambda row: print(f"{row.fault}: {', '.join(row.judges) or 'survives'}", file=sys.stderr),
                    options.faults or "")
    except DescriptionError as error:
        raise UsageError(str(error)) from error
    if options.out:
        write(rows, Path(options.out))
    else:
        say(*markdown(rows))
    return 0 if all(row.judges for row in rows) else 1


# --- list --------------------------------------------------------------------------------------------------------


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows with every column but the last as wide as its widest entry."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _options(options: Any) -> str:
    """What each option wants, and what it is where it may be left out."""
    return "; ".join(f"{name}: {option.wanted}" + (f" ({option.default})" if _may_be_left_out(option) else "")
                     for name, option in options.items())


def _may_be_left_out(option: Any) -> bool:
    from .reference.layers.rule import REQUIRED

    return option.default is not REQUIRED


def _layers() -> Iterator[str]:
    from .reference import LAYERS

    more = {"activation": "function: one of `list activations`, with its own options"}
    return _columns([(name, more.get(name) or _options(rule.options)) for name, rule in LAYERS.items()])


def _activations() -> Iterator[str]:
    from .reference import ACTIVATIONS

    return _columns([(name, f"values in {list(row.range)}", ", ".join(f"kink at {at:g}" for at in row.kinks),
                      _options(row.options)) for name, row in ACTIVATIONS.items()])


def _losses() -> Iterator[str]:
    from .reference import LOSSES

    return _columns([(name, f"a number per {row.per}", f"outputs in {list(row.domain)}",
                      f"targets {', '.join(row.targets)}") for name, row in LOSSES.items()])


def _oracles() -> Iterator[str]:
    from .oracles import ORACLES, available

    there = available()
    return _columns([(name, "available" if name in there else f"not available: {row.install}", row.says)
                     for name, row in ORACLES.items()])


def _properties() -> Iterator[str]:
    from .properties.identities import PROPERTIES
    from .run import VALUE_PROPERTIES

    return _columns([*((name, "value", says) for name, says in VALUE_PROPERTIES.items()),
                     *((name, row.family, row.says) for name, row in PROPERTIES.items())])


def _subjects() -> Iterator[str]:
    from .subjects import SUBJECTS

    return _columns([(name, _there(row), row.sentence) for name, row in SUBJECTS.items()])


def _faults() -> Iterator[str]:
    from .faults import FAULTS

    return _columns([(name, fault.family, fault.symptom) for name, fault in FAULTS.items()])


def _there(row: Any) -> str:
    if not row.missing:
        return f"available ({', '.join(row.needs)})" if row.needs else "available"
    return f"not available: needs {', '.join(row.missing)}: pip install \"backproof[{row.extra}]\""


LISTINGS: dict[str, Callable[[], Iterator[str]]] = dict(
    zip(KINDS, (_layers, _activations, _losses, _oracles, _properties, _subjects, _faults), strict=True))


# --- the terminal ------------------------------------------------------------------------------------------------


def _survive(stream: Any) -> None:
    """A terminal that cannot show a character shows its escape."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


def say(*lines: str) -> int:
    """Print and flush; a reader that has gone away is no error. Returns 0."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
