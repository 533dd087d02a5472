"""What a fault is: one line of the reference made wrong on purpose. Tables in, engine out.

A fault replaces one entry of the tables, or wraps the engine (state, precision, aliasing); it never copies the backprop
around it. It measures the harness (is it killed?) and names the user's mistake (does it give the same wrong answer?).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..properties.identities import Level, levels
from ..properties.tolerance import SLACK, Spread, spread
from ..reference import (
    TABLES,
    Activation,
    Answer,
    Case,
    DescriptionError,
    Engine,
    Loss,
    Rule,
    Tables,
    evaluate,
)
from ..reference.backprop import Trace, forward
from ..reference.chain import Step

Make = Callable[[Tables], Engine]


@dataclass(frozen=True)
class Look:
    """A case as a fault's `visible` sees it: its parts, and the truth with its tolerance, computed when asked for."""

    case: Case

    @cached_property
    def levels(self) -> list[Level]:
        """The dense layers, each with the activation after it."""
        return levels(self.case.network)

    @property
    def batch(self) -> int:
        return self.case.batch

    @cached_property
    def outputs(self) -> int:
        """How many output units."""
        return int(self.case.network.sizes[-1])

    @cached_property
    def biased(self) -> list[Level]:
        """The dense layers that have a bias."""
        return [level for level in self.levels if level.bias]

    @cached_property
    def wide(self) -> Case:
        return self.case.astype("float64")

    @cached_property
    def spread(self) -> Spread:
        return spread(self.case)

    @cached_property
    def trace(self) -> Trace:
        """The true forward pass: outputs, tape and scale."""
        return forward(self.wide)

    @property
    def tape(self) -> list[Step]:
        """One step per layer: `.scope.spec`, and what it saved: a dense layer its input x, an activation (x, y)."""
        return self.trace.tape

    @cached_property
    def deltas(self) -> list[Any]:
        """dL/d(output of layer i), for every layer, the last one's too."""
        seen: list[Any] = [None] * len(self.tape)

        def keep(tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
            seen[i] = dy
            return TABLES.sweep(tape, i, dy)

        evaluate(self.wide, TABLES._replace(sweep=keep))
        return seen

    def gradient(self, name: str) -> Any:
        """The true gradient."""
        return self.spread.truth.gradients[name]

    def apart(self, name: str, wrong: Any) -> bool:
        """Whether a wrong gradient of this parameter differs from the true one beyond the tolerance, or is NaN."""
        return self.shows({name: wrong - self.gradient(name)})

    def loss_apart(self, wrong: Any) -> bool:
        """Whether a wrong loss differs from the true one beyond the tolerance, or is NaN."""
        return not abs(wrong - self.spread.truth.loss) <= SLACK * self.spread.loss

    def shows(self, errors: Mapping[str, Any]) -> bool:
        """Whether any of these errors, of gradients by name, is beyond the tolerance, or NaN."""
        return any(not np.all(np.abs(error) <= SLACK * self.spread.gradients[name]) for name, error in errors.items())

    def pushed(self, i: int, error: Any, extra: Callable[[int, Any], Any] = lambda i, dy: 0.0) -> dict[str, Any]:
        """The errors of the gradients that an error in dL/d(output of layer i) makes: linear, by the chain rule.

        extra(k, dy): the error that layer k <= i itself adds to dL/d(its input) when dy comes in.
        """
        errors: dict[str, Any] = {}
        with np.errstate(all="ignore"):
            for k in reversed(range(i + 1)):
                dx, local = TABLES.sweep(self.tape, k, error)
                errors |= {f"{k}.{name}": e for name, e in local.items()}
                error = dx + extra(k, self.deltas[k] + error)
        return errors | {"inputs": error} if self.case.network.input_kind == "real" else errors


class Fault(NamedTuple):
    """One known mistake.

    symptom: what one sees, in a sentence. wrong, right: the two lines. seen: where it was seen. engine(tables): the
    wrong engine. visible(look): whether a case shows it (tested both ways). family: the headline it is listed under.
    """

    family: str
    symptom: str
    wrong: str
    right: str
    seen: str
    engine: Make
    visible: Callable[[Look], bool]


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


# --- ways to be wrong -------------------------------------------------------------------------------------------


def with_entry(table: str, name: str, change: Callable[[Any], Any]) -> Make:
    """The engine of the tables with one entry changed; DescriptionError for an entry the tables do not have."""

    def make(tables: Tables) -> Engine:
        if table not in Tables._fields or name not in getattr(tables, table):
            raise DescriptionError(f"fault: the tables have no entry {table}[{name!r}]")
        rows = getattr(tables, table)
        entry: dict[str, Any] = {table: {**rows, name: change(rows[name])}}
        changed = tables._replace(**entry)
        return lambda case: evaluate(case, changed)

    return make


Dense = Callable[[Any, Any, Any, dict[str, Any], Any], tuple[Any, dict[str, Any]]]


def dense(wrong: Dense) -> Make:
    """A wrong dense backward: wrong(p, x, dy, gradients, dx) -> (dx, gradients), given the right ones to change."""

    def change(rule: Rule) -> Rule:
        def backward(p: Any, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
            dx, gradients = rule.backward(p, x, dy)
            return wrong(p, x, dy, dict(gradients), dx)

        return rule._replace(backward=backward)

    return with_entry("layers", "dense", change)


def derivative(wrong: Mapping[str, Callable[..., Any]]) -> Make:
    """Wrong activation derivatives: by the row's name, backward(x, y, dy, **options) -> dx."""

    def make(tables: Tables) -> Engine:
        rows: dict[str, Activation] = dict(tables.activations)
        for name, backward in wrong.items():
            if name not in rows:
                raise DescriptionError(f"fault: the tables have no entry activations[{name!r}]")
            rows[name] = rows[name]._replace(backward=backward)
        changed = tables._replace(activations=rows)
        return lambda case: evaluate(case, changed)

    return make


def loss(wrong: Mapping[str, Callable[[Loss], Loss]]) -> Make:
    """Wrong losses or loss gradients: by the row's name, the right row -> the wrong one."""

    def make(tables: Tables) -> Engine:
        rows: dict[str, Loss] = dict(tables.losses)
        for name, change in wrong.items():
            if name not in rows:
                raise DescriptionError(f"fault: the tables have no entry losses[{name!r}]")
            rows[name] = change(rows[name])
        changed = tables._replace(losses=rows)
        return lambda case: evaluate(case, changed)

    return make


def sweep(wrong: Callable[[Any, list[Step], int, Any], tuple[Any, dict[str, Any]]]) -> Make:
    """A wrong chain rule between layers: wrong(right, tape, i, dy), with right(tape, i, dy) the right one."""

    def make(tables: Tables) -> Engine:
        changed = tables._replace(sweep=lambda tape, i, dy: wrong(tables.sweep, tape, i, dy))
        return lambda case: evaluate(case, changed)

    return make


def answered(wrong: Callable[[Case, Answer], Answer]) -> Make:
    """The right answer, changed at the end."""
    return lambda tables: lambda case: wrong(case, evaluate(case, tables))


def stateful(start: Callable[[], Callable[[Case, Answer], Answer]]) -> Make:
    """The right answer, changed by something that remembers: start() gives a fresh memory."""

    def make(tables: Tables) -> Engine:
        change = start()
        return lambda case: change(case, evaluate(case, tables))

    return make


# --- ways to be wrong, with where they show ---------------------------------------------------------------------

Wrong = tuple[Make, Callable[[Look], bool]]
Own = Callable[[list[Step], int, Any, dict[str, Any]], dict[str, Any]]


def is_dense(step: Step) -> bool:
    return bool(step.scope.spec.kind == "dense")


def own(change: Own) -> Wrong:
    """Wrong gradients of a dense layer's own parameters; what is handed down stays right.

    change(tape, i, dy, right) -> the wrong ones by local name, "weight" and "bias"; the ones left out stay right.
    """
    def step(right: Any, tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
        dx, gradients = right(tape, i, dy)
        return dx, gradients | change(tape, i, dy, gradients) if is_dense(tape[i]) else gradients

    def visible(look: Look) -> bool:
        for level in look.levels:
            right = {name: look.gradient(f"{level.name}.{name}") for name in ("weight", "bias")[:1 + level.bias]}
            wrong = change(look.tape, int(level.name), look.deltas[int(level.name)], right)
            if any(look.apart(f"{level.name}.{name}", value) for name, value in wrong.items()):
                return True
        return False

    return sweep(step), visible


def handed_down(dx: Callable[[Any, Any, Any, Any], Any]) -> Wrong:
    """A wrong error handed down by every dense layer: dx(W, x, dy, right); its own gradients stay right."""
    def change(p: Any, x: Any, dy: Any, gradients: dict[str, Any], right: Any) -> tuple[Any, dict[str, Any]]:
        return dx(p["weight"], x, dy, right), gradients

    def visible(look: Look) -> bool:
        def extra(k: int, dy: Any) -> Any:
            if not is_dense(look.tape[k]):
                return 0.0
            right, _ = TABLES.sweep(look.tape, k, dy)
            return dx(look.tape[k].scope["weight"], look.tape[k].saved, dy, right) - right

        last = len(look.tape) - 1
        return look.shows(look.pushed(last, 0.0 * look.deltas[last], extra))

    return dense(change), visible


def at_the_end(wrong: Callable[[Case, dict[str, Any]], dict[str, Any]]) -> Wrong:
    """Some gradients changed in the answer: wrong(case, right) -> the wrong ones by name."""
    def change(case: Case, answer: Answer) -> Answer:
        return Answer(answer.loss, {**answer.gradients, **wrong(case, dict(answer.gradients))})

    def visible(look: Look) -> bool:
        found = wrong(look.wide, dict(look.spread.truth.gradients))
        return any(look.apart(name, value) for name, value in found.items())

    return answered(change), visible


def quiet(make: Make) -> Make:
    """The same engine; NumPy says nothing about what overflows."""
    def quietly(tables: Tables) -> Engine:
        engine = make(tables)

        def answer(case: Case) -> Answer:
            with np.errstate(all="ignore"):
                return engine(case)
        return answer

    return quietly
