"""What the run did not look at, and what it ran on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ...record.coverage import FLOOR, matrix
from ...record.reading import Run
from .markup import Markup, code, commas, html, join, table, tag

SKIPPED = {"not_available": "Oracles that were not there",
           "inconclusive": "Inconclusive: no witness could say who is right",
           "declined": "Questions the subject declined", "not_claimed": "Checks outside the claims"}
DEEP = "nested too deeply to show"


def untested(run: Run) -> Markup:
    """Never a pass: what was not claimed, not there, not decided, or tried too seldom."""
    parts = list(_untested(run))
    if not parts:
        return tag("p", "Nothing was left out: all that there is was claimed, and every check was "
                        "made and decided.")
    pairs = (tag("div", tag("dt", name), tag("dd", what)) for name, what in parts)
    return tag("dl", *pairs, class_="more")


def _untested(run: Run) -> Iterator[tuple[str, Markup]]:
    if not run.complete:
        yield "The rest of the run", html(run.report.reason)
    for outcome, says in SKIPPED.items():
        names = [join([code(name), f" ({by[outcome]:,})" if outcome != "not_available" else ""])
                 for name, by in run.report.counts.items() if by.get(outcome)]
        if names:
            yield says, commas(names)
    few = [code(row.name) for row in matrix(run) if row.status == "too_few"]
    if few:
        yield f"Features with fewer than {FLOOR} comparisons", commas(few)
    if run.unclaimed:
        yield _claims_not(run)
    if run.report.notes:
        yield "Notes", tag("ul", *(tag("li", note) for note in run.report.notes))


def _claims_not(run: Run) -> tuple[str, Markup]:
    """How many features are not claimed, and, unfolded, which."""
    count = sum(map(len, run.unclaimed.values()))
    each = (tag("p", f"{facet}: ", commas(map(code, names)))
            for facet, names in run.unclaimed.items())
    return "Not claimed", tag("details", tag("summary", f"{count} features"), *each)


# --- the run --------------------------------------------------------------------------------------


def provenance(run: Run) -> Markup:
    """What the same run needs: the subject, the plan, the versions, the claims."""
    header = run.header
    about = {key: header[key] for key in ("door", "source", "started") if header.get(key)}
    claims = dict(header.get("claims", {}))
    heads = claims.pop("heads", None)
    about = {"subject": run.report.subject, **about, "seed": run.report.seed}
    parts = [_pairs("Subject and plan", {**about, **header.get("plan", {})}),
             _pairs("Environment", header["environment"])]
    if claims:
        parts.append(_pairs("Claims", claims))
    return join([*parts, *_heads(heads)])


def _pairs(caption: str, pairs: Mapping[str, Any]) -> Markup:
    rows = [(name, _value(value)) for name, value in pairs.items()]
    return table(caption, ("name", "value"), rows, "pairs")


def _heads(heads: Any) -> Iterator[Markup]:
    """The claimed outputs and losses: a row each."""
    if not isinstance(heads, list) or not heads:
        return
    rows = [each for each in heads if isinstance(each, dict)]
    names = list(dict.fromkeys(name for each in rows for name in each))[:12]
    if names:
        yield table("Claimed outputs and losses", names,
                    ([_value(each.get(name)) for name in names] for each in rows))


def _value(value: Any) -> Markup:
    """A text as it is, names with commas, anything else as JSON."""
    if isinstance(value, str):
        return html(value)
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return html(", ".join(value))
    try:
        return code(json.dumps(value))
    except RecursionError:
        return html(DEEP)
