"""Markdown for the job summary of CI, below its 1 MiB: verdict, findings worst first, matrix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

from ..record import harmless
from ..record.coverage import MARKS, WORST, Feature, counted, judges, matrix
from ..record.reading import Run
from ..record.report import Finding
from . import replay_line

MOST = 1_000_000
ORDER = {outcome: i for i, outcome in enumerate(WORST)}
EMPHASIS = {"failed": "**FAIL**", "errored": "**ERROR**"}


def render(run: Run) -> str:
    """The whole page; what would be beyond the limit is left out, and that is said."""
    return cut(sections(run))


def cut(parts: Iterable[str]) -> str:
    """The parts, as long as they fit in MOST bytes; the rest is counted."""
    kept, size, left = [], 0, 0
    for part in parts:
        size += len(part.encode()) + 1
        if size > MOST:
            left += 1
        else:
            kept.append(part)
    cut = f"\n_Cut here: {left} more parts do not fit into a job summary._\n" if left else "\n"
    return "\n".join(kept) + cut


def sections(run: Run) -> Iterator[str]:
    report = run.report
    yield f"## {text(report.headline)}\n"
    if report.reason:
        yield f"> {text(report.reason)}\n"
    if not run.complete:
        yield ("> **Incomplete**: findings are told at the end of a run, and this one did not end. "
               "Nothing is a pass.\n")
    worst_first = sorted(report.findings, key=lambda f: ORDER.get(f.outcome, len(ORDER)))
    for i, finding in enumerate(worst_first, 1):
        yield "\n".join(one(i, finding, run))
    yield (f"{report.networks} {report.of}, {report.total('passed')} checks passed, "
           f"{report.total('failed') + report.total('errored')} failed; seed {report.seed}\n")
    yield "\n".join(table(run))
    yield from sharpness(run)
    lines = run.report.figures.get("lines", ())
    if lines:
        yield "\n".join(f"- {text(str(line))}" for line in lines) + "\n"
    yield from untested(run)


def one(number: int, finding: Finding, run: Run) -> Iterator[str]:
    """A finding: the headline, the wrong and right line, the explanation, how to see it again."""
    yield f"### {number}. {text(finding.headline)}\n"
    if finding.lesson:
        lines = " | ".join(code(finding.lesson[side]) for side in ("wrong", "right"))
        yield f"| wrong | right |\n| --- | --- |\n| {lines} |\n"
    told = finding.lines if finding.lesson or finding.faults[1:] else finding.lines[1:]
    if told:  # the first line is the headline where no mistake is named
        yield fenced("\n".join(told))
    if finding.also:
        yield f"Also broken: {text(', '.join(finding.also))}\n"
    yield fenced(replay_line(run, finding), "sh")


def table(run: Run) -> Iterator[str]:
    """The conformance matrix: claimed features, a column for each judge."""
    columns = judges(run)
    yield f"| feature | | {' | '.join(map(text, columns))} |"
    yield f"| --- | --- |{' --- |' * len(columns)}"
    for feature in matrix(run):
        if feature.status != "not_claimed":
            yield row(feature, columns)
    yield ""


def row(feature: Feature, columns: list[str]) -> str:
    cells = " | ".join(counted(feature.cells[c]) if c in feature.cells else "" for c in columns)
    mark = EMPHASIS.get(feature.status, MARKS[feature.status])
    return f"| {text(feature.facet)} {text(feature.name)} | {mark} | {cells} |"


def sharpness(run: Run) -> Iterator[str]:
    if run.report.resolution:
        yield ("| | digits of agreement | would have seen | sharp comparisons |\n"
               "| --- | ---: | ---: | ---: |")
    for dtype, kinds in run.report.resolution.items():
        for kind, figures in kinds.items():
            yield (f"| {text(dtype)} {text(kind)} | {figures['digits']:.1f} "
                   f"| {figures['smallest_error']:.0e} | {int(figures['sharp'])} |")


def untested(run: Run) -> Iterator[str]:
    """What nothing was said about: not claimed, not available, and the notes."""
    absent = [name for name, by in run.report.counts.items() if by.get("not_available")]
    yield ""
    yield from (f"- not claimed, {text(facet)}: {text(', '.join(names))}"
                for facet, names in run.unclaimed.items())
    yield from (f"- not available: {text(name)}" for name in absent)
    yield from (line for note in run.report.notes for line in noted(note))


def noted(note: str) -> Iterator[str]:
    """A note; what it has below its first line is to be pasted, and stands as code."""
    first, *rest = note.split("\n")
    yield f"- note: {text(first)}"
    if rest:
        told = (harmless.line(line).replace("`", " ") for line in rest)
        yield from ("  ```python", *(f"  {line}" for line in told), "  ```")


# --- what comes from the subject is text, never Markdown or HTML ----------------------------------


def text(value: str) -> str:
    """One line in which nothing is markup: no tags, no links, no table cells, no mentions."""
    escaped = re.sub(r"([\\`*_\[\]#|~@!])", r"\\\1", untagged(value))
    return _unlinked(escaped.replace("\\@", "&#64;"))


def _unlinked(escaped: str) -> str:
    """Without what becomes a link by itself, in inline code as well."""
    return escaped.replace("://", "&#58;//").replace("www.", "www&#46;")


def code(value: str) -> str:
    """Inline code, in a table too."""
    inside = re.sub(r"([\\`*_\[\]|~@])", lambda match: f"&#{ord(match[0])};", untagged(value))
    return f"<code>{_unlinked(inside)}</code>"


def untagged(value: str) -> str:
    """One line, with its tags shown, and all that could not be seen."""
    return escape(harmless.line(" ".join(value.split())), quote=False)


def fenced(value: str, language: str = "text") -> str:
    """A code block whose fence is longer than any in the text, whose lines are harmless."""
    value = harmless.lines(value)
    longest = max((len(run) for run in re.findall(r"`+", value)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{value}\n{fence}\n"
