"""The ways to be wrong: one entry of the tables replaced, or the whole engine wrapped.

None copies the backpropagation around its mistake, and none knows a layer kind. A mistake in the
weights, the bias or what is handed down is a wrong line of the affine site, y = x W + b, and so is
in every layer that has one, wherever in the network the layer stands. An engine never warns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..reference import (
    Activation,
    Answer,
    Case,
    DescriptionError,
    Engine,
    Loss,
    Pass,
    Tables,
    evaluate,
)
from ..reference.backprop import unwarned
from ..reference.wiring import Place, wired
from .core import Make

Line = Callable[[Pass, Any], Any]
Lines = Mapping[str, Line]
Backward = Callable[..., Any]
Gradients = Mapping[str, Any]
Change = Callable[[Case, Answer], Answer]


def as_they_are(tables: Tables) -> Tables:
    """Right entries."""
    return tables


def in_every_case(case: Case, tables: Tables) -> Tables:
    """The same lines whatever the case."""
    return tables


def given() -> Change:
    """The answer as it comes."""
    return lambda case, answer: answer


@dataclass(frozen=True, eq=False)
class Wrong:
    """How an engine is wrong: in some lines of its tables, in what it makes of its answer, or both.

    `entries(tables)` are the tables with some entries changed, `lines(case, tables)` those of one
    case. `answers()` gives a fresh memory: a function that changes the answer to a case. Called
    with tables it is the engine. Because the right lines are an argument, the mistakes of two can
    be put into one program.
    """

    entries: Callable[[Tables], Tables] = as_they_are
    lines: Callable[[Case, Tables], Tables] = in_every_case
    answers: Callable[[], Change] = given

    def __call__(self, tables: Tables) -> Engine:
        wrong, change = self.entries(tables), self.answers()
        return unwarned(lambda case: change(case, evaluate(case, self.lines(case, wrong))))

    def also(self, other: Wrong) -> Wrong:
        """Both mistakes in one program, this one's lines nearer to the right ones."""
        def answers() -> Change:
            first, second = self.answers(), other.answers()
            return lambda case, answer: second(case, first(case, answer))

        return Wrong(lambda tables: other.entries(self.entries(tables)),
                     lambda case, tables: other.lines(case, self.lines(case, tables)), answers)

# --- an entry of the tables ---------------------------------------------------------------------


def with_entry(table: str, name: str, change: Callable[[Any], Any]) -> Make:
    """The engine of the tables with one entry changed: change(right entry) -> wrong entry.

    `table` is "layers", "activations", "losses" or "affine", `name` an entry of it. Making the
    engine raises DescriptionError for an entry the tables do not have.
    """
    return with_entries(table, {name: change})


def with_entries(table: str, changes: Mapping[str, Callable[[Any], Any]]) -> Make:
    """The same with several entries of one table."""

    def entries(tables: Tables) -> Tables:
        for name, change in changes.items():
            tables = replaced(tables, table, name, change)
        return tables

    return Wrong(entries)


def replaced(tables: Tables, table: str, name: str, change: Callable[[Any], Any]) -> Tables:
    """The tables with one entry changed; DescriptionError for one they do not have."""
    entries = entries_of(tables, table)
    if name not in entries:
        raise DescriptionError(f"fault: the tables have no entry {table}[{name!r}]")
    entry = change(entries[name])
    if table == "affine":
        return tables._replace(affine=tables.affine._replace(**{name: entry}))
    whole: dict[str, Any] = {table: {**entries, name: entry}}
    return tables._replace(**whole)


def entries_of(tables: Tables, table: str) -> Mapping[str, Any]:
    """The entries of one of the tables by name; none for what is no table."""
    if table == "affine":
        return tables.affine._asdict()
    return getattr(tables, table) if table in ("layers", "activations", "losses") else {}


def derivative(wrong: Mapping[str, Backward]) -> Make:
    """Wrong derivatives of activations: by name, backward(x, y, dy, **options) -> dx."""

    def row(backward: Backward) -> Callable[[Activation], Activation]:
        return lambda right: right._replace(backward=backward)

    return with_entries("activations", {name: row(line) for name, line in wrong.items()})


def loss(wrong: Mapping[str, Callable[[Loss], Loss]]) -> Make:
    """Wrong losses or loss gradients: by name, the right row -> the wrong one."""
    return with_entries("losses", wrong)


# --- the affine site ----------------------------------------------------------------------------


def instead(line: Line) -> Callable[[Callable[[Pass], Any]], Callable[[Pass], Any]]:
    """From the right dW, db or dx to a wrong one: line(s, right value), s the pass at the site."""
    return lambda right: lambda s: line(s, right(s))


def with_lines(tables: Tables, lines: Lines) -> Tables:
    """The tables with wrong lines "dW", "db" or "dx" of the affine site."""
    for name, line in lines.items():
        tables = replaced(tables, "affine", name, instead(line))
    return tables


def at_sites(**lines: Line) -> Make:
    """Wrong lines at every affine site: dW, db or dx, each line(s, right value) -> wrong value."""
    return with_entries("affine", {name: instead(line) for name, line in lines.items()})


def at_some(chosen: Callable[[Sequence[Place]], Iterable[Place]], **lines: Line) -> Make:
    """Wrong lines at some affine sites only.

    chosen(sites of the network in the order of the forward pass) -> those that are wrong.
    """

    def change(case: Case, tables: Tables) -> Tables:
        keys = {place.key for place in chosen(wired(case.network).places)}
        return with_lines(tables, {name: only_at(keys, line) for name, line in lines.items()})

    return per_case(change)


def only_at(keys: set[str], line: Line) -> Line:
    """The line at the sites with these keys, the right value at all others."""
    return lambda s, right: line(s, right) if f"{s.layer}.{s.weight}" in keys else right


def passing(change: Callable[[Case, Pass], Pass], *names: str) -> Make:
    """These gradients of every site by the right lines, but of a pass with other arrays in it."""

    def of_case(case: Case, tables: Tables) -> Tables:
        for name in names:
            tables = replaced(tables, "affine", name,
                              lambda right: lambda s: right(change(case, s)))
        return tables

    return per_case(of_case)


def first_layer(places: Sequence[Place]) -> list[Place]:
    """The sites of the first layer that has any."""
    return [place for place in places if place.layer == places[0].layer]


def after_layers(places: Sequence[Place], count: int) -> list[Place]:
    """The sites of the layers after the first `count` that have any."""
    layers = list(dict.fromkeys(place.layer for place in places))
    return [place for place in places if place.layer in layers[count:]]


# --- the engine ---------------------------------------------------------------------------------


def per_case(change: Callable[[Case, Tables], Tables]) -> Make:
    """The reference over tables changed anew for each case: what a line remembers ends with it."""
    return Wrong(lines=change)


def answered(wrong: Change) -> Make:
    """The right answer, changed at the end."""
    return Wrong(answers=lambda: wrong)


def gradients(wrong: Callable[[str, Any], Any]) -> Make:
    """The right answer with every gradient changed at the end: wrong(name, right value)."""
    return answered(lambda case, answer: Answer(
        answer.loss, {name: wrong(name, g) for name, g in answer.gradients.items()}))


def stateful(start: Callable[[], Change]) -> Make:
    """The right answer, changed by something that remembers: start() gives a fresh memory."""
    return Wrong(answers=start)
