"""How sharp the run was: error against tolerance, digits reached, the counts of every property."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from ...record.coverage import judge_of
from ...record.reading import Run
from ...record.report import OUTCOMES
from .grid import SIGNS
from .markup import Markup, code, hidden, html, join, number, real, table, tag
from .scatter import Point, scatter, thinned, within

DIGITS = {"float64": 16.0, "float32": 7.2}
BAR = 160


# --- error against tolerance ----------------------------------------------------------------------


def errors(run: Run) -> Markup:
    """The scatter, its legend, and the same in a table."""
    if not run.points:
        return tag("p", "The record has no answer that was compared entry by entry.")
    shown = thinned(run.points)
    groups: dict[str, list[Point]] = defaultdict(list)
    for point in run.points:
        groups[point[1]].append(point)
    rows = [_row(dtype, points) for dtype, points in groups.items()]
    drawn, every = len(shown), len(run.points)
    few = f" {drawn:,} of {every:,} are drawn." if drawn < every else ""
    says = ("The worst entry of every array, in the first answer on each network. Below the line "
            f"it agrees; above it is further from the truth than rounding can explain.{few}")
    outside = sum(not within(point) for point in run.points)
    described = (f"{every} comparisons, {outside} of them above the line where the error is "
                 "the tolerance.")
    heads = ("dtype", "arrays", "error 0", "within", "outside", "largest error / tolerance")
    drawing = scatter(shown, "Error against tolerance", described)
    return join([tag("p", says), tag("figure", drawing, _key(shown)),
                 table("The same in numbers", heads, rows, "numeric")])


def _row(dtype: str, points: list[Point]) -> list[object]:
    zero, inside = sum(point[2] == 0 for point in points), sum(map(within, points))
    worst = max((point[2] / point[3] for point in points if point[3] > 0), default=0.0)
    return [code(dtype), f"{len(points):,}", f"{zero:,}", f"{inside:,}",
            f"{len(points) - inside:,}", number(worst, 2)]


def _key(points: list[Point]) -> Markup:
    there = {"dots": any(within(p) and p[1] == "float64" for p in points),
             "squares": any(within(p) and p[1] != "float64" for p in points),
             "crosses": not all(map(within, points))}
    words = {"dots": "● float64, within", "squares": "■ float32, within", "crosses": "✗ outside"}
    marks = (tag("li", words[name], class_=name) for name, yes in there.items() if yes)
    return tag("ul", *marks, class_="legend", aria_label="What the marks mean")


# --- digits ---------------------------------------------------------------------------------------


def digits(run: Run) -> Markup | None:
    """By dtype and kind of parameter, the digits of the worst answer, and what it would see."""
    rows = list(_digits(run.report.resolution))
    if not rows:
        return None
    heads = ("parameters", "dtype", "agrees to", "would have seen an error of", "sharp comparisons")
    says = ("How many decimal digits the worst gradient agrees to, and the smallest relative "
            "error that half of the comparisons would have seen.")
    return join([tag("p", says), table("Agreement by kind of parameter", heads, rows, "numeric")])


def _digits(resolution: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Iterator[list[object]]:
    for dtype, kinds in resolution.items():
        for kind, figures in kinds.items():
            reached = real(figures["digits"])
            bar = _bar(reached / DIGITS.get(dtype, 16.0))
            sharp, of = real(figures["sharp"]), real(figures["comparisons"])
            yield [code(kind), code(dtype), join([bar, f" {reached:.1f} digits"]),
                   number(figures["smallest_error"], 1), f"{sharp:,.0f} of {of:,.0f}"]


def _bar(part: float) -> Markup:
    """A length that the words beside it say."""
    width = BAR * min(1.0, max(0.0, part)) if part == part else 0.0
    kind = "low" if part < 0.5 else "high"
    return tag("svg", tag("rect", width=BAR, height=10, rx=5, class_="rail"),
               tag("rect", width=f"{width:.1f}", height=10, rx=5, class_=kind),
               viewBox=f"0 0 {BAR} 10", width=BAR, height=10, class_="bar", aria_hidden="true")


# --- figures of a program -------------------------------------------------------------------------


def figures(run: Run) -> Markup | None:
    """What people compare gradients by, the claims that are met, and whether it could have failed.
    """
    lines = run.report.figures.get("lines", ())
    return tag("ul", *(tag("li", str(line)) for line in lines)) if lines else None


# --- properties -----------------------------------------------------------------------------------


def properties(run: Run) -> Markup:
    """Every property with the counts of its outcomes."""
    counts = run.report.counts
    if not counts:
        return tag("p", "No check was made.")
    used = [outcome for outcome in OUTCOMES if run.report.total(outcome)]
    rows = [_property(name, by, used) for name, by in counts.items()]
    heads = ["property", "what holds", "judge", *(outcome.replace("_", " ") for outcome in used)]
    return table("How often each property was asked, by outcome", heads, rows, "numeric counts")


def _property(name: str, by: Mapping[str, int], used: list[str]) -> list[object]:
    counts = (_count(outcome, by.get(outcome, 0)) for outcome in used)
    return [code(name), _says(name), judge_of(name), *counts]


def _says(name: str) -> str:
    from ...properties.catalogue import check_of

    found = check_of(name)
    return found.says if found is not None else ""


def _count(outcome: str, count: int) -> Markup:
    if not count:
        return hidden("0")
    bad = outcome in ("failed", "errored")
    return tag("span", f"{SIGNS[outcome]} {count:,}", class_="bad") if bad else html(f"{count:,}")
