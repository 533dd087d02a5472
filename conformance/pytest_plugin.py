"""The pytest plug-in: one line for every subject that `conformance_tests` verified in this session.

It costs a session that does not use it nothing: it imports the standard library alone, and looks at `backproof.testing`
only where a test file has imported it. Under xdist the lines travel as report sections.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

SECTION = "Captured backproof call"


def pytest_report_collectionfinish(config: Any) -> str | None:
    """After the collection, where it is known whether there is anything to say."""
    testing = sys.modules.get("backproof.testing")
    wanted = testing.wanted() if testing else []
    return f"backproof: verifies {', '.join(wanted)}" if wanted else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The verdicts, after all else."""
    for line in dict.fromkeys(_lines(terminalreporter.stats)):
        terminalreporter.write_line(f"backproof: {line}")


def _lines(stats: dict[str, list[Any]]) -> Iterator[str]:
    for reports in stats.values():
        for report in reports:
            yield from (text for title, text in getattr(report, "sections", ()) if title == SECTION)
