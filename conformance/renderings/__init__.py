"""What one record can be shown as: a row is a file's name, the module that renders it, a sentence.

Each module has `render(run) -> str`. Importing this imports none of them.
"""

from __future__ import annotations

import shlex
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from ..record.harmless import may_be_typed

if TYPE_CHECKING:
    from ..record.reading import Run
    from ..record.report import Finding


class Rendering(NamedTuple):
    """`file`: what it is called in the record's folder; `module`.render(run) is its text."""

    file: str
    module: str
    says: str


RENDERINGS: dict[str, Rendering] = {
    "text": Rendering("report.txt", "text", "what a terminal shows"),
    "markdown": Rendering(
        "report.md", "markdown", "for the job summary of CI: worst first, below 1 MiB"),
    "html": Rendering(
        "report.html", "html", "one page that needs nothing else, for a browser or a printer"),
    "junit": Rendering(
        "junit.xml", "junit",
        "JUnit XML: a test case for every property, the findings in its failures"),
    "json": Rendering("report.json", "summary", "the summary, as `verify --report` writes it"),
    "badge": Rendering(
        "badge.json", "badge",
        "a shields.io endpoint: the verdict and how many checks there were"),
    "annotations": Rendering(
        "annotations.txt", "annotations", "GitHub annotations at the subject's file and line"),
}


def replay_line(run: Run, finding: Finding) -> str:
    """What to type, where the run was started, to ask the finding's case again.

    DIR and TARGET stand for what is not known: a record that was made elsewhere, a subject that had
    no text.
    """
    target = shlex.quote(str(run.header.get("target") or "TARGET"))
    folder = shlex.quote(run.folder) if may_be_typed(run.folder) and run.folder else "DIR"
    return f"python -m backproof replay {folder}/cases/{finding.case or 'ID'}.json {target}"


def render(name: str, run: Run) -> str:
    """The text of one rendering, by its name in RENDERINGS."""
    text: str = import_module(f".{RENDERINGS[name].module}", __name__).render(run)
    return text
