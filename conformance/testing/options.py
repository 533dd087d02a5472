"""The options of the pytest plug-in, and what it reads off a session; imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ..running.profiles import PROFILES

SECTION = "Captured backproof call"
SUBJECT = "backproof_subject"  # the attribute of a test function that holds its subject's name
OPTIONS: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "report": (str, "DIR", "where the record goes (default: the cache of pytest); of one target "
               "DIR itself, of several subjects a folder of it each"),
    "profile": (str, "NAME", f"how much is asked: {', '.join(PROFILES)}"),
    "examples": (int, "N", "random networks to ask"),
    "seconds": (float, "S", "stop asking a subject after so many seconds"),
    "seed": (int, "S", "the same seed asks the same questions"),
    "known_failing": (str, "FILE", "features that must fail, a path a line (docs/ci.md)"),
    "known_flaky": (str, "FILE", "features that may fail: they decide nothing"),
}
PATHS = ("report", "known_failing", "known_flaky")  # from the folder of whoever names them
TARGETS = ("verify this too, one test for every property: file.py:name, package.module:name or a "
           "ready-made subject (may be given again)")
IN_FILE = "in this file: targets, a line each; with paths on the command line they are left out"


def by_name(config: Any) -> bool:
    """Whether this package's own tests are asked for: `--pyargs backproof`."""
    named = any(re.match(r"backproof\b", arg) for arg in config.args)
    return bool(config.getoption("pyargs")) and named


def wanted(items: list[Any]) -> list[str]:
    """The subjects of the test functions among these items, each once."""
    names = (getattr(getattr(item, "function", None), SUBJECT, None) for item in items)
    return list(dict.fromkeys(name for name in names if name))


def lines(stats: dict[str, list[Any]]) -> Iterator[str]:
    """One for every subject that was verified."""
    for reports in stats.values():
        for report in reports:
            yield from (text for title, text in getattr(report, "sections", ()) if title == SECTION)
