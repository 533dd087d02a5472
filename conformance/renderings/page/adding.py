"""A picture of a sum: the same parameter reaches every example, and what each sends back is added.

It stands by itself, as a file: its style is inside, light and dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .drawing import LETTER, RADIUS, _text
from .markup import Markup, tag

LEFT, MIDDLE, RIGHT, WIDE = 78, 240, 402, 484
TOP, HIGH, BELOW = 108, 84, 64
STYLE = """
svg { font-family: system-ui, sans-serif; font-size: 13px;
  --ink: #1b1f24; --soft: #59636e; --paper: #ffffff; --bad: #b3261e; --good: #0b6e4f; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6e8eb; --soft: #a2abb5; --paper: #14171a; --bad: #ff8a80; --good: #6fd3ae; } }
.paper { fill: var(--paper); }
text { fill: var(--ink); }
.title { font-weight: 600; }
.soft, .word { fill: var(--soft); }
.name { font-family: ui-monospace, monospace; }
.good { fill: var(--good); font-weight: 600; }
.unit { fill: var(--paper); stroke: var(--ink); stroke-width: 1.5; }
.edge { fill: none; stroke: var(--soft); stroke-width: 1.25; }
.edge.back { stroke: var(--good); stroke-width: 2; }
"""


class Sum(NamedTuple):
    """What the picture shows, all of it as text.

    `parameter` and its `value`; of each example its `names`, what it is `given`, and what it sends
    `back`; and their `total`, which `reads` as a sum.
    """

    title: str
    parameter: str
    value: str
    names: Sequence[str]
    given: Sequence[str]
    back: Sequence[str]
    total: str
    reads: str


def picture(shown: Sum) -> Markup:
    """The whole SVG file."""
    high = TOP + HIGH * (len(shown.names) - 1) + BELOW
    middle = TOP + HIGH * (len(shown.names) - 1) / 2
    inside = [*_heads(), *_parameter(shown, middle), *_total(shown, middle)]
    for i in range(len(shown.names)):
        inside += _example(shown, i, middle)
    return tag("svg", tag("title", shown.title), tag("desc", _says(shown)),
               tag("style", Markup(STYLE)), tag("rect", width=WIDE, height=high, class_="paper"),
               *inside, xmlns="http://www.w3.org/2000/svg", role="img",
               viewBox=f"0 0 {WIDE} {high}", width=WIDE, height=high)


def _heads() -> Iterator[Markup]:
    for x, words, below in ((LEFT, "one bias", "reaches every example"),
                            (MIDDLE, "the examples", "each has a delta"),
                            (RIGHT, "its gradient", "what comes back, added")):
        yield _text(x, 22, words, "title")
        yield _text(x, 42, below, "soft")


def _parameter(shown: Sum, middle: float) -> Iterator[Markup]:
    yield _circle(LEFT, middle)
    yield _text(LEFT, middle + 32, f"{shown.parameter} = {shown.value}", "name")


def _total(shown: Sum, middle: float) -> Iterator[Markup]:
    yield _circle(RIGHT, middle)
    yield _text(RIGHT, middle + 5, "+", "title")
    yield _text(RIGHT, middle + 32, f"d{shown.parameter} = {shown.total}", "name good")
    yield _text(RIGHT, middle + 52, shown.reads, "name soft")


def _example(shown: Sum, i: int, middle: float) -> Iterator[Markup]:
    """One example: the bias's way to it, the delta's way back."""
    y = TOP + HIGH * i
    yield _line((LEFT + RADIUS, middle), (MIDDLE - RADIUS, y), "edge")
    yield _line((MIDDLE + RADIUS, y), (RIGHT - RADIUS, middle), "edge back")
    yield _circle(MIDDLE, y)
    above = y <= middle
    yield _text(MIDDLE, y - 40 if above else y + 30, shown.names[i], "word")
    yield _text(MIDDLE, y - 20 if above else y + 50, shown.given[i], "name")
    half = len(shown.back[i]) * LETTER / 2
    x, at = MIDDLE + (RIGHT - MIDDLE) / 2, (y + middle) / 2
    away = -15 if above else 24
    yield _text(x + half / 4, at + away, shown.back[i], "name good")


def _circle(x: float, y: float) -> Markup:
    return tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=RADIUS, class_="unit")


def _line(start: tuple[float, float], end: tuple[float, float], class_: str) -> Markup:
    """A line with a head, where it ends."""
    (x, y), (to_x, to_y) = start, end
    long = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5
    u, v = (to_x - x) / long * 7, (to_y - y) / long * 7
    head = (f"M{to_x - u - v / 2:.1f} {to_y - v + u / 2:.1f}L{to_x:.1f} {to_y:.1f}"
            f"L{to_x - u + v / 2:.1f} {to_y - v - u / 2:.1f}")
    return tag("path", d=f"M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}{head}", class_=class_)


def _says(shown: Sum) -> str:
    """The picture in words."""
    each = "; ".join(f"{name}: {given}, {back}" for name, given, back
                     in zip(shown.names, shown.given, shown.back, strict=True))
    return (f"{shown.parameter} = {shown.value} reaches every example. {each}. "
            f"Added: d{shown.parameter} = {shown.total} = {shown.reads}.")
