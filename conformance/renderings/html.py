"""One page that needs nothing else: no network, dark and light, for a screen or a printer."""

from __future__ import annotations

from collections.abc import Iterator

from ..record.reading import Run
from .page import evidence, findings, grid, provenance, verdict
from .page.document import document, own
from .page.markup import Markup, join, section, tag

PARTS = {"findings": ("Findings", findings.findings), "matrix": ("Conformance matrix", grid.grid),
         "error": ("Error against tolerance", evidence.errors),
         "digits": ("Digits reached", evidence.digits),
         "figures": ("Figures", evidence.figures),
         "properties": ("Checks by property", evidence.properties),
         "untested": ("What was not tested", provenance.untested),
         "run": ("The run", provenance.provenance)}


def render(run: Run) -> str:
    """The whole page."""
    title = f"{verdict.word(run)}: {run.report.subject}"
    return document(title, _body(run), own("page.css"), own("page.js"))


def _body(run: Run) -> Iterator[Markup]:
    parts = {name: (title, inside)
             for name, (title, make) in PARTS.items() if (inside := make(run))}
    links = [tag("li", tag("a", title, href=f"#{name}")) for name, (title, _) in parts.items()]
    yield tag("a", "Skip to the verdict", href="#main", class_="skip")
    yield tag("header", tag("p", "backproof ", tag("span", "report"), class_="brand"),
              tag("nav", tag("ul", *links), aria_label="Sections"), class_="top")
    sections = (section(name, title, inside) for name, (title, inside) in parts.items())
    yield tag("main", verdict.verdict(run), *sections, id="main", tabindex="-1")
    yield tag("footer", tag("p", _last(run)), class_="bottom")


def _last(run: Run) -> Markup:
    whole = "whole" if run.complete else "incomplete"
    return join([f"Made from a record of {run.results:,} results, which is {whole}. "
                 "Nothing on this page is loaded from anywhere else."])
