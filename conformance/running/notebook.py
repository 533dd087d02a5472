"""How far a run has come, in a notebook: a line that is rewritten, and the first finding below it.

A notebook is known by the kernel of its IPython, which is never imported here: where it is not
there already, nobody reads a notebook.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .progress import First, Progress

if TYPE_CHECKING:
    from ..record.report import Report

EVERY = 0.25  # seconds between two changes of the line


def listener(name: str, quiet: bool | None) -> Progress:
    """Who hears of a run.

    quiet: left out, a notebook where there is one, else nobody; False standard error.
    """
    if quiet is None and in_notebook():
        return Live(name)
    return Progress(name, quiet=quiet is not False)


def in_notebook() -> bool:
    """Whether this is a cell of a notebook: an IPython with a kernel."""
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


class Live(Progress):
    """The output of a cell, rewritten as the run goes on; at its end one line is left."""

    def __init__(self, name: str):
        super().__init__(name, quiet=True)
        self.every = EVERY
        self.line, self.first = "", ""
        self.handle: Any = None

    @property
    def listening(self) -> bool:
        return True

    def __exit__(self, *exception: object) -> None:
        """What was shown stays: the last line."""

    def announce(self, first: First) -> None:
        from ..renderings.card import first_finding

        self.first = first_finding(first.finding, first.case and first.case.to_json(),
                                   first.seconds)
        self._show(f"{self.name}: 1 finding, {first.seconds:.0f} s")

    def ended(self, report: Report) -> None:
        self.first = ""
        self._show(report.line)

    def _show(self, line: str) -> None:
        self.line = line
        self._put()

    def _put(self) -> None:
        from ..renderings.card import live

        shown = sys.modules["IPython.display"]
        html = shown.HTML(live(self.line, self.first))
        with suppress(Exception):  # an output that is gone is no reason to stop a run
            if self.handle is None:
                self.handle = shown.display(html, display_id=True)
            else:
                self.handle.update(html)
