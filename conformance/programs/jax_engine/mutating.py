"""Wrong backwards of a plain form of JAX, each with the line at which it goes wrong.

The rows are those of `mutants.KINDS`. Nothing is computed until a mutant's gradients are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from .. import factors, sources
from ..changes import ordinal
from ..formats import FORMATS
from ..lazily import Lazily
from ..mutants import KINDS, Kind, Of, Place, at_place
from ..trial import Array, Arrays, Line, Mutant, Trial, output
from .computing import as_real
from .lines import spoken
from .primitives import MOVED
from .tape import Edge, Hook, Tape
from .tracing import Step

Function = Callable[..., Any]
Make = Callable[[], Array | None]
# Steps whose derivative hangs on no operand; the rows that need one that does leave them out.
LINEAR = frozenset((*MOVED, "add", "add_any", "sub", "neg", "reduce_sum", "cumsum", "scatter-add",
                    "convert_element_type")) - {"gather", "dynamic_slice", "scatter"}
OF_OPERANDS = frozenset(("another value", "operand rounded", "operand transposed",
                         "operand reordered", "operand grouped", "derivative of the result"))
AT_EDGES = (Of.GRADIENT, Of.UPSTREAM, Of.PLACE)
TIMES = {0: ", the first time", -1: ", the last time"}


def mutants(plain: Function, trial: Trial) -> Iterator[Mutant]:
    """Wrong backwards of the plain form in float64, the simplest kinds first."""
    return iter(Mutator(Tape(plain, trial)))


class Spot:
    """An edge: one operand of one step, what flows to it, and what the step's results get."""

    def __init__(self, tape: Tape, edge: Edge, gradient: Array,
                 upstreams: Sequence[Array | None]) -> None:
        self.tape, self.edge, self.gradient, self.upstreams = tape, edge, gradient, upstreams
        self.index, self.position = edge
        self.step: Step = tape.steps[self.index]
        self.slot = self.step.inputs[self.position]
        self.reaches = sorted(tape.roots[self.slot])

    @property
    def group(self) -> tuple[Any, ...]:
        """Equal for the same edge in another turn of a loop, or at another call of a helper."""
        return self.step.position, self.step.equation, self.position

    @property
    def repeats(self) -> bool:
        """Whether it only hands on what flows through the edge after it, on the same expression."""
        maker = self.tape.maker.get(self.slot)
        if maker is None or len(self.tape.uses[self.slot]) > 1:
            return False
        before = self.tape.steps[maker]
        return before.position == self.step.position and any(
            self.tape.is_edge(before, i)
            and np.shape(self.tape.slots[slot]) == np.shape(self.gradient)
            for i, slot in enumerate(before.inputs)) and len(before.inputs) == 1

    @property
    def words(self) -> str:
        """What the gradient flows to, as the source calls it."""
        slot, maker = _source(self.tape, self.slot, self.step)
        named = {slot: name for name, slot in self.tape.inputs.items()}
        if slot in named:
            return f"`{named[slot]}`"
        if maker is not None and maker.position != self.step.position:
            text = sources.operand(self.step.position, (self.position,), len(self.step.inputs))
            text = text or sources.quoted(maker.position)
            if text:
                return f"`{text}`"
        return f"the {ordinal(self.position)} operand of {spoken(self.step.equation)}"

    def place(self, values: Mapping[str, Array], sizes: Mapping[str, int]) -> Place | None:
        """For the rows of the table; None where the step has several results, or nothing flows."""
        (only, *more) = self.upstreams
        if only is None or more:
            return None
        return Place(self.gradient, only, tuple(self.tape.slots[slot] for slot in self.step.inputs),
                     self.position, self.tape.slots[self.step.outputs[0]],
                     spoken(self.step.equation), self.derivative, values=values,
                     sizes=sizes, storage=FORMATS[self.tape.trial.dtype])

    def derivative(self, upstream: Array | None = None,
                   operands: Mapping[int, Array] | None = None) -> Array | None:
        """What flows to the operand for another upstream gradient, or for other operands."""
        for position, value in (operands or {}).items():
            if np.shape(value) != np.shape(self.tape.slots[self.step.inputs[position]]):
                return None
        real = [i for i, slot in enumerate(self.step.inputs) if as_real(self.tape.slots[slot])]
        given = self.upstreams if upstream is None else [upstream]
        found = self.tape.derivative(self.step, given, operands)
        return np.asarray(found[real.index(self.position)])

    def moved(self, base: Arrays, make: Make) -> Arrays | None:
        """The gradients of the inputs where this edge carries what is made."""
        return _moved(self.tape, base, self.slot, self.index, self.gradient, make)


class Mutator:
    """All wrong backwards of a plain form at a trial."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.cotangents = tape.cotangents()
        self.flow: dict[int, Array] = {}
        for _, slot, cotangent in self.cotangents:
            self.flow[slot] = self.flow[slot] + cotangent if slot in self.flow else cotangent
        self.start = dict(self.flow)
        self.spots: list[Spot] = []
        self.flow = tape.backward(self.flow, _Watching(tape, self.spots))
        self.base = tape.gradients(self.flow)
        self.spots.sort(key=lambda spot: spot.edge)
        self.turns: dict[Any, list[Spot]] = defaultdict(list)
        for spot in self.spots:
            self.turns[spot.group].append(spot)

    @cached_property
    def values(self) -> dict[str, Array]:
        """Values of the program by what they are called: inputs, and results of expressions."""
        slots = self.tape.slots
        found = {f"`{name}`": slots[slot] for name, slot in self.tape.inputs.items()
                 if as_real(slots[slot])}
        for step in self.tape.steps[::-1]:
            if len(step.outputs) == 1 and as_real(slots[step.outputs[0]]) and np.ndim(
                    slots[step.outputs[0]]):
                text = sources.quoted(step.position)
                name = f"`{text}` (line {step.line.number})"
                if not text or name in found:
                    name = f"the result of {spoken(step.equation)} on line {step.line.number}"
                found.setdefault(name, slots[step.outputs[0]])
        return found

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The sizes of the trial's symbols, and its options that are whole numbers, by name."""
        trial = self.tape.trial
        return factors.symbols(trial) | {name: each for name, each in trial.options.items()
                                         if type(each) is int and each > 0}

    def __iter__(self) -> Iterator[Mutant]:
        for kind in KINDS.values():
            if kind.name in OTHERS:
                yield from OTHERS[kind.name](self, kind)
            if kind.of not in AT_EDGES:
                continue
            for spots in self.turns.values():
                yield from self._at(kind, spots)
            yield from self._whole(kind)

    # --- one edge, in one turn or in all

    def _at(self, kind: Kind, spots: Sequence[Spot]) -> Iterator[Mutant]:
        if (kind.of is Of.GRADIENT and spots[0].repeats) or (
                kind.name in OF_OPERANDS and spots[0].step.name in LINEAR):
            return
        if len(spots) == 1:
            yield from self._once(kind, spots[0], "")
            return
        yield from self._together(kind, spots)
        for at, when in TIMES.items():
            yield from self._once(kind, spots[at], when)

    def _once(self, kind: Kind, spot: Spot, when: str) -> Iterator[Mutant]:
        for detail, make in self._variants(kind, spot):
            yield self._mutant(spot.step.line, kind, spot.words + when, spot.reaches,
                               partial(spot.moved, self.base, make), detail)

    def _variants(self, kind: Kind, spot: Spot) -> Iterator[tuple[str, Make]]:
        if kind.name == "factor":
            return iter([("", partial(np.zeros_like, spot.gradient))])
        place = spot.place(self.values, self.sizes)
        return iter(()) if place is None else at_place(kind)(place)

    def _together(self, kind: Kind, spots: Sequence[Spot]) -> Iterator[Mutant]:
        """The same mistake in every turn of a loop, or at every call of a helper."""
        keys = sorted({name for spot in spots for name in spot.reaches})
        edge, line = f"{spots[0].words}, every time", spots[0].step.line
        if kind.name == "factor":
            for factor in (0.0, -1.0, 2.0, 0.5):
                yield replace(self._mutant(line, kind, edge, keys,
                                           partial(self._scaled, spots, factor)),
                              linear=factor == 0.0 and self._parallel(spots),
                              detail="" if factor == 0.0 else f"{factor:g}")
            return
        details = dict.fromkeys(detail for spot in spots
                                for detail, _ in self._variants(kind, spot))
        for detail in details:
            yield self._mutant(line, kind, edge, keys, partial(self._all, kind, spots, detail),
                               detail)

    def _scaled(self, spots: Sequence[Spot], factor: float) -> Arrays:
        return self._hooked({spot.edge: lambda g, _: factor * g for spot in spots})

    def _parallel(self, spots: Sequence[Spot]) -> bool:
        """Whether no turn's gradient reaches another turn, so that a factor is a factor."""
        half, none = self._scaled(spots, 0.5), self._scaled(spots, 0.0)
        return all(np.allclose(2.0 * half[name], self.base[name] + none[name], rtol=1e-9,
                               atol=1e-12 * np.abs(self.base[name]).max(initial=0.0))
                   for name in half)

    def _all(self, kind: Kind, spots: Sequence[Spot], detail: str) -> Arrays | None:
        """Every turn changed, each with what flows once the later ones are."""
        return self._hooked({spot.edge: partial(self._live, kind, spot, detail)
                             for spot in spots})

    def _live(self, kind: Kind, spot: Spot, detail: str, gradient: Array,
              upstreams: Sequence[Array | None]) -> Array:
        place = Spot(self.tape, spot.edge, gradient, upstreams).place(
            self.values, self.sizes)
        made = {} if place is None else dict(at_place(kind)(place))
        new = made[detail]() if detail in made else None
        return gradient if new is None or np.shape(new) != np.shape(gradient) else new

    def _hooked(self, hooks: Mapping[Edge, Hook]) -> Arrays:
        with np.errstate(all="ignore"):
            return self.tape.gradients(self.tape.backward(self.start, hooks))

    # --- an input, a result that is used several times, or a cotangent, as a whole

    def _whole(self, kind: Kind) -> Iterator[Mutant]:
        if kind.of is Of.GRADIENT:
            yield from self._sources(kind)
        if kind.of is Of.UPSTREAM or kind.name == "factor":
            for number, slot, cotangent in self.cotangents:
                made = kind.change(cotangent, {}) if kind.of is Of.GRADIENT else kind.change(
                    cotangent)
                for detail, make in made:
                    yield self._mutant(self._line(slot), kind, _of(number), [*self.base],
                                       partial(self._given, slot, cotangent, make), detail)

    def _sources(self, kind: Kind) -> Iterator[Mutant]:
        """What has several uses: what flows to all of them together."""
        for slot, used in self.tape.uses.items():
            if len(used) > 1 and slot in self.flow and self._is_first(slot):
                gradient = self.flow[slot]
                for detail, make in kind.change(gradient, self.values):
                    yield self._mutant(self._line(slot), kind, self._called(slot),
                                       sorted(self.tape.roots[slot]), partial(
                        _moved, self.tape, self.base, slot, self.tape.maker.get(slot, -1) + 1,
                        gradient, make), detail)

    def _is_first(self, slot: int) -> bool:
        """Whether it is an input, or made in the first turn of its loop."""
        maker = self.tape.maker.get(slot)
        return maker is None or not any(
            step.equation is self.tape.steps[maker].equation for step in self.tape.steps[:maker])

    def _given(self, slot: int, old: Array, make: Make) -> Arrays | None:
        """The gradients of the inputs for another cotangent of one output."""
        return _moved(self.tape, self.base, slot, len(self.tape.steps), old, make)

    def _line(self, slot: int) -> Line:
        """The line that made a value; for an input, that of its first use."""
        maker = self.tape.maker.get(slot)
        if maker is None:
            used = self.tape.uses.get(slot)
            maker = used[0][0] if used else 0
        return self.tape.steps[maker].line if self.tape.steps else Line("", 0, "")

    def _called(self, slot: int) -> str:
        for name, each in self.tape.inputs.items():
            if each == slot:
                return f"`{name}`"
        step = self.tape.steps[self.tape.maker[slot]]
        text = sources.quoted(step.position)
        return f"`{text}`" if text else f"the result of {spoken(step.equation)}"

    def _mutant(self, line: Line, kind: Kind, edge: str, keys: Sequence[str],
                make: Callable[[], Arrays | None], detail: str = "") -> Mutant:
        made = Lazily(keys, make)
        return Mutant(line, kind.name, edge, made, kind.linear and not detail, detail)

    # --- what no row of the table makes by itself

    def several_uses(self, kind: Kind) -> Iterator[Mutant]:
        """Of several uses of one value the last one counts, or the first."""
        for slot, used in self.tape.uses.items():
            flowing = [spot for spot in self.spots if spot.edge in used]
            if len(flowing) > 2:
                ways = {"the last use": flowing[:-1], "the first use": flowing[1:]}
                for detail, left in ways.items():
                    yield self._mutant(self._line(slot), kind, self._called(slot),
                                       sorted(self.tape.roots[slot]),
                                       partial(self._scaled, left, 0.0), detail)

    def swapped(self, kind: Kind) -> Iterator[Mutant]:
        """The gradient of one input in the place of another's, where the shapes allow."""
        for name, gradient in self.base.items():
            for other, theirs in self.base.items():
                if other != name and theirs.shape == gradient.shape:
                    yield self._mutant(self._line(self.tape.names[name]), kind, f"`{name}`",
                                       [name], partial(dict, {name: theirs}), f"`{other}`")

    def one_output(self, kind: Kind) -> Iterator[Mutant]:
        for number, slot, cotangent in self.cotangents if len(self.cotangents) > 1 else ():
            made = self._mutant(self._line(slot), kind, _of(number), [*self.base], partial(
                self._given, slot, cotangent, partial(np.zeros_like, cotangent)))
            yield replace(made, detail=output(number))

    def output_for_output(self, kind: Kind) -> Iterator[Mutant]:
        for i, slot, mine in self.cotangents:
            for j, other, theirs in self.cotangents:
                if i != j and mine.shape == theirs.shape:
                    ways = {f"the upstream gradient of {output(j)} is added to that of {output(i)} "
                            f"instead": {slot: mine + theirs, other: np.zeros_like(theirs)},
                            f"the upstream gradient of {output(j)} stands for that of {output(i)}":
                            {slot: theirs}}
                    for detail, flow in ways.items():
                        yield self._mutant(self._line(slot), kind, _of(i), [*self.base],
                                           partial(self._flowing, self.start | flow), detail)

    def _flowing(self, flow: dict[int, Array]) -> Arrays:
        return self.tape.gradients(self.tape.backward(flow))

    def unstopped(self, kind: Kind) -> Iterator[Mutant]:
        """A gradient goes on through what stops it; only there does a step carry none."""
        for index, step in enumerate(self.tape.steps):
            if step.name == "stop_gradient":
                (slot,), (made,) = step.inputs, step.outputs
                if self.tape.reaching[slot] and made in self.flow:
                    flowing = self.flow[made]
                    yield self._mutant(step.line, kind, self._called(slot),
                                       sorted(self.tape.roots[slot]), partial(
                        _moved, self.tape, self.base, slot, index, np.zeros_like(flowing),
                        partial(np.array, flowing)))

    def rounded(self, kind: Kind) -> Iterator[Mutant]:
        """A value is rounded to storage, and the backward is that of the rounded one."""
        storage = FORMATS[self.tape.trial.dtype]
        for step in self.tape.steps:
            slot = step.outputs[0]
            if as_real(self.tape.slots[slot]) and slot in self.flow and self._is_first(slot):
                yield self._mutant(step.line, kind, self._called(slot), [*self.base],
                                   partial(self._with_value, slot, storage.rounded))

    def _with_value(self, slot: int, change: Callable[[Array], Array]) -> Arrays:
        slots = self.tape.with_value(slot, change(self.tape.slots[slot]))
        return self.tape.gradients(self.tape.backward(self.start, slots=slots))


class _Watching(Mapping[Edge, Hook]):
    """Hooks that change nothing, and note each edge with what flows through it."""

    def __init__(self, tape: Tape, spots: list[Spot]) -> None:
        self.tape, self.spots = tape, spots

    def __getitem__(self, edge: Edge) -> Hook:
        def note(gradient: Array, upstreams: Sequence[Array | None]) -> Array:
            self.spots.append(Spot(self.tape, edge, gradient, list(upstreams)))
            return gradient
        return note

    def __iter__(self) -> Iterator[Edge]:
        return iter(())

    def __len__(self) -> int:
        return 1


def _source(tape: Tape, slot: int, step: Step) -> tuple[int, Step | None]:
    """Where a value comes from, seen through steps of the same expression that only move it."""
    while (index := tape.maker.get(slot)) is not None:
        maker = tape.steps[index]
        if maker.position != step.position or maker.name not in MOVED or not maker.inputs:
            return slot, maker
        slot = maker.inputs[0]
    return slot, None


def _moved(tape: Tape, base: Arrays, slot: int, below: int, old: Array, make: Make
           ) -> Arrays | None:
    """The gradients of the inputs where a slot gets what is made, of steps before `below`."""
    with np.errstate(all="ignore"):
        new = make()
        if new is None or np.shape(new) != np.shape(old):
            return None
        off = tape.gradients(tape.backward({slot: new - old}, below=below))
        return {name: base[name] + off[name] for name in sorted(tape.roots[slot])}


def _of(number: int) -> str:
    return f"the gradient of {output(number)}"


OTHERS: dict[str, Callable[[Mutator, Kind], Iterator[Mutant]]] = {
    "uses": Mutator.several_uses, "swapped": Mutator.swapped, "one output": Mutator.one_output,
    "output for output": Mutator.output_for_output, "gradient stopped not": Mutator.unstopped,
    "rounded": Mutator.rounded,
}
