"""The first screen of the page as a card, for the output of a cell in a notebook.

It needs no script. Its style is inside it and reaches nothing else; it is light or dark as the
notebook is (Jupyter, VS Code and Colab each say it in their own way), else as the system is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..record.reading import Run
from ..record.report import Finding
from ..record.shown import at_worst, shown
from .page.document import own
from .page.drawing import drawing
from .page.findings import title_of
from .page.markup import Markup, code, commas, join, tag
from .page.source import own_line
from .page.verdict import MARKS, word

SCOPE = ".backproof"
LIGHT = ('[data-jp-theme-light="true"]', ".vscode-light", 'html[theme="light"]')
DARK = ('[data-jp-theme-light="false"]', ".vscode-dark", ".vscode-high-contrast",
        'html[theme="dark"]')
PALETTE = re.compile(r":root \{(.*?)\}", re.S)
FACETS = {"layer": "layers", "activation": "activations", "loss": "losses", "dtype": "dtypes"}
MOST_NAMES = 6


def render(run: Run) -> str:
    """The verdict, the first finding with its network, and what was checked."""
    report = run.report
    findings = list(_first(run)) or list(_checked(run))
    reason = [tag("p", report.reason)] if report.reason else []
    return framed(tag("div", _top(run), tag("p", _figures(run), class_="quiet"), *reason,
                      *findings, *_more(run), class_=report.verdict))


def first_finding(finding: Finding, example: Any, seconds: float) -> Markup:
    """The first finding of a run that goes on."""
    after = tag("p", f"The first finding, after {seconds:.1f} s. The run goes on.", class_="quiet")
    return tag("div", *finding_of(finding, example), after, class_="does_not_conform")


def live(line: str, first: str) -> str:
    """How far a run has come, in a line, and what there is below it."""
    return framed(join([tag("p", line, class_="quiet", role="status"), Markup(first)]))


def finding_of(finding: Finding, example: Any, own: str = "") -> Iterator[Markup]:
    """One finding: what it is, its network, the wrong and right line, one's own, the numbers."""
    title, _ = title_of(finding)
    yield tag("p", title, class_="said")
    if finding.faults:
        yield tag("p", "Consistent with ", code(finding.faults[0]), class_="quiet")
    yield drawing(finding, example)
    if finding.lesson:
        yield tag("p", "✗ ", finding.lesson["wrong"], class_="side wrong")
        yield tag("p", "✓ ", finding.lesson["right"], class_="side right")
    yield Markup(own)
    said = [*shown(finding.networks, finding.when, finding.of), at_worst(finding)]
    yield from (tag("p", line) for line in said)


# --- the parts ------------------------------------------------------------------------------------


def framed(inside: Markup) -> str:
    """A card with its style."""
    return tag("div", tag("style", Markup(style())), inside, class_="backproof")


def style() -> str:
    """The palettes of the page, its drawing, and the card's own rules: each below SCOPE."""
    page = own("page.css")
    light, dark = PALETTE.findall(page)
    drawn = [f"{SCOPE} {line}" for line in page.splitlines()
             if line.startswith((".drawing", "svg text"))]
    return "\n".join([
        f"{SCOPE} {{{light}}}",
        f"@media (prefers-color-scheme: dark) {{ {SCOPE} {{{dark}}} }}",
        *(f"{theme} {SCOPE} {{{light}}}" for theme in LIGHT),
        *(f"{theme} {SCOPE} {{{dark}}}" for theme in DARK),
        own("card.css"), *drawn])


def _top(run: Run) -> Markup:
    verdict = run.report.verdict
    return tag("p", tag("span", f"{MARKS[verdict]} {word(run).capitalize()}"), " ",
               code(run.report.subject), class_="top")


def _figures(run: Run) -> str:
    report = run.report
    failed = report.total("failed") + report.total("errored")
    return (f"{report.networks:,} {report.of}, {report.total('passed'):,} checks passed, "
            f"{failed:,} failed; {report.seconds:.1f} s, seed {report.seed}")


def _first(run: Run) -> Iterator[Markup]:
    for finding in run.report.findings[:1]:
        yield from finding_of(finding, run.examples.get(finding.case), own_line(run, finding))


def _checked(run: Run) -> Iterator[Markup]:
    """What there was on the networks, and how many digits agree."""
    for facet, called in FACETS.items():
        names = [name for of, name in run.cells if of == facet]
        if names:
            more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
            yield tag("p", f"Checked {called}: ", commas(map(code, names[:MOST_NAMES])), more)
    for dtype, kinds in run.report.resolution.items():
        each = (f"{kind} {figures['digits']:.1f}" for kind, figures in kinds.items())
        yield tag("p", f"Digits that agree in {dtype}: {', '.join(each)}")


def _more(run: Run) -> Iterator[Markup]:
    left = len(run.report.findings) - 1
    others = f"{left} more finding{'s' * (left != 1)}. " if left > 0 else ""
    yield tag("p", f"{others}All of it: ", code('report.html("report.html")'), " or ",
              code("print(report)"), class_="quiet")
