"""What a fault is: one line of the reference made wrong on purpose. Tables in, engine out.

A fault replaces one entry of the tables, or wraps the engine (state, precision, aliasing); it never
copies the backprop around it. Most stand at the affine site, y = x W + b, so that the same row serves
every kind of layer and every shape of network. It measures the harness (is it killed?) and names the
user's mistake (does it give the same wrong answer?).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
from ..reference.kinds import Step
from ..reference.wiring import Place, wired

Make = Callable[[Tables], Engine]


class Fault(NamedTuple):
    """One known mistake.

    `family`: the headline it is listed under. `symptom`: what one sees, in a sentence. `wrong` and
    `right`: the two lines. `seen`: where it was seen. engine(tables): the wrong engine.
    """

    family: str
    symptom: str
    wrong: str
    right: str
    seen: str
    engine: Make


Faults = dict[str, Fault]


def table_of(faults: Mapping[str, Fault], *more: Mapping[str, Fault]) -> Faults:
    """All the rows in one table; DescriptionError for a name that is there twice."""
    table = dict(faults)
    for rows in more:
        for name, fault in rows.items():
            if name in table:
                raise DescriptionError(f"fault {name!r} is there twice")
            table[name] = fault
    return table


# --- entries of the tables -------------------------------------------------------------------------


def changed(tables: Tables, table: str, changes: Mapping[str, Callable[[Any], Any]]) -> Tables:
    """The tables with some entries of one table changed.

    Raises DescriptionError for an entry that the tables do not have.
    """
    for name in changes:
        if table not in ("layers", "activations", "losses") or name not in getattr(tables, table):
            raise DescriptionError(f"fault: the tables have no entry {table}[{name!r}]")
    rows = getattr(tables, table)
    entries: dict[str, Any] = {
        table: {**rows, **{name: change(rows[name]) for name, change in changes.items()}}}
    return tables._replace(**entries)


def with_entry(table: str, name: str, change: Callable[[Any], Any]) -> Make:
    """The engine of the tables with one entry changed."""
    def make(tables: Tables) -> Engine:
        wrong = changed(tables, table, {name: change})
        return lambda case: evaluate(case, wrong)

    return make


def derivative(wrong: Mapping[str, Callable[..., Any]]) -> Make:
    """Wrong activation derivatives: by the row's name, backward(x, y, dy, **options) -> dx."""
    def make(tables: Tables) -> Engine:
        other = with_derivatives(tables, wrong)
        return lambda case: evaluate(case, other)

    return make


def with_derivatives(tables: Tables, wrong: Mapping[str, Callable[..., Any]]) -> Tables:
    """The tables with other ways back through some activations."""
    def replaced(backward: Callable[..., Any]) -> Callable[[Activation], Activation]:
        return lambda row: row._replace(backward=backward)

    return changed(tables, "activations", {name: replaced(line) for name, line in wrong.items()})


def loss(wrong: Mapping[str, Callable[[Loss], Loss]]) -> Make:
    """Wrong losses or loss gradients: by the row's name, the right row -> the wrong one."""
    def make(tables: Tables) -> Engine:
        other = changed(tables, "losses", wrong)
        return lambda case: evaluate(case, other)

    return make


# --- affine sites ----------------------------------------------------------------------------------


@dataclass
class Way:
    """One evaluation on its way back: the case, and what has been seen so far.

    `entering`: by layer, dL/d(its output). `before_function`: by layer, the upstream gradient of the
    function right behind it. `argument`: by layer, what the function right before it was taken of.
    """

    case: Case
    entering: dict[str, Any] = field(default_factory=dict)
    before_function: dict[str, Any] = field(default_factory=dict)
    argument: dict[str, Any] = field(default_factory=dict)

    @property
    def places(self) -> tuple[Place, ...]:
        """The affine sites of the network, in the order of the forward."""
        return wired(self.case.network).places

    def position(self, s: Pass) -> int:
        """Where in that order a site is."""
        names = [(place.layer, place.site.weight) for place in self.places]
        return names.index((s.layer, s.weight))

    def see(self, tape: list[Step], i: int, dy: Any) -> None:
        """Note what layer i of a tape is about to be handed."""
        scope = tape[i].scope
        self.entering[scope.name] = dy
        if i == 0:
            return
        below = tape[i - 1].scope
        if scope.spec.function is not None:
            self.before_function[below.name] = dy
        if below.spec.function is not None:
            self.argument[scope.name] = next(iter(below.rule.arguments(below, tape[i - 1].saved)))


Line = Callable[[Pass, Any, Way], Any]
LINES = ("dW", "db", "dx")


def at_sites(**lines: Line) -> Make:
    """Wrong lines at every affine site: dW, db or dx = line(s, right, way).

    `s` has the letters of the textbook: x (rows, n), W (n, m), b, delta (rows, m). `right` is the right
    value, `way` what else the evaluation has seen.
    """
    def make(tables: Tables) -> Engine:
        def engine(case: Case) -> Answer:
            way = Way(case)

            def sweep(tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
                way.see(tape, i, dy)
                return tables.sweep(tape, i, dy)

            wrong = {name: _line(getattr(tables.affine, name), line, way)
                     for name, line in lines.items()}
            affine = tables.affine._replace(**wrong)
            return evaluate(case, tables._replace(affine=affine, sweep=sweep))

        return engine

    return make


def _line(right: Callable[[Pass], Any], line: Line, way: Way) -> Callable[[Pass], Any]:
    return lambda s: line(s, right(s), way)


# --- the way back, and the answer ------------------------------------------------------------------


def sweep(wrong: Callable[[Any, list[Step], int, Any], tuple[Any, dict[str, Any]]]) -> Make:
    """A wrong chain rule between layers: wrong(right, tape, i, dy), with right(tape, i, dy)."""
    def make(tables: Tables) -> Engine:
        other = tables._replace(sweep=lambda tape, i, dy: wrong(tables.sweep, tape, i, dy))
        return lambda case: evaluate(case, other)

    return make


def is_affine(step: Step) -> bool:
    """Whether the layer has affine sites."""
    return bool(step.scope.rule.sites(step.scope.spec))


def answered(wrong: Callable[[Case, Answer], Answer]) -> Make:
    """The right answer, changed at the end."""
    return lambda tables: lambda case: wrong(case, evaluate(case, tables))


def at_the_end(wrong: Callable[[Case, dict[str, Any]], dict[str, Any]]) -> Make:
    """Some gradients changed in the answer: wrong(case, right) -> the wrong ones by name."""
    def change(case: Case, answer: Answer) -> Answer:
        return Answer(answer.loss, {**answer.gradients, **wrong(case, dict(answer.gradients))})

    return answered(change)


def stateful(start: Callable[[], Callable[[Case, Answer], Answer]]) -> Make:
    """The right answer, changed by something that remembers: start() gives a fresh memory."""
    def make(tables: Tables) -> Engine:
        change = start()
        return lambda case: change(case, evaluate(case, tables))

    return make
