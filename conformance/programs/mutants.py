"""The table of wrong backwards: what people do to a gradient on its way, by kind.

A row changes one array at one place of a backward pass; `Of` says which. All are functions of NumPy
arrays, so that both frameworks share them; what a framework must do itself (the derivative of
one call, a forward with one call changed) is handed in by `Place` or named by the row. Most rows
come from real programs; docs/programs.md tells which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from . import changes
from .changes import Variants
from .formats import FORMATS, Format

Array = Any
Derivative = Callable[..., Any]


class Of(Enum):
    """What a row changes; the value says what its function takes.

    GRADIENT: what flows to one operand of a call, or to an input from all its uses; its function
    takes the values of the program too, by what they are called.
    UPSTREAM: the gradient of a call's result, for one operand of it alone; or a cotangent.
    PLACE: what flows to one operand, from all that is known at its call.
    OTHER: what only the framework can change, named by the row.
    """

    GRADIENT = "an array"
    UPSTREAM = "the upstream gradient"
    PLACE = "a Place"
    OTHER = "nothing"


@dataclass(frozen=True)
class Place:
    """One operand of one call, in the backward pass.

    gradient: what flows to the operand; upstream: the gradient of the call's result; operands: all
    tensors that the call takes, in their order, `position` among them; result: what it gave.
    before: by what it is called, other values of the program (inputs, results of calls).
    sizes: numbers of the trial by name, those of its symbols and options. storage: what the program
    stores numbers in. derivative(upstream=..., operands={i: array}):
    what flows to the operand when these are in the place of the true ones; None where the call
    cannot be made with them.
    """

    gradient: Array
    upstream: Array
    operands: tuple[Array, ...]
    position: int
    result: Array
    operation: str
    derivative: Derivative
    values: Mapping[str, Array] = field(default_factory=dict)
    storage: Format = FORMATS["float32"]
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def operand(self) -> Array:
        return self.operands[self.position]


@dataclass(frozen=True)
class Kind:
    """name: the key. of: what it changes. words: of the finding, with {edge} for what the gradient
    flows to, {line} for the line, {detail} for the variant, {factor} for a fitted number.

    change: yields the variants, each a name and a function of no arguments that gives the changed
    array, or None where the kind does not apply. linear: as `trial.Mutant` says.
    """

    name: str
    of: Of
    words: str
    change: Callable[..., Variants] = changes.none
    linear: bool = False


def _upstream(change: Callable[..., Variants]) -> Callable[[Place], Variants]:
    """A change of the upstream gradient as one of the gradient that flows to an operand."""
    def changed(place: Place) -> Variants:
        for detail, made in change(place.upstream):
            yield detail, lambda made=made: (
                None if (new := made()) is None else place.derivative(upstream=new))
    return changed


def at_place(kind: Kind) -> Callable[[Place], Variants]:
    """A row of GRADIENT, UPSTREAM or PLACE as a change at one operand of one call."""
    if kind.of is Of.UPSTREAM:
        return _upstream(kind.change)
    if kind.of is Of.GRADIENT:
        return lambda place: kind.change(place.gradient, place.values)
    return kind.change


def _rows() -> Iterator[Kind]:
    gradient, upstream, place, other = Of
    yield Kind("factor", gradient, "the path through {line} {factor}", changes.zero, linear=True)
    yield Kind("uses", other, "{edge} is used several times, and its gradient is not added up: "
                              "only {detail} counts, in {line}")
    yield Kind("swapped", other, "the gradient of {edge} in {line} is that of {detail}")
    yield Kind("own factor", place, "the backward of {line} leaves out {detail}",
               changes.own_factors)
    yield Kind("straight through", place,
               "the derivative of {line} is left out (the gradient is passed on to {edge} as it "
               "is)",
               changes.straight)
    yield Kind("own scale", other, "the gradient of {edge} in {line} is {detail}")
    yield Kind("scaled", gradient, "the gradient of {edge} in {line} is {detail}", changes.scaled)
    yield Kind("straight through several", other,
               "the derivatives of {line} are left out from {edge} on: {detail} is passed on as it "
               "is")
    yield Kind("one output", other, "the upstream gradient of {detail} is ignored, in {line}",
               linear=True)
    yield Kind("output for output", other, "{detail}, in {line}")
    yield Kind("upstream ignored", upstream,
               "the upstream gradient is ignored (taken as 1) for {edge} of {line}", changes.ones)
    yield Kind("first entry for all", upstream,
               "the upstream gradient's first entry is used for all, for {edge} of {line}",
               changes.first_entry)
    yield Kind("first row for all", upstream,
               "the upstream gradient's first slice along {detail} is used for all, for {edge} of "
               "{line}", changes.first_rows)
    yield Kind("mean for all", upstream,
               "the upstream gradient's mean is used for all, for {edge} of {line}", changes.mean)
    yield Kind("upstream twice", upstream,
               "the upstream gradient is multiplied in twice, for {edge} of {line}",
               changes.squared)
    yield Kind("taken as contiguous", other,
               "the upstream gradient of {edge} is read as if it were contiguous, in {line}")
    yield Kind("derivative of the result", place,
               "the derivative at {edge} of {line} takes its {detail}", changes.formulas)
    yield Kind("part of the derivative", place,
               "the derivative at {edge} of {line} has one of its terms alone: {detail}",
               changes.terms)
    yield Kind("mask", place, "in the backward of {line}, {detail}", changes.masks)
    yield Kind("maximum", place, "the gradient of the maximum in {line} goes to {detail}",
               changes.maxima)
    yield Kind("overwritten", place,
               "for {edge} of {line}, contributions to one entry overwrite each other where they "
               "should add up ({detail})", changes.overwritten)
    yield Kind("only first", upstream,
               "the sum that is the gradient of {edge} in {line} takes {detail} alone",
               changes.first_only)
    yield Kind("blocks", upstream,
               "the gradient of {edge} in {line} leaves out {detail}", changes.blocks)
    yield Kind("cut", place,
               "the gradient of {edge} in {line} leaves out {detail}", changes.cut)
    yield Kind("group", place,
               "the gradient of {edge} in {line} takes {detail}", changes.groups)
    yield Kind("triangle", gradient,
               "the gradient of {edge} in {line} {detail}", changes.triangles)
    yield Kind("another value", place,
               "the backward of {line} is computed from {detail}", changes.other_values)
    yield Kind("first rows' indices", place,
               "the backward of {line} uses the indices of {detail} for all", changes.first_indices)
    yield Kind("divisor", place, "the backward of {line} {detail}", changes.divisors)
    yield Kind("stride", place, "slices of the gradient of {edge} in {line} are written with the "
                                "stride of the result", changes.strides)
    yield Kind("transposed", gradient,
               "the gradient of {edge} in {line} is transposed", changes.transposed)
    yield Kind("operand transposed", place,
               "the backward of {line} takes {detail} transposed", changes.operands_transposed)
    yield Kind("reordered", gradient,
               "the gradient of {edge} in {line} is {detail}", changes.reordered)
    yield Kind("operand reordered", place,
               "the backward of {line} takes {detail}", changes.operands_reordered)
    yield Kind("operand grouped", place,
               "the backward of {line} takes {detail}", changes.operands_grouped)
    yield Kind("option", other, "the backward of {line} has {detail}")
    yield Kind("left out", other, "the backward is computed without {line} ({detail})")
    yield Kind("gradient stopped not", other, "a gradient flows through {line}, which stops it")
    yield Kind("other statistic", other, "the backward of {line} has {detail}")
    yield Kind("rounded", other,
               "{line} is rounded to the dtype of storage before the backward uses it")
    yield Kind("operand rounded", place,
               "the backward of {line} rounds {detail} to the dtype of storage",
               changes.operands_rounded)
    yield Kind("derivative rounded", place,
               "the derivative at {edge} of {line} is rounded to the dtype of storage before it is "
               "used", changes.derivative_rounded)
    yield Kind("gradient rounded", place,
               "the gradient of {edge} in {line} is rounded to the dtype of storage on its way",
               changes.rounded)
    yield Kind("sum in storage", place,
               "the sum that is the gradient of {edge} in {line} is kept in the dtype of storage "
               "({detail})", changes.summed_in_storage)


KINDS: dict[str, Kind] = {kind.name: kind for kind in _rows()}
ORDER: dict[str, int] = {name: i for i, name in enumerate(KINDS)}
