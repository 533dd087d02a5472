"""Error against tolerance, both logarithmic: above the diagonal is what rounding cannot explain."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from .markup import Markup, tag

Point = tuple[str, str, float, float, float]
MOST = 2000
LEFT, TOP, WIDE, HIGH, ZERO = 76, 16, 620, 380, 36
TICKS = 9
BELOW = 12           # powers of ten below the usual tolerance that are drawn


def thinned(points: Sequence[Point], most: int = MOST) -> list[Point]:
    """At most so many, the same ones each time: those that are outside first, the others evenly."""
    outside = [point for point in points if not within(point)]
    inside = [point for point in points if within(point)]
    kept = _evenly(outside, max(most // 2, most - len(inside)))
    return [*_evenly(inside, most - len(kept)), *kept]


def within(point: Point) -> bool:
    """Whether the error is not above the tolerance; NaN is."""
    return point[2] <= point[3]


def _evenly(points: Sequence[Point], most: int) -> list[Point]:
    if len(points) <= most:
        return list(points)
    return [points[i * len(points) // most] for i in range(most)]


class Axis:
    """Logarithms of some sizes onto a length.

    Zero, and what is below `least`, lies before its start, what is not finite at its end.
    """

    def __init__(self, sizes: Iterable[float], start: float, length: float, least: float = -400):
        logs = [math.log10(size) for size in sizes if 0 < size < math.inf]
        lowest = math.floor(min(logs, default=-16))
        self.low = max(lowest, math.floor(least))
        self.high = max(math.ceil(max(logs, default=0)), self.low + 1)
        self.nought = "0" if self.low == lowest else f"<1e{self.low}"
        self.start, self.length = start, length
        self.zero = start - math.copysign(ZERO, length)

    def at(self, size: float) -> float:
        if size <= 0 or math.log10(size) < self.low:
            return self.zero
        return self.of(math.log10(size)) if size < math.inf else self.start + self.length

    def of(self, log: float) -> float:
        return self.start + (log - self.low) / (self.high - self.low) * self.length

    @property
    def ticks(self) -> range:
        return range(self.low, self.high + 1, max(1, math.ceil((self.high - self.low) / TICKS)))


def scatter(points: Sequence[Point], title: str, says: str) -> Markup:
    """The picture; `says` is it in words."""
    x = Axis((point[3] for point in points), LEFT + ZERO, WIDE - ZERO, _usual(points) - BELOW)
    y = Axis((point[2] for point in points), TOP + HIGH - ZERO, ZERO - HIGH, x.low - BELOW / 2)
    inside = [*_frame(x, y), *_dots(points, x, y), _diagonal(x, y)]
    return tag("svg", tag("title", title), tag("desc", says), *inside, role="img",
               viewBox=f"0 0 {LEFT + WIDE + 24} {TOP + HIGH + 56}", class_="scatter")


def _usual(points: Iterable[Point]) -> float:
    """The logarithm of the median tolerance."""
    logs = sorted(math.log10(point[3]) for point in points if 0 < point[3] < math.inf)
    return logs[len(logs) // 2] if logs else 0.0


def _frame(x: Axis, y: Axis) -> Iterator[Markup]:
    right, bottom = LEFT + WIDE, TOP + HIGH
    for log in x.ticks:
        yield _line(x.of(log), TOP, x.of(log), bottom, "tick")
        yield _label(x.of(log), bottom + 20, f"1e{log}")
    for log in y.ticks:
        yield _line(LEFT, y.of(log), right, y.of(log), "tick")
        yield _label(LEFT - 8, y.of(log) + 4, f"1e{log}", "end")
    yield _line(LEFT, y.zero, right, y.zero, "zero")
    yield _label(LEFT - 8, y.zero + 4, y.nought, "end")
    yield _label(x.zero, bottom + 20, x.nought)
    yield _label(LEFT + WIDE / 2, bottom + 46, "tolerance")
    yield tag("text", "error", transform=f"translate(14 {TOP + HIGH / 2}) rotate(-90)",
              text_anchor="middle", class_="word")


def _diagonal(x: Axis, y: Axis) -> Markup:
    """Where the error is the tolerance, as far as both axes go."""
    low, high = max(x.low, y.low), min(x.high, y.high)
    if low >= high:
        return Markup("")
    return tag("g", _line(x.of(low), y.of(low), x.of(high), y.of(high), "limit"),
               _label(x.of(high) - 6, y.of(high) + 16, "error = tolerance", "end", "word over"))


def _dots(points: Sequence[Point], x: Axis, y: Axis) -> Iterator[Markup]:
    """One path for each mark: dots for float64, squares for others, crosses for what is outside."""
    groups = {"dots": "", "squares": "", "crosses": ""}
    for point in points:
        at = f"M{x.at(point[3]):.1f} {y.at(point[2]):.1f}"
        if not within(point):
            groups["crosses"] += f"{at}m-3-3l6 6m0-6l-6 6"
        else:
            groups["dots" if point[1] == "float64" else "squares"] += f"{at}h0"
    yield from (tag("path", d=Markup(path), class_=name) for name, path in groups.items() if path)


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return tag("path", d=f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}", class_=class_)


def _label(x: float, y: float, words: str, anchor: str = "middle", class_: str = "word") -> Markup:
    return tag("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=class_)
