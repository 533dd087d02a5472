"""Several records on one page that needs nothing else, and runs nothing.

It shows the subjects with their verdicts, and features before subjects. A cell says in words what
the worst outcome was, and how often each; colour only repeats it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..record.coverage import FLOOR, MARKS, Feature, counted, matrix, share
from ..record.features import FACETS
from ..record.reading import Run
from .page import verdict
from .page.document import document, own
from .page.grid import SIGNS
from .page.markup import Markup, join, section, table, tag

STYLE = """
.says { font-weight: 600; color: var(--warn); white-space: nowrap; }
.says.conforms { color: var(--good); }
.says.does_not_conform { color: var(--bad); }
main > h1 { font-size: clamp(1.7rem, 4vw, 2.4rem); line-height: 1.2; margin: 0.75rem 0 2rem; }
.subjects .quiet { display: block; }
.subjects time { white-space: nowrap; }
.subjects tbody th { min-width: 11rem; }
.subjects td:last-child { min-width: 13rem; }
.board td { text-align: left; white-space: normal; vertical-align: top; min-width: 8rem; }
.board td b { display: block; white-space: nowrap; }
.board td > span { color: var(--soft); font-size: 0.92em; display: block; }
.board thead th { text-align: left; vertical-align: bottom; min-width: 8rem; }
.board thead .says { display: block; }
.board td.passed { background: var(--good2); }
.board td:is(.failed, .errored) { background: var(--bad2); }
.board td.no_verdict { background: var(--warn-wash); }
.board td:is(.not_exercised, .not_claimed, .not_available) { background: none; }
.board td:is(.not_exercised, .not_claimed, .not_available) b {
  color: var(--soft); font-weight: 400; }
.scroll + .left { margin-top: 1.5rem; }
.board thead th span { writing-mode: horizontal-tb; transform: none; white-space: normal; }
.board thead th span span { display: inline; }
@media (max-width: 44rem) {
  .board { display: table; }
  .board caption { display: table-caption; }
  .board thead { display: table-header-group; }
  .board tbody { display: table-row-group; }
  .board tr { display: table-row; }
  .board :is(td, th) { display: table-cell; }
  .board :is(td, thead th) { min-width: 4.75rem; }
  .board :is(thead th, thead code, tbody th) { overflow-wrap: anywhere; }
  .board td b, .board .says { white-space: normal; }
  .board tbody th { min-width: 4.5rem; }
  .subjects :is(th, td):is(th, td) { min-width: 0; }
}
@media print { .board { font-size: 8pt; }
  .board td, .board thead th, .subjects td:last-child { min-width: 0; } }
"""
SAID = {**MARKS, "no_verdict": "no verdict", "not_exercised": "not exercised"}
SHOWN = {**SIGNS, "no_verdict": "?", "not_exercised": "·"}
TRIED = SAID.keys() - {"not_claimed", "not_exercised"}
PACKAGES = {"sklearn": "scikit-learn"}
ALWAYS = ("python", "numpy", "backproof")


class Row(NamedTuple):
    """One subject: its record, and where its own page is from here, "" where there is none."""

    run: Run
    page: str = ""


class Cell(NamedTuple):
    """What is said of a feature of one subject.

    It is an outcome, "too_few", "no_verdict" or "not_exercised".
    """

    status: str
    outcomes: Counter[str]


def render(rows: Sequence[Row]) -> str:
    """The whole page."""
    return document("backproof scoreboard", _body(rows), own("page.css") + STYLE)


def _body(rows: Sequence[Row]) -> Iterator[Markup]:
    yield tag("a", "Skip to the scoreboard", href="#main", class_="skip")
    yield tag("header", tag("p", "backproof ", tag("span", "scoreboard"), class_="brand"),
              class_="top")
    yield tag("main", tag("h1", _title(rows)), section("subjects", "Subjects", *_subjects(rows)),
              section("features", "Features", *_features(rows)), id="main", tabindex="-1")
    yield tag("footer", tag("p", "Nothing on this page is loaded from anywhere else."),
              class_="bottom")


# --- the subjects ---------------------------------------------------------------------------------


def _title(rows: Sequence[Row]) -> str:
    conform = sum(row.run.report.verdict == "conforms" for row in rows)
    return f"{conform} of {len(rows)} subject{'s' * (len(rows) != 1)} conform{'s' * (conform == 1)}"


HEADS = ("subject", "verdict", "features passed", "networks", "checks", "date", "versions")


def _subjects(rows: Sequence[Row]) -> Iterator[Markup]:
    """The table; versions that all subjects have alike are told once, below it."""
    versions = [", ".join(_versions(row.run)) for row in rows]
    alike = len(rows) > 1 and len(set(versions)) == 1
    shown = [[*_subject(row), *([] if alike else [own])]
             for row, own in zip(rows, versions, strict=True)]
    heads = HEADS[:-1] if alike else HEADS
    yield table("The verdicts, and what they rest on", heads, shown, "subjects")
    if alike and versions[0]:
        yield tag("p", f"All with {versions[0]}.", class_="left")


def _subject(row: Row) -> list[object]:
    run, report = row.run, row.run.report
    total = sum(map(Counter, report.counts.values()), Counter())
    door = tag("span", run.header.get("door") or "function", class_="quiet")
    name = join([_name(row), " ", door])
    reason = [" ", tag("span", report.reason, class_="quiet")] if report.reason else []
    return [name, join([_verdict(run), *reason]), f"{share(run)} %", f"{report.networks:,}",
            counted(total) or "none", _date(run)]


def _name(row: Row) -> Markup:
    name = tag("code", row.run.report.subject)
    return tag("a", name, href=row.page) if row.page else name


def _verdict(run: Run) -> Markup:
    mark = tag("span", verdict.MARKS[run.report.verdict], " ", aria_hidden="true")
    return tag("span", mark, verdict.word(run), class_=f"says {run.report.verdict}")


def _date(run: Run) -> Markup:
    started = str(run.header.get("started") or "")
    return tag("time", started[:10], datetime=started) if started else tag("span", "no date")


def _versions(run: Run) -> Iterator[str]:
    """Of the subject's own libraries where they are known, else of all that there were."""
    there: Mapping[str, str] = run.report.environment
    known = run.header.get("door") == "ready-made" and isinstance(run.header.get("needs"), list)
    names = [PACKAGES.get(each, each) for each in run.header["needs"]] if known else []
    ran_on = ("platform", "processors")
    wanted = [*names, *ALWAYS] if known else [each for each in there if each not in ran_on]
    yield from (f"{name if name != 'python' else ''} {there[name]}".strip()
                for name in wanted if name in there)


# --- the features ---------------------------------------------------------------------------------


def _features(rows: Sequence[Row]) -> Iterator[Markup]:
    boards = [_board(row.run) for row in rows]
    every = list(dict.fromkeys(key for board in boards for key in board))
    names = [key for key in every if any(_of(board, *key).status in TRIED for board in boards)]
    yield tag("p", "The worst outcome of a feature's checks, and how many there were. \"pass\" "
              f"wants {FLOOR} comparisons that passed and none that did not; in a run without a "
              "verdict nothing has passed.")
    heads = [tag("th", "feature", scope="col"),
             *(tag("th", _name(row), " ", _verdict(row.run), scope="col") for row in rows)]
    groups = [_group(facet, [name for of, name in names if of == facet], boards)
              for facet in _facets(names)]
    whole = tag("table", tag("caption", "Features by row, subjects by column"),
                tag("thead", tag("tr", *heads)), *groups, class_="grid board")
    yield tag("div", whole, class_="scroll", role="region", aria_label="Features by subject",
              tabindex="0")
    left = [name for _, name in every if not _among(name, names)]
    if left:
        yield tag("p", f"Claimed by no subject here: {', '.join(left)}.", class_="left")


def _among(name: str, names: Sequence[tuple[str, str]]) -> bool:
    return any(name in (each, _base(each)) for _, each in names)


def _base(name: str) -> str:
    """"squared_error (mean)" -> "squared_error"."""
    return name.partition(" (")[0]


def _facets(names: Sequence[tuple[str, str]]) -> list[str]:
    there = {facet for facet, _ in names}
    return [*(facet for facet in FACETS if facet in there), *sorted(there - set(FACETS))]


def _board(run: Run) -> dict[tuple[str, str], Cell]:
    """The run's features; the door is a column of the other table."""
    return {(each.facet, each.name): Cell(_status(run, each), each.total) for each in matrix(run)
            if each.facet != "door"}


def _status(run: Run, feature: Feature) -> str:
    """A run that came to no verdict has passed nothing."""
    green = feature.status in ("passed", "too_few")
    judged = run.report.verdict in ("conforms", "does_not_conform")
    return "no_verdict" if green and not judged else feature.status


def _group(facet: str, names: Sequence[str],
           boards: Sequence[dict[tuple[str, str], Cell]]) -> Markup:
    head = tag("tr", tag("th", facet, scope="rowgroup", colspan=len(boards) + 1), class_="facet")
    rows = (tag("tr", tag("th", name, scope="row"),
                *(_cell(_of(board, facet, name)) for board in boards))
            for name in sorted(names))
    return tag("tbody", head, *rows)


def _of(board: dict[tuple[str, str], Cell], facet: str, name: str) -> Cell:
    """The subject's cell; a loss that it does not claim with any reduction is not claimed."""
    unclaimed = (facet, _base(name)) in board and board[facet, _base(name)].status == "not_claimed"
    absent = Cell("not_claimed" if unclaimed else "not_exercised", Counter())
    return board.get((facet, name), absent)


def _cell(cell: Cell) -> Markup:
    sign = tag("span", SHOWN[cell.status], " ", aria_hidden="true", class_="sign")
    mark = tag("b", sign, SAID[cell.status])
    counts = [" ", tag("span", counted(cell.outcomes))] if counted(cell.outcomes) else []
    return tag("td", mark, *counts, class_=cell.status)
