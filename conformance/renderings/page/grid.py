"""The conformance matrix as a heat map: a mark and a count in every cell, which colour repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from ...record.coverage import FLOOR, MARKS, Feature, counted, judges, matrix, status
from ...record.reading import Run
from .markup import Markup, hidden, join, tag

SIGNS = {"passed": "✓", "failed": "✗", "errored": "!", "declined": "◇", "not_claimed": "·",
         "inconclusive": "?", "not_available": "\N{EN DASH}", "too_few": "~"}
SHADES = {"failed": (0.0, 0.05, 0.25, 0.6), "passed": (0, 30, 300)}


def grid(run: Run) -> Markup:
    """Every claimed feature before every judge."""
    rows = [row for row in matrix(run) if row.status != "not_claimed"]
    columns = judges(run)
    facets = list(dict.fromkeys(row.facet for row in rows))
    groups = [_group(facet, list(each), columns)
              for facet, each in groupby(rows, lambda row: row.facet)]
    heads = [tag("th", "feature", scope="col"), tag("th", "all", scope="col"),
             *(tag("th", tag("span", judge), scope="col") for judge in columns)]
    caption = tag("caption",
                  "Features by row, judges by column: the worst outcome of each, and how often")
    whole = tag("table", caption, tag("thead", tag("tr", *heads)), *groups,
                class_="grid", id="grid")
    return join([_says(run, rows), _filters(facets), _legend(rows),
                 tag("div", whole, class_="scroll", role="region",
                     aria_label="Conformance matrix", tabindex="0")])


def _says(run: Run, rows: Sequence[Feature]) -> Markup:
    green = sum(row.status == "passed" for row in rows)
    no_verdict = run.report.verdict in ("incomplete", "not_judged")
    kept = " The run gives no verdict, so none counts." if no_verdict else ""
    return tag("p", f"{green} of {len(rows)} claimed features passed everything, with at least "
               f"{FLOOR} comparisons.{kept} One mistake reddens every feature of "
               "the networks that show it.")


def _group(facet: str, rows: Sequence[Feature], columns: Sequence[str]) -> Markup:
    head = tag("tr", tag("th", facet, scope="rowgroup", colspan=len(columns) + 2), class_="facet")
    return tag("tbody", head, *(_row(row, columns) for row in rows))


def _row(row: Feature, columns: Sequence[str]) -> Markup:
    every = tag("td", SIGNS[row.status], " ", MARKS[row.status],
                class_=f"all {_shade(row.status, row.total)}")
    cells = (_cell(judge, row.cells.get(judge, Counter())) for judge in columns)
    return tag("tr", tag("th", row.name, scope="row"), every, *cells, data_facet=row.facet,
               data_status=row.status, data_name=row.name.lower())


def _cell(judge: str, outcomes: Counter[str]) -> Markup:
    if not outcomes.total():
        return tag("td", hidden("nothing asked"), class_="none")
    worst = status(outcomes)
    said = counted(outcomes)
    shown = tag("span", tag("b", SIGNS[worst]), " ", _count(worst, outcomes), aria_hidden="true")
    return tag("td", shown, hidden(said), class_=_shade(worst, outcomes), title=said,
               data_head=judge)


def _count(worst: str, outcomes: Counter[str]) -> str:
    """How often the worst outcome came, "1.7k" for many; "" where there is nothing to count."""
    if worst in ("not_available", "not_claimed"):
        return ""
    count = outcomes[worst]
    if count < 1000:
        return str(count)
    return f"{count // 100 / 10:.1f}k" if count < 100_000 else f"{count // 1000:,}k"


def _shade(worst: str, outcomes: Counter[str]) -> str:
    """The colour's class, and how deep it is."""
    if worst in ("failed", "errored"):
        part = outcomes[worst] / max(1, outcomes.total())
        return f"{worst} shade{sum(part > edge for edge in SHADES['failed'])}"
    if worst == "passed":
        return f"passed shade{sum(outcomes['passed'] > edge for edge in SHADES['passed'])}"
    return worst


def _legend(rows: Iterable[Feature]) -> Markup:
    used = {status(cell) for row in rows for cell in row.cells.values()}
    used |= {row.status for row in rows}
    marks = [tag("li", tag("b", SIGNS[name], class_=f"chip {name} shade3"), f" {MARKS[name]}")
             for name in SIGNS if name in used]
    return tag("ul", *marks, class_="legend", aria_label="What the marks mean")


def _filters(facets: Iterable[str]) -> Markup:
    """Shown by the script, which makes them work."""
    search = tag("label", "Search ", tag("input", type="search", id="search"))
    return tag("div", *_buttons(facets), search, tag("p", "", id="shown", role="status"),
               id="filters", class_="filters", role="group", aria_label="Filter the matrix",
               hidden=True)


def _buttons(facets: Iterable[str]) -> Iterator[Markup]:
    for facet, name in {"": "All", **{each: each for each in facets}}.items():
        yield tag("button", name, type="button", aria_pressed="false" if facet else "true",
                  data_facet=facet)
    yield tag("button", "Failing only", type="button", aria_pressed="false",
              data_toggle="failing")
