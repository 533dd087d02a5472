"""Wrong backwards of a plain form of PyTorch, each with the line at which it goes wrong.

The rows are those of `mutants.KINDS`. Nothing is computed until a mutant's gradients are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from .. import factors, sources
from ..changes import ordinal, scaled
from ..formats import FORMATS
from ..lazily import Lazily
from ..mutants import KINDS, Kind, Of, Place, at_place
from ..trial import Arrays, Line, Mutant, Trial, output
from . import reruns
from .graph import Function, Graph, again
from .recording import Call, Operand, uses
from .tensors import LAID

Array = Any
Made = Callable[[], Arrays | None]
STATISTICS = ("amax", "amin", "max", "min", "mean")
# Kinds of many variants, which are tried in the first and the last turn of a loop alone.
ONCE = frozenset({"blocks", "cut", "group", "scaled", "reordered", "operand reordered",
                  "operand grouped", "another value", "sum in storage", "overwritten", "divisor"})
NOTHING = 1e-13  # of what flows to a call: as good as 0


class Spot:
    """An edge: one operand of one call, what flows to it, and which inputs that reaches.

    What many rows ask for alike is computed once.
    """

    def __init__(self, graph: Graph, call: Call, operand: Operand, gradient: Array | None,
                 upstreams: Sequence[Array | None]) -> None:
        self.graph, self.call, self.operand = graph, call, operand
        self.upstreams = list(upstreams)
        self.gradient = np.zeros(tuple(operand.tensor.shape)) if gradient is None else gradient
        self.paths = graph.flow(operand.edge, -self.gradient)
        self.position = [each.place for each in call.operands].index(operand.place)
        self._moves: dict[bytes, Arrays] = {}
        self._derivatives: dict[bytes, Array | None] = {}

    @cached_property
    def words(self) -> str:
        """What the gradient flows to, as the source calls it."""
        place = self.operand.place[1:]
        text = sources.operand(self.call.inner, place, len(self.call.arguments))
        if text and not self.call.whole:
            return f"`{text}`"
        which = f"the {ordinal(self.position)} operand"
        return f"`{text}` in {self.call.whole}" if text else f"{which} of {self.call.name}"

    def place(self, values: Mapping[str, Array], sizes: Mapping[str, int]) -> Place | None:
        """For the rows of the table; None where the call has several results, or nothing flows."""
        (only, *more) = self.upstreams
        if only is None or more:
            return None
        return Place(self.gradient, only, self._operands, self.position,
                     self.call.values[0].numpy(), self.call.name, self._derivative, values,
                     FORMATS[self.graph.trial.dtype], sizes)

    @property
    def _operands(self) -> tuple[Array, ...]:
        return tuple(each.tensor.numpy() for each in self.call.operands)

    def _derivative(self, upstream: Array | None = None,
                    operands: Mapping[int, Array] | None = None) -> Array | None:
        if operands is None and upstream is not None:
            key = upstream.tobytes()
            if key not in self._derivatives:
                self._derivatives[key] = again(self.call, self.operand, [upstream], {})
            return self._derivatives[key]
        others = {self.call.operands[i].place: each for i, each in (operands or {}).items()}
        given = self.upstreams if upstream is None else [upstream]
        return again(self.call, self.operand, given, others)

    def with_option(self, place: tuple[Any, ...], new: Any) -> Array | None:
        return again(self.call, self.operand, self.upstreams, {place: new})

    def moved(self, make: Callable[[], Array | None]) -> Arrays | None:
        """The gradients of the inputs where this edge carries what is made."""
        new = make()
        if new is None or new.shape != self.gradient.shape:
            return None
        key = new.tobytes()
        if key not in self._moves:
            off = self.graph.flow(self.operand.edge, new - self.gradient)
            self._moves[key] = {name: self.graph.gradients[name] + each
                                for name, each in off.items()}
        return self._moves[key]


class Mutator:
    """All wrong backwards of a plain form at a trial."""

    def __init__(self, plain: Function, trial: Trial) -> None:
        self.plain, self.trial = plain, trial
        self.graph = graph = Graph(plain, trial)
        edges = [edge for call in graph.calls for edge in
                 [*call.edges, *(each.edge for each in call.operands)] if edge is not None]
        graph.gradients, flowing = graph.backward(edges)
        self.flowing = {id(edge): each for edge, each in zip(edges, flowing, strict=True)}
        self._block()
        self.spots = [*self._spots()]
        self.turns: dict[Any, list[Spot]] = defaultdict(list)
        for spot in self.spots:
            self.turns[spot.call.spot, spot.operand.place].append(spot)

    def _block(self) -> None:
        """Close paths that carry nothing in a right backward: no program has them.

        As that through the maximum which a softmax subtracts: what flows there adds up to 0.
        """
        for call in self.graph.calls:
            upstreams = [self.flowing[id(edge)] for edge in call.edges if edge is not None]
            most = sum(float(np.abs(each).sum()) for each in upstreams if each is not None)
            for operand in call.operands:
                gradient = None if operand.edge is None else self.flowing[id(operand.edge)]
                if gradient is not None and self._statistic(operand) and (
                        np.abs(gradient).max(initial=0.0) <= NOTHING * most):
                    self.graph.block(operand.edge)

    def _statistic(self, operand: Operand) -> bool:
        made = operand.source
        return isinstance(made, int) and self.graph.calls[made].name in STATISTICS

    def _spots(self) -> Iterator[Spot]:
        for call in self.graph.calls:
            upstreams = [None if edge is None else self.flowing[id(edge)] for edge in call.edges]
            for operand in call.operands:
                if operand.edge is not None and any(each is not None for each in upstreams):
                    yield Spot(self.graph, call, operand, self.flowing[id(operand.edge)],
                               upstreams)

    @cached_property
    def values(self) -> dict[str, Array]:
        """Values of the program by what they are called: inputs, and results of calls."""
        found = {f"`{name}`": each.detach().numpy() for name, each in self.graph.inputs.items()
                 if each is not None and each.dtype.is_floating_point}
        for call in self.graph.calls:
            if len(call.values) == 1:
                text = sources.quoted(call.inner) or f"the result of {call.name}"
                name = f"`{text}` (line {call.position.first})"
                again = sum(each == name or each.startswith(f"{name},") for each in found)
                found[f"{name}, the {ordinal(again)} time" if again else name] = (
                    call.values[0].numpy())
        return found

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Numbers of the trial by name: those of its symbols, and options that are numbers."""
        known = factors.symbols(self.trial)
        given = {name: value for name, value in self.trial.options.items()
                 if type(value) is int and value > 0}
        return known | given

    def __iter__(self) -> Iterator[Mutant]:
        for kind in KINDS.values():
            if kind.of is Of.OTHER:
                yield from OTHERS[kind.name](self, kind)
                continue
            for spot in self.spots:
                yield from self._at(kind, spot)
            for spots in self.turns.values():
                if len(spots) > 1:
                    yield from self._together(kind, spots)
            yield from self._whole(kind)

    # --- one edge, in one turn or in all

    def _at(self, kind: Kind, spot: Spot) -> Iterator[Mutant]:
        edge = spot.words
        turns = self.turns[spot.call.spot, spot.operand.place]
        if len(turns) > 1:
            if spot not in (turns[0], turns[-1]):
                return
            edge += ", the first time" if spot is turns[0] else ", the last time"
        for detail, make in self._variants(kind, spot):
            yield self._mutant(spot.call.line, kind, edge, [*spot.paths],
                               partial(spot.moved, make), detail)

    def _variants(self, kind: Kind, spot: Spot) -> Iterator[tuple[str, Any]]:
        if kind.name == "factor":
            yield "", partial(np.zeros_like, spot.gradient)
            return
        place = spot.place(self.values, self.sizes)
        if place is not None:
            yield from at_place(kind)(place)

    def _together(self, kind: Kind, spots: Sequence[Spot]) -> Iterator[Mutant]:
        """The same mistake in every turn of a loop, or at every call of a helper."""
        keys = sorted({name for spot in spots for name in spot.paths})
        edge, line = f"{spots[0].words}, every time", spots[0].call.line
        if kind.name == "factor":
            yield from self._factors(kind, spots, keys, edge)
            return
        if kind.name in ONCE:
            return
        details = dict.fromkeys(
            detail for spot in spots for detail, _ in self._variants(kind, spot))
        for detail in details:
            yield self._mutant(line, kind, edge, keys, partial(self._all, kind, spots, detail),
                               detail)

    def _factors(self, kind: Kind, spots: Sequence[Spot], keys: Sequence[str],
                 edge: str) -> Iterator[Mutant]:
        """Where the turns do not feed each other, any factor; else the usual ones one by one."""
        line = spots[0].call.line
        detached, parallel = partial(self._scaled, spots, 0.0), self._parallel(spots)
        yield self._mutant(line, kind, edge, keys, detached, linear=parallel)
        if not parallel:
            for factor in (-1.0, 2.0, 0.5):
                yield self._mutant(line, kind, edge, keys, partial(self._scaled, spots, factor),
                                   f"{factor:g}")

    def _parallel(self, spots: Sequence[Spot]) -> bool:
        """Whether no turn's gradient reaches another turn."""
        joint = self._scaled(spots, 0.0)
        for name, each in joint.items():
            apart = self.graph.gradients[name] + sum(
                (spot.paths[name] for spot in spots if name in spot.paths), np.zeros_like(each))
            if np.abs(apart - each).max(initial=0.0) > 1e-9 * (
                    1e-30 + np.abs(apart).max(initial=0.0)):
                return False
        return True

    def _scaled(self, spots: Sequence[Spot], factor: float) -> Arrays:
        return self.graph.changed([(spot.operand.edge, lambda g: factor * g) for spot in spots])

    def _all(self, kind: Kind, spots: Sequence[Spot], detail: str) -> Arrays | None:
        """Every turn changed, each with what flows once the later ones are."""
        changes: list[Any] = []
        for spot in spots:
            live: list[Array] = []
            changes.append((spot.call.edges[0], partial(_kept, live)))
            changes.append((spot.operand.edge, partial(self._live, kind, spot, live, detail)))
        return self.graph.changed(changes)

    def _live(self, kind: Kind, spot: Spot, live: list[Array], detail: str,
              gradient: Array) -> Array:
        place = spot.place(self.values, self.sizes)
        if place is None or not live:
            return gradient
        upstream = live[-1]

        def derivative(upstream: Array = upstream, operands: Any = None) -> Array | None:
            return spot._derivative(upstream, operands)
        place = replace(place, gradient=gradient, upstream=upstream, derivative=derivative)
        made = dict(at_place(kind)(place))
        new = made[detail]() if detail in made else None
        return gradient if new is None or new.shape != gradient.shape else new

    # --- an input, a result that is used several times, or a cotangent, as a whole

    def _whole(self, kind: Kind) -> Iterator[Mutant]:
        if kind.of is Of.GRADIENT:
            yield from self._inputs(kind)
            yield from self._results(kind)
        if kind.of is Of.UPSTREAM or kind.name == "factor":
            yield from self._cotangents(kind)

    def _inputs(self, kind: Kind) -> Iterator[Mutant]:
        for name, gradient in self.graph.gradients.items():
            used = uses(self.graph.calls, name)
            if len(used) > 1:
                line = self.graph.calls[used[0][0]].line
                for detail, make in kind.change(gradient, self.values):
                    yield self._mutant(line, kind, f"`{name}` in all its uses", [name],
                                       partial(_only, name, make, gradient), detail)

    def _results(self, kind: Kind) -> Iterator[Mutant]:
        for i, call in enumerate(self.graph.calls):
            if len(uses(self.graph.calls, i)) < 2 or len(call.edges) != 1:
                continue
            gradient = self.flowing.get(id(call.edges[0]))
            if gradient is not None and call.occurrence == 0:
                text = sources.quoted(call.inner)
                edge = f"`{text or call.name}` in all its uses"
                for detail, make in kind.change(gradient, self.values):
                    yield self._mutant(call.line, kind, edge, [*self.graph.leaves], partial(
                        self._moved, call.edges[0], make, gradient), detail)

    def _moved(self, edge: Any, make: Any, old: Array) -> Arrays | None:
        new = make()
        if new is None or new.shape != old.shape:
            return None
        off = self.graph.flow(edge, new - old)
        return {name: self.graph.gradients[name] + each for name, each in off.items()}

    def _cotangents(self, kind: Kind) -> Iterator[Mutant]:
        for i, out, cotangent in self.graph.pairs():
            old = cotangent.numpy()
            made = kind.change(old, {}) if kind.of is Of.GRADIENT else kind.change(old)
            for detail, make in made:
                yield self._mutant(self._line(out), kind, _of(i), [*self.graph.leaves],
                                   partial(self._moved, out, make, old), detail)

    def _line(self, out: torch.Tensor) -> Line:
        """The line that made an output; the first line of the plain form where none did."""
        made = self.graph.made.get(id(out))
        if made is not None and isinstance(made[1], int):
            return self.graph.calls[made[1]].line
        return self.graph.calls[-1].line if self.graph.calls else Line("", 0, "")

    def _mutant(self, line: Line, kind: Kind, edge: str, keys: Sequence[str], make: Made,
                detail: str = "", linear: bool = True) -> Mutant:
        return Mutant(line, kind.name, edge, Lazily(keys, make),
                      kind.linear and linear and not detail, detail)

    # --- what only the framework can do

    def several_uses(self, kind: Kind) -> Iterator[Mutant]:
        """Of several uses of one tensor the last one counts, or the first."""
        names: list[int | str] = [*self.graph.leaves, *range(len(self.graph.calls))]
        for source in names:
            used = uses(self.graph.calls, source)
            if len(used) > 2:
                line = self.graph.calls[used[0][0]].line
                edge = f"`{source}`" if isinstance(source, str) else self._result(source)
                for detail, left in (("the last use", used[:-1]), ("the first use", used[1:])):
                    yield self._mutant(line, kind, edge, [*self.graph.leaves], partial(
                        self._detached, [each.edge for _, each in left]), detail)

    def _result(self, i: int) -> str:
        return f"`{sources.quoted(self.graph.calls[i].inner) or self.graph.calls[i].name}`"

    def _detached(self, edges: Sequence[Any]) -> Arrays:
        total = dict(self.graph.gradients)
        for edge in edges:
            gradient = self.flowing[id(edge)]
            if gradient is not None:
                for name, each in self.graph.flow(edge, -gradient).items():
                    total[name] = total[name] + each
        return total

    def swapped(self, kind: Kind) -> Iterator[Mutant]:
        """The gradient of one input in the place of another's, where the shapes allow."""
        for name, gradient in self.graph.gradients.items():
            used = uses(self.graph.calls, name)
            for other, theirs in self.graph.gradients.items():
                if other != name and theirs.shape == gradient.shape and used:
                    line = self.graph.calls[used[0][0]].line
                    yield self._mutant(line, kind, f"`{name}`", [name],
                                       partial(dict, {name: theirs}), f"`{other}`")

    def one_output(self, kind: Kind) -> Iterator[Mutant]:
        pairs = [*self.graph.pairs()]
        for i, out, cotangent in pairs if len(pairs) > 1 else ():
            old = cotangent.numpy()
            yield replace(self._mutant(
                self._line(out), kind, _of(i), [*self.graph.leaves],
                partial(self._moved, out, partial(np.zeros_like, old), old)), detail=output(i))

    def output_for_output(self, kind: Kind) -> Iterator[Mutant]:
        pairs = [*self.graph.pairs()]
        for i, out, cotangent in pairs:
            for j, other, theirs in pairs:
                if i != j and cotangent.shape == theirs.shape:
                    ways = {f"the upstream gradient of {output(j)} is added to that of {output(i)}"
                            f" instead": (theirs, -theirs),
                            f"the upstream gradient of {output(j)} stands for that of {output(i)}":
                            (theirs - cotangent, 0 * theirs)}
                    for detail, (mine, his) in ways.items():
                        yield self._mutant(self._line(out), kind, _of(i), [*self.graph.leaves],
                                           partial(self._both, (out, mine), (other, his)), detail)

    def inside(self, kind: Kind) -> Iterator[Mutant]:
        """The upstream gradient of one output is added at a value on the way to another."""
        pairs = [*self.graph.pairs()]
        yield from self.output_for_output(kind)
        for i, out, cotangent in pairs if len(self.graph.outputs) > 1 else ():
            for j, call in enumerate(self.graph.calls):
                fits = len(call.edges) == 1 and call.edges[0] is not None and (
                    call.values[0].shape == cotangent.shape) and call.results[0] is not out
                if fits and call.occurrence == 0:
                    yield self._mutant(
                        call.line, kind, _of(i), [*self.graph.leaves], partial(
                            self._both, (out, -cotangent), (call.edges[0], cotangent)),
                        f"the upstream gradient of {output(i)} is added at {self._result(j)}, "
                        "where it does not pass")

    def scales(self, kind: Kind) -> Iterator[Mutant]:
        """What flows into a product or a quotient is times one of its operands, or over it."""
        for i, call in enumerate(self.graph.calls):
            gradient = self.flowing.get(id(call.edges[0])) if len(call.edges) == 1 else None
            if gradient is None or call.occurrence or call.name not in ("mul", "div"):
                continue
            own = {f"`{text}`": each.tensor.numpy() for each in call.operands
                   if (text := sources.operand(call.inner, each.place[1:], len(call.arguments)))}
            for detail, make in scaled(gradient, own):
                yield self._mutant(call.line, kind, self._result(i), [*self.graph.leaves], partial(
                    self._moved, call.edges[0], make, gradient), detail)

    def several(self, kind: Kind) -> Iterator[Mutant]:
        """The derivatives of up to four calls one after another are left out together."""
        for spot in self.spots:
            later, steps = spot.call, 0
            while steps < 3 and (nexts := self._next(later)) is not None:
                later, steps = nexts, steps + 1
                if later.edges[0] is None or later.values[0].shape != spot.operand.tensor.shape:
                    continue
                upstream = self.flowing[id(later.edges[0])]
                if upstream is not None and spot.call.occurrence == 0:
                    yield self._mutant(
                        later.line, kind, spot.words, [*spot.paths], partial(
                            spot.moved, partial(np.array, upstream)),
                        f"the gradient of `{sources.quoted(later.inner) or later.name}`")

    def _next(self, call: Call) -> Call | None:
        """The one call that uses a call's one result; None where there are several, or none."""
        i = self.graph.calls.index(call)
        found = uses(self.graph.calls, i)
        return self.graph.calls[found[0][0]] if len(found) == 1 and len(call.edges) == 1 else None

    def _both(self, *pairs: tuple[Any, torch.Tensor]) -> Arrays:
        total = dict(self.graph.gradients)
        for out, off in pairs:
            for name, each in self.graph.flow(out, off.numpy()).items():
                total[name] = total[name] + each
        return total

    def contiguous(self, kind: Kind) -> Iterator[Mutant]:
        """A cotangent's memory is read from its start on, as if it lay there in order."""
        for i, out, cotangent in self.graph.pairs():
            value = self.trial.cotangents[i]
            assert value is not None
            laid = LAID[value.layout](cotangent.clone())
            if not laid.is_contiguous():
                for detail, mode in (("", "clip"), ("from the start again at the end", "wrap")):
                    yield self._mutant(
                        self._line(out), kind, output(i), [*self.graph.leaves], partial(
                            self._moved, out, partial(linearly, laid, mode), cotangent.numpy()),
                        detail)

    def options(self, kind: Kind) -> Iterator[Mutant]:
        """A flag, or a number with a name, of one call is another in its backward."""
        for spot in self.spots:
            for place, new, detail in reruns.flipped(spot.call):
                yield self._mutant(spot.call.line, kind, spot.words, [*spot.paths], partial(
                    spot.moved, partial(spot.with_option, place, new)), detail)

    def edited(self, kind: Kind) -> Iterator[Mutant]:
        """Forward and backward with one call changed."""
        keys = [*self.graph.leaves, *(output(i) for i, _, _ in self.graph.pairs())]
        for i, call in enumerate(self.graph.calls):
            if call.occurrence == 0:
                for detail, edit in reruns.EDITS[kind.name](call, self.graph):
                    yield self._mutant(call.line, kind, self._result(i), keys, partial(
                        self._rerun, {call.spot: edit}), detail)

    def _rerun(self, edits: dict[Any, Any]) -> Arrays | None:
        return reruns.rerun(self.plain, self.trial, edits)


def _kept(live: list[Array], gradient: Array) -> Array:
    live.append(np.array(gradient))
    return gradient


def _only(name: str, make: Callable[[], Array | None], old: Array) -> Arrays | None:
    new = make()
    return None if new is None or new.shape != old.shape else {name: new}


def _of(number: int) -> str:
    return output(number)


def linearly(tensor: torch.Tensor, mode: Any) -> Array:
    """The tensor's memory read in order from its first entry; at its end as `numpy.take` has it."""
    memory = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage()).numpy()
    memory = memory[tensor.storage_offset():]
    return np.take(memory, np.arange(tensor.numel()), mode=mode).reshape(tuple(tensor.shape))


OTHERS: dict[str, Callable[[Mutator, Kind], Iterator[Mutant]]] = {
    "uses": Mutator.several_uses, "swapped": Mutator.swapped, "one output": Mutator.one_output,
    "output for output": Mutator.inside,
    "straight through several": Mutator.several, "own scale": Mutator.scales,
    "taken as contiguous": Mutator.contiguous,
    "option": Mutator.options, "left out": Mutator.edited,
    "gradient stopped not": Mutator.edited, "other statistic": Mutator.edited,
    "rounded": Mutator.edited,
}


def mutants(plain: Function, trial: Trial) -> Iterator[Mutant]:
    """Wrong backwards of the plain form in float64 on the CPU, the simplest kinds first."""
    return iter(Mutator(plain, trial))
