"""The findings: what is wrong, on which network, by how much, and the line that makes it right."""

from __future__ import annotations

from collections.abc import Iterator

from ...record.reading import Run
from ...record.report import Finding
from ...record.shown import at_worst
from .. import replay_line
from .drawing import drawing
from .markup import Markup, code, commas, join, number, table, tag
from .source import own_line
from .sources import sources

IN_FULL = 40
NONE = {"conforms": "No mistake was found.", "does_not_conform": "The record has none.",
        "not_judged": "None: nothing was judged.",
        "incomplete": "None so far, which is no verdict.",
        "cut off": "The record has none: findings are written when a run ends."}


def findings(run: Run) -> Markup:
    """The first in full, the others by their first line."""
    every = run.report.findings
    full = [_finding(run, number, each) for number, each in enumerate(every[:IN_FULL], 1)]
    if not every:
        return tag("p", NONE["cut off" if not run.complete else run.report.verdict])
    rest = [(str(i), each.headline, code(each.case))
            for i, each in enumerate(every[IN_FULL:], IN_FULL + 1)]
    more = [table("The other findings", ("", "finding", "case"), rest)] if rest else []
    return join([*full, *more])


def _finding(run: Run, place: int, finding: Finding) -> Markup:
    title = f"finding-{place}"
    failed = finding.outcome == "failed"
    kind = "" if failed else f"{finding.outcome.replace('_', ' ').capitalize()}: "
    first, lines = title_of(finding)
    head = tag("h3", tag("span", f"{place}", class_="place"), " ",
               tag("span", kind, first, class_="said"), id=title)
    items = [tag("li", line) for line in lines]
    body = [*_likeliest(finding), *_lines(finding), own_line(run, finding),
            drawing(finding, run.examples.get(finding.case)), _numbers(finding),
            tag("ul", *items, class_="explained") if lines else "", _more(run, finding)]
    return tag("article", head, *body, class_="finding", aria_labelledby=title)


def title_of(finding: Finding) -> tuple[str, list[str]]:
    """The title, and the lines that say more."""
    lines = finding.lines[:60] if finding.explanation else []
    lines = [line for line in lines if line != at_worst(finding)]  # they have a table
    if finding.lesson:
        symptom = finding.lesson["symptom"]
        return symptom[:1].upper() + symptom[1:], lines
    return (lines[0][:1].upper() + lines[0][1:], lines[1:]) if lines else (finding.property, [])


def _likeliest(finding: Finding) -> Iterator[Markup]:
    if finding.faults:
        others = [join([", also with ", code(name)]) for name in finding.faults[1:4]]
        yield tag("p", "Consistent with ", code(finding.faults[0]), *others, class_="fault")


def _lines(finding: Finding) -> Iterator[Markup]:
    """The wrong line and the right line, side by side."""
    if finding.lesson:
        sides = {"wrong": "✗ Wrong", "right": "✓ Right"}
        figures = (tag("figure", tag("figcaption", name), tag("pre", code(finding.lesson[side])),
                       class_=side) for side, name in sides.items())
        yield tag("div", *figures, class_="lines")
        yield tag("p", "Seen in ", sources(finding.lesson["seen"]), class_="quiet")


def _numbers(finding: Finding) -> Markup:
    index = f"[{', '.join(map(str, finding.where))}]" if finding.where else ""
    at = f"{finding.parameter}{index}"
    row = [number(value, n) for value, n in ((finding.got, 9), (finding.wanted, 9),
                                             (finding.error, 3), (finding.tolerance, 2))]
    return table("The numbers at the worst entry", ("where", "got", "wanted", "error", "tolerance"),
                 [[code(at or "the answer"), *row]], "numbers")


def _more(run: Run, finding: Finding) -> Markup:
    rows = [("Broken property", code(finding.property))]
    if finding.also:
        rows.append(("Also broken", commas(map(code, finding.also))))
    rows.append(("Ask it again", _replay(run, finding)))
    pairs = (tag("div", tag("dt", name), tag("dd", value)) for name, value in rows)
    return tag("dl", *pairs, class_="more")


def _replay(run: Run, finding: Finding) -> Markup:
    """The command, where the case is in a file."""
    if not run.cases:
        return join([code('verify(..., report="out")'), " keeps the case in a file"])
    if not finding.case:
        return tag("span", "this finding has no case file")
    return tag("pre", code(replay_line(run, finding)))
