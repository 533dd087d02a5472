"""HTML and SVG as text: what is no Markup is escaped, what cannot be seen shown by its number.

By hand on `html.escape`, and not by a template library, for two reasons: text from a record is cut
and its invisible characters are shown, which a library's own escaping would skip; and the elements
are functions that a type checker reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ...record.harmless import line

VOID = {"meta", "link", "input", "br"}


class Markup(str):
    """Text that is HTML already, from the functions of this module or the package's own files."""

    __slots__ = ()


def html(value: object) -> Markup:
    """Markup as it is, anything else as escaped text."""
    if isinstance(value, Markup):
        return value
    return Markup(escape(line(str(value)), quote=True))


def join(parts: Iterable[object]) -> Markup:
    """One part after another."""
    return Markup("".join(map(html, parts)))


def commas(parts: Iterable[object]) -> Markup:
    """"one, two, three"."""
    return Markup(", ".join(map(html, parts)))


def tag(name: str, /, *inside: object, **attributes: object) -> Markup:
    """One element.

    `class_` is class, `aria_label` aria-label; True is a bare attribute; None and False leave it
    out.
    """
    start = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(start if name in VOID else f"{start}{join(inside)}</{name}>")


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html(value)}"'


def table(caption: object, heads: Sequence[object], rows: Iterable[Sequence[object]],
          class_: str = "") -> Markup:
    """A table with a caption; the first cell of a row is its head."""
    head = tag("thead", tag("tr", *(tag("th", each, scope="col") for each in heads)))
    lines = (tag("tr", tag("th", row[0], scope="row"),
                 *(tag("td", each, data_head=named)
                   for named, each in zip(heads[1:], row[1:], strict=False)))
             for row in rows)
    whole = tag("table", tag("caption", caption), head, tag("tbody", *lines),
                class_=class_ or None)
    return tag("div", whole, class_="scroll")


def section(name: str, title: object, *inside: object, class_: str | None = None) -> Markup:
    """A region with its heading, for `#name`."""
    head = tag("h2", title, id=f"{name}-title")
    return tag("section", head, *inside, id=name, class_=class_, aria_labelledby=f"{name}-title")


def code(value: object) -> Markup:
    return tag("code", value)


def hidden(value: object) -> Markup:
    """For screen readers only."""
    return tag("span", value, class_="aside")


def number(value: float, digits: int = 3) -> str:
    """In few digits; whole numbers too large for a float are infinite."""
    return f"{real(value):.{digits}g}"


def real(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
