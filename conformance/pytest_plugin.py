"""The pytest plug-in: the options, and one line for every subject verified in this session.

It costs a session that does not use it nothing: it imports the standard library alone, and looks at
the collected tests only where a test file has imported `testing.conformance`. What is done for
targets is in `testing.collecting`. Under xdist the lines travel as report sections.
"""

from __future__ import annotations

import sys
from typing import Any

from .testing.options import IN_FILE, OPTIONS, TARGETS, by_name, lines, wanted


def pytest_addoption(parser: Any) -> None:
    """Every option on the command line, and as a line of the ini-file."""
    group = parser.getgroup("backproof", "backproof: is the backpropagation right? (all but "
                            "--backproof hold for conformance_tests too, which may say otherwise)")
    group.addoption("--backproof", action="append", default=[], metavar="TARGET", help=TARGETS)
    parser.addini("backproof", f"backproof: {IN_FILE}", type="linelist", default=[])
    for name, (kind, metavar, says) in OPTIONS.items():
        group.addoption(f"--backproof-{name.replace('_', '-')}", type=kind, default=None,
                        metavar=metavar, help=says)
        parser.addini(f"backproof_{name}", f"backproof: {says}", default="")


def pytest_configure(config: Any) -> None:
    """Load what is there for targets and for workers, where there are such."""
    if _asked(config):
        from .testing.collecting import start

        start(config)


def _asked(config: Any) -> bool:
    names = [f"backproof_{name}" for name in OPTIONS]
    given = (config.getoption(name) is not None or config.getini(name) for name in names)
    workers = hasattr(config, "workerinput") or getattr(config.option, "tx", None)
    return bool(workers or config.option.backproof or config.getini("backproof")
                or any(given) or by_name(config))


def pytest_report_collectionfinish(items: list[Any]) -> str | None:
    """After the collection, where it is known whether there is anything to say."""
    names = wanted(items) if "backproof.testing.conformance" in sys.modules else []
    return f"backproof: verifies {', '.join(names)}" if names else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The verdicts, after all else."""
    for line in dict.fromkeys(lines(terminalreporter.stats)):
        terminalreporter.write_line(f"backproof: {line}")
