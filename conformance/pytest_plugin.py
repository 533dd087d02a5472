"""The pytest plug-in: the options, and one line for every subject that was verified in this session.

It costs a session that does not use it nothing: it imports the standard library alone, and looks at `backproof.testing`
only where a test file has imported it. What is done for targets is in `pytest_session`. Under xdist the lines travel as
report sections.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from .profiles import PROFILES

SECTION = "Captured backproof call"
OPTIONS: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "report": (str, "DIR", "where the record goes (default: the cache of pytest); of one target DIR itself, of several "
               "subjects a folder of it each"),
    "profile": (str, "NAME", f"how much is asked: {', '.join(PROFILES)}"),
    "examples": (int, "N", "random networks to ask"),
    "seconds": (float, "S", "stop asking a subject after so many seconds"),
    "seed": (int, "S", "the same seed asks the same questions"),
}
TARGETS = ("verify this too, one test for every property: file.py:name, package.module:name or a ready-made subject "
           "(may be given again)")
IN_FILE = "in this file: targets, a line each; with paths on the command line they are left out"


def pytest_addoption(parser: Any) -> None:
    """Every option on the command line, and as a line of the ini-file."""
    group = parser.getgroup("backproof", "backproof: is the backpropagation right? (all but --backproof hold for "
                                         "conformance_tests too, which may say otherwise)")
    group.addoption("--backproof", action="append", default=[], metavar="TARGET", help=TARGETS)
    parser.addini("backproof", f"backproof: {IN_FILE}", type="linelist", default=[])
    for name, (kind, metavar, says) in OPTIONS.items():
        group.addoption(f"--backproof-{name}", type=kind, default=None, metavar=metavar, help=says)
        parser.addini(f"backproof_{name}", f"backproof: {says}", default="")


def pytest_configure(config: Any) -> None:
    """Load what is there for targets and for workers, where there are such."""
    if _asked(config):
        from .pytest_session import session

        session(config)


def _asked(config: Any) -> bool:
    names = [f"backproof_{name}" for name in OPTIONS]
    given = (config.getoption(name) is not None or config.getini(name) for name in names)
    workers = hasattr(config, "workerinput") or getattr(config.option, "tx", None)
    return bool(workers or config.option.backproof or config.getini("backproof") or any(given) or by_name(config))


def by_name(config: Any) -> bool:
    """Whether this package's own tests are asked for: `--pyargs backproof`."""
    return bool(config.getoption("pyargs")) and any(re.match(r"backproof\b", arg) for arg in config.args)


def pytest_report_collectionfinish(config: Any) -> str | None:
    """After the collection, where it is known whether there is anything to say."""
    testing = sys.modules.get("backproof.testing")
    wanted = testing.wanted() if testing else []
    return f"backproof: verifies {', '.join(wanted)}" if wanted else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The verdicts, after all else."""
    for line in dict.fromkeys(lines(terminalreporter.stats)):
        terminalreporter.write_line(f"backproof: {line}")


def lines(stats: dict[str, list[Any]]) -> Iterator[str]:
    """One for every subject that was verified."""
    for reports in stats.values():
        for report in reports:
            yield from (text for title, text in getattr(report, "sections", ()) if title == SECTION)
