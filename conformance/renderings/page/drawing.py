"""The reduced network as a picture: units as circles, weights as lines between them, the loss.

What is wrong is red, dashed, and says so in words; the description says all that the picture shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ...record.report import Finding
from ...reference import infer, parse
from ...reference.checks import DescriptionError, visible
from ...reference.network import LayerSpec, LossSpec, Network
from .markup import Markup, tag

CIRCLES = 6          # units drawn in one layer
COLUMNS = 24         # layers drawn
RADIUS, STEP, LETTER = 11, 34, 6.9
WORDS = 60           # letters of a line
WIDE = 640           # above, a narrow screen scrolls the picture, which it would make too small
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass
class Column:
    """One step of the network: a title, units as circles (none: a box), lines of text, arrays."""

    title: str
    units: int = 0
    lines: list[str] = field(default_factory=list)
    arrays: dict[str, tuple[int, ...]] = field(default_factory=dict)
    x: float = 0.0

    @property
    def weight(self) -> str | None:
        """What the lines that reach the circles are."""
        return next((name for name in self.arrays if self.units and name.endswith(".weight")), None)


def drawing(finding: Finding, example: Any) -> Markup:
    """A figure with the network of the finding's case, or a sentence on why there is none."""
    if example is None:
        says = "The record has no case for this finding: there is no network to draw."
        return tag("p", says, class_="quiet")
    try:
        case = parse.case(example)
        columns = _columns(case.network)
    except (DescriptionError, RecursionError) as error:
        return tag("p", f"The network cannot be drawn: {error}", class_="quiet")
    wrong = wrong_in(finding, {name for column in columns for name in column.arrays} | {"inputs"})
    says = f"The smallest network that shows it; batch {case.batch}, {case.dtype}"
    picture = _picture(_few(columns), wrong, f"drawn-{finding.case}")
    return tag("figure", tag("figcaption", says), picture, class_="network")


def wrong_in(finding: Finding, known: set[str]) -> set[str]:
    """The arrays whose gradient the finding calls wrong."""
    return {finding.parameter, *finding.wrong} & known


# --- what there is to draw ------------------------------------------------------------------------


def _columns(network: Network) -> list[Column]:
    arrays = infer(network).parameters
    columns = [_inputs(network)]
    for i, spec in enumerate(network.layers):
        own = {name: shape for name, shape in arrays.items() if name.partition(".")[0] == str(i)}
        if spec.function is not None and columns[-1].units and i:
            columns[-1].lines.append(spec.function)
        else:
            columns.append(_layer(i, spec, own))
    return [*columns, _loss(network.loss)]


def _loss(loss: LossSpec) -> Column:
    scale = [] if loss.scale == 1 else [f"{TIMES} {loss.scale:g}"]
    return Column("loss", lines=[loss.kind, loss.reduction, *scale, *loss.beside])


def _inputs(network: Network) -> Column:
    shape = network.input_shape
    what = "number" if network.real else f"index below {network.input_kind['index']}"
    several = "s" * (shape != (1,) and what == "number")
    return Column("inputs", shape[-1] if shape else 1, [f"{_by(shape)} {what}{several}"])


def _layer(i: int, spec: LayerSpec, arrays: dict[str, tuple[int, ...]]) -> Column:
    turned = ", transposed" if spec.transpose else ""
    shared = [f"shares {spec.share}{turned}"] if spec.share else []
    if spec.units is not None:
        units = f"{spec.units} unit{'s' * (spec.units != 1)}"
        return Column(f"{i}: {spec.kind}", spec.units, [units, *shared], arrays)
    options = {name: value for name, value in spec.options.items() if name != "branches"}
    lines = [f"{name}: {value}" for name, value in options.items()]
    return Column(f"{i}: {spec.kind}", 0, [*lines, *_inside(spec), *shared], arrays)


def _inside(spec: LayerSpec, deep: str = "") -> Iterator[str]:
    """The branches, a line each; below it those of a layer that has branches of its own."""
    for branch in spec.branches:
        yield deep + (" → ".join(map(_named, branch)) or "as it is")
        for each in branch:
            yield from _inside(each, f"{deep}↳ ")


def _named(spec: LayerSpec) -> str:
    if spec.branches:
        return f"{spec.kind} ({spec.options.get('combine', len(spec.branches))})"
    units = "" if spec.units is None else f" {spec.units}"
    return f"{spec.function or spec.kind}{units}"


def _few(columns: list[Column]) -> list[Column]:
    """The first and the last columns, and how many there are between."""
    if len(columns) <= COLUMNS:
        return columns
    half = COLUMNS // 2
    between = columns[half:-half]
    arrays = {name: shape for column in between for name, shape in column.arrays.items()}
    shown = dict(list(arrays.items())[:CIRCLES])
    return [*columns[:half], Column(f"{len(between)} more layers", 0, ["…"], shown),
            *columns[-half:]]


def _by(shape: Sequence[int]) -> str:
    return _short(f" {TIMES} ".join(map(str, shape)))


def _short(text: str, most: int = 30) -> str:
    return visible(text, most)


# --- where it goes --------------------------------------------------------------------------------


def _picture(columns: list[Column], wrong: set[str], name: str) -> Markup:
    high = max(1, *(max(min(column.units, CIRCLES), _rows(column)) for column in columns))
    middle = 44 + (high - 1) * STEP / 2 + RADIUS
    width = _place(columns, wrong)
    words = 18 * max(len(_under(column)) for column in columns)
    height = middle + (high - 1) * STEP / 2 + RADIUS + 24 + words
    inside = [*_between(columns, middle, wrong),
              *(_drawn(column, middle, high, wrong) for column in columns)]
    drawn = tag("svg", tag("title", "The network"), tag("desc", _description(columns, wrong)),
                *inside, role="img",
                viewBox=f"0 0 {width:.0f} {height:.0f}",
                width=f"{width:.0f}", height=f"{height:.0f}",
                class_="drawing wide" if width > WIDE else "drawing")
    return tag("div", drawn, class_="scroll", tabindex="0", role="region",
               aria_label=f"The network, {name}")


def _rows(column: Column) -> int:
    """A box's height, in circles."""
    return 0 if column.units else max(1, round((len(column.lines) * 18 + 16) / STEP))


def _place(columns: list[Column], wrong: set[str]) -> float:
    """Give each column its middle, so that neither lines nor words touch; the width of all."""
    edge, words = 0.0, 0.0
    for column in columns:
        half, gap = _half(column, wrong), 0.0 if column is columns[0] else _gap(column, wrong)
        column.x = max(edge + gap + _body(column), words + half + 10)
        edge, words = column.x + _body(column), column.x + half
    return max(edge, words) + 10


def _gap(column: Column, wrong: set[str]) -> float:
    """How long the lines to it are: room for the weight's name, or for an arrow."""
    label = len(_label(column, column.weight, wrong)) * LETTER
    return max(90.0, label + 28) if column.units else 46.0


def _body(column: Column) -> float:
    """Half of what a column is wide where the lines reach it."""
    if column.units:
        return float(RADIUS)
    return max(len(_short(line, WORDS)) for line in (column.title, *column.lines)) * LETTER / 2 + 12


def _half(column: Column, wrong: set[str]) -> float:
    """Half of what a column is wide with its words."""
    longest = max(len(text) for text in (column.title, *_under_text(column, wrong)))
    return longest * LETTER / 2 + 6


def _under(column: Column) -> list[str]:
    """The arrays that are written under the column: all but the weight on the lines."""
    others = (name for name in column.arrays if name != column.weight)
    return [*(column.lines if column.units else []), *others]


def _under_text(column: Column, wrong: set[str]) -> list[str]:
    return [_label(column, text, wrong) if text in column.arrays else text
            for text in _under(column)]


def _label(column: Column, name: str | None, wrong: set[str]) -> str:
    """"✗ 0.bias (3) wrong": an array's name, shape, and whether its gradient is wrong."""
    shape = f" ({_by(column.arrays[name])})" if name in column.arrays else ""
    before, after = ("✗ ", " wrong") if name in wrong else ("", "")
    return f"{before}{_short(str(name))}{shape}{after}"


def _description(columns: Sequence[Column], wrong: set[str]) -> str:
    """The picture in words."""
    def words(column: Column) -> list[str]:
        return [*column.lines, *(_label(column, name, wrong) for name in column.arrays)]

    return "; ".join(f"{column.title}: {', '.join(words(column))}" for column in columns)


# --- strokes --------------------------------------------------------------------------------------


def _between(columns: Sequence[Column], middle: float, wrong: set[str]) -> Iterator[Markup]:
    """The weights, or an arrow where there are none."""
    for left, right in pairwise(columns):
        a, b = left.x + _body(left), right.x - _body(right)
        bad = right.weight in wrong
        ends = [(y, z) for y in _heights(left, middle) for z in _heights(right, middle)]
        path = "".join(f"M{a:.1f} {y:.1f}L{b:.1f} {z:.1f}" for y, z in ends)
        yield tag("path", d=Markup(path), class_="edge bad" if bad else "edge")
        if right.weight:
            label = _label(right, right.weight, wrong)
            yield _text((a + b) / 2, 36, label, "name bad" if bad else "name")
        else:
            back, above, below = f"{b - 7:.1f}", f"{middle - 4:.1f}", f"{middle + 4:.1f}"
            yield tag("path", d=f"M{back} {above}L{b:.1f} {middle:.1f}L{back} {below}",
                      class_="edge head")


def _heights(column: Column, middle: float) -> list[float]:
    shown = max(1, min(column.units, CIRCLES))
    return [middle + (i - (shown - 1) / 2) * STEP for i in range(shown)]


def _drawn(column: Column, middle: float, high: int, wrong: set[str]) -> Markup:
    style = "title bad" if column.title in wrong else "title"
    head = _text(column.x, 16, _short(column.title), style)
    bad = bool(wrong & ({column.title, *column.arrays} - {column.weight}))
    body = _circles(column, middle, bad) if column.units else _box(column, middle, bad)
    below = middle + (high - 1) * STEP / 2 + RADIUS + 24
    return tag("g", head, *body, *_words(column, below, wrong))


def _circles(column: Column, middle: float, bad: bool) -> Iterator[Markup]:
    heights = _heights(column, middle)
    for i, y in enumerate(heights):
        if column.units > CIRCLES and i == CIRCLES - 2:
            yield _text(column.x, y + 5, "⋮", "title")
        else:
            yield tag("circle", cx=f"{column.x:.1f}", cy=f"{y:.1f}", r=RADIUS,
                      class_="unit bad" if bad else "unit")


def _box(column: Column, middle: float, bad: bool) -> Iterator[Markup]:
    half, high = _body(column), len(column.lines) * 18 + 12
    yield tag("rect", x=f"{column.x - half:.1f}", y=f"{middle - high / 2:.1f}",
              width=f"{2 * half:.1f}",
              height=high, rx=8, class_="unit bad" if bad else "unit")
    for i, line in enumerate(column.lines):
        yield _text(column.x, middle - high / 2 + 20 + 18 * i, _short(line, WORDS), "word")


def _words(column: Column, top: float, wrong: set[str]) -> Iterator[Markup]:
    for i, (what, text) in enumerate(zip(_under(column), _under_text(column, wrong), strict=True)):
        y = top + 18 * i
        bad = " bad" if what in wrong else ""
        style = "name" if what in column.arrays else "word"
        yield _text(column.x, y, _short(text, WORDS), style + bad)


def _text(x: float, y: float, words: str, class_: str) -> Markup:
    return tag("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor="middle", class_=class_)
