"""The text of a lesson: formula, place, numbers, the mistakes that people make; and the index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import chain

from ..faults import FAULTS
from ..faults.updating import WRONG_UPDATES
from ..properties.catalogue import catalogue
from ..reference.checks import visible
from .entries import ENTRIES, Known, about, numbers
from .lessons import LESSONS, Lesson

MOST = 8          # mistakes that are shown
NAMED = 3         # of the others, by name
ACROSS = 96       # columns of a line of names
PYTHON = "python -m backproof"
ASK = ("bias", "batch norm", "learning rate", "bias-averaged-over-batch", "batch_additivity")


def mistakes(lesson: Lesson) -> dict[str, Known]:
    """The known mistakes that a lesson is about, those of its names and its entries first."""
    every: dict[str, Known] = {**FAULTS, **WRONG_UPDATES}
    named = {name: row for pattern in lesson.names for name, row in every.items()
             if fnmatchcase(name, pattern)}
    of_entries = dict(chain.from_iterable(about(entry).items() for entry in lesson.entries))
    families = {name: row for name, row in FAULTS.items() if row.family in lesson.families}
    return {**named, **of_entries, **families}


def told(lesson: Lesson) -> Iterator[str]:
    """The text of a lesson."""
    yield lesson.words[0]
    yield from _lines("formula", lesson.formula)
    yield from _lines("stands in", [f"backproof.reference.{place}" for place in lesson.where])
    yield from _lines("in numbers", [line for entry in lesson.entries for line in numbers(entry)])
    yield from _known(mistakes(lesson))
    yield from _lines("see more", _more(lesson))


def _lines(head: str, lines: Sequence[str]) -> Iterator[str]:
    for i, line in enumerate(lines):
        yield f"  {f'{head}:' if not i else '':12}{line}"


def _known(known: dict[str, Known]) -> Iterator[str]:
    if not known:
        return
    some, rest = dict(list(known.items())[:MOST]), list(known)[MOST:]
    yield "  mistakes that people make with it:"
    width = max(map(len, some))
    yield from (f"    {name:{width}}  {row.symptom}" for name, row in some.items())
    if rest:
        among = f"{len(rest)} more, among them " if len(rest) > NAMED else ""
        yield f"    and {among}{', '.join(rest[:NAMED])}"


def _more(lesson: Lesson) -> list[str]:
    """A mistake to look at first, and where the table says so, pages and commands."""
    first = next(iter(mistakes(lesson)), None)
    one = [f"{PYTHON} explain {first}"] if first else []
    return [*one, *(each if each.endswith(".md") else f"{PYTHON} {each}" for each in lesson.more)]


# --- what there is --------------------------------------------------------------------------------


def index() -> Iterator[str]:
    """What can be explained, and how to ask for it."""
    yield "Ask for a word, a known mistake or a property:"
    yield from (f"  {PYTHON} explain {name}" for name in ASK)
    yield f"\nwords ({len(LESSONS)} lessons; others mean the same: mse, db, bptt, lr ...)"
    yield from _across([lesson.words[0] for lesson in LESSONS])
    taught = {word for lesson in LESSONS for word in lesson.words}
    for table, rows in ENTRIES.items():
        yield f"\n{table}"
        yield from _across([name for name in rows if name not in taught] or list(rows))
    yield f"\nknown mistakes: {len(FAULTS)} of gradients, {len(WRONG_UPDATES)} of updates: "\
          f"{PYTHON} list faults"
    yield f"properties: {len(catalogue())}: {PYTHON} list properties"


def _across(names: Sequence[str]) -> Iterator[str]:
    """The names one after another, on as many lines as they need."""
    line = ""
    for name in names:
        more = f"{line}, {visible(name)}" if line else f"  {name}"
        if len(more) > ACROSS:
            yield f"{line},"
            more = f"  {name}"
        line = more
    yield line
