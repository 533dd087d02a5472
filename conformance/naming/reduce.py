"""The smallest case that still fails: greedy passes over the case itself, to a fixed point.

Smaller is `size`. Each kind of simplification is a generator of candidates; it reads `best.case`
anew for each one, so it goes on from whatever was accepted last.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ..judging.clock import TimeIsUp
from ..properties.claims import Claims, activation
from ..properties.identities import rows
from ..properties.inside import output_activation
from ..properties.membership import covers, distributions
from ..properties.tolerance import spread
from ..reference import ACTIVATIONS, TABLES, Case, DescriptionError, LayerSpec
from ..reference.network import COTANGENT
from .editing import Kept, Tree, rebuilt, shorter, tree, unshared, with_spec

SIMPLEST = ("identity", "relu",
            *(name for name in ACTIVATIONS if name not in ("identity", "relu")))
DYADIC = (*range(11), 16, 24)
Check = Callable[[Case], bool]


@dataclass
class Best:
    """The smallest case found so far."""

    case: Case


def reduce(case: Case, fails: Check, claims: Claims, seconds: float = 5.0,
           valid: Check | None = None) -> Case:
    """The smallest case inside `claims` for which `valid` and `fails` hold, by greedy passes.

    Invariant: every case accepted is smaller by `size`, a tuple of natural numbers, than the one
    before. So the passes end, and their order is always the same; `seconds` only cuts them short.
    `valid` is by default `clear`. An exception in a check counts as False. Where `case` itself does
    not fail it is returned as it is.
    """
    deadline, best, seen, kind = time.monotonic() + seconds, Best(case), set[str](), 0
    if not holds(fails, case):
        return case
    while kind < len(KINDS):
        smallest = size(best.case)
        for candidate in KINDS[kind](best, claims):
            if time.monotonic() > deadline:
                return best.case
            if size(candidate) >= size(best.case) or candidate.id in seen:
                continue
            seen.add(candidate.id)
            checks = (partial(covers, claims), valid or clear, fails)
            try:
                if all(holds(check, candidate) for check in checks):
                    best.case = candidate
            except TimeIsUp:
                return best.case
        kind = 0 if size(best.case) < smallest else kind + 1
    return best.case


def holds(check: Check, case: Case) -> bool:
    """Whether `check` says yes, asked with a copy; an exception is a no, but for TimeIsUp."""
    try:
        return bool(check(case.copy()))
    except (KeyboardInterrupt, TimeIsUp):
        raise
    except BaseException:
        return False


def clear(case: Case) -> bool:
    """Whether all right programs must agree on the case: finite, and no unit on a kink."""
    found = spread(case)
    return found.finite and not found.unclear


# --- what is smaller ------------------------------------------------------------------------------


def size(case: Case) -> tuple[int, ...]:
    """Layers, branches, shared layers, options that add to a layer, axes of the inputs, extents,
    examples, ranks of the activations, entries other than 0, 1, -1, and the bits of all entries.
    """
    specs = [spec for _, spec in case.network.walk()]
    lengths = [bits(v) for array in arrays(case).values() for v in array.ravel().tolist()]
    ranks = sum(SIMPLEST.index(spec.function) for spec in specs if spec.function is not None)
    shared = sum(spec.share is not None for spec in specs)
    shape = case.network.input_shape
    words = 0 if case.network.real else extent(case, INDEX)
    inside = sum(shape) + words + sum(n for spec in specs for value in spec.options.values()
                                      for n in numbers_in(value))
    branches = sum(len(spec.branches) for spec in specs)
    more = sum(len(added(spec)) for spec in specs)
    return (len(specs), branches, shared, more, len(shape), inside, case.batch, ranks,
            sum(n > 2 for n in lengths), sum(lengths))


def numbers_in(value: Any) -> list[int]:
    """The whole numbers of an option, which may be a list of them, or of pairs."""
    if isinstance(value, list):
        return [n for each in value for n in numbers_in(each)]
    return [value] if type(value) is int else []


def added(spec: LayerSpec) -> list[str]:
    """The options that are true and add to the layer: a mask, a state, but not a bias."""
    return [name for name, value in spec.options.items() if value is True and name != "bias"]


def bits(value: float) -> int:
    """The length of a number as a fraction in lowest terms: 1 for 0, 2 for 1, 4 for 3/2."""
    if not math.isfinite(value):
        return 4096
    top, bottom = float(value).as_integer_ratio()
    return top.bit_length() + bottom.bit_length()


# --- the layers -----------------------------------------------------------------------------------


def built(case: Case, trees: Iterable[Tree]) -> Iterator[Case]:
    """The cases of those trees whose layers fit."""
    for layers in trees:
        try:
            yield rebuilt(case, layers)
        except DescriptionError:
            continue


def fewer_layers(best: Best, claims: Claims) -> Iterator[Case]:
    """Layers left out, branches in place of what joins them, and parameters no longer shared."""
    for edit in (shorter, unshared):
        case = best.case
        for candidate in built(case, edit(tree(case.network.layers))):
            yield candidate
            if best.case is not case:  # accepted: go on from there in the next round
                break


def fewer_options(best: Best, claims: Claims) -> Iterator[Case]:
    """Layers without what an option adds to them."""
    for name, spec in best.case.network.walk():
        for option in added(spec):
            layers = tree(best.case.network.layers)
            now = best.case.network.layer(name).but(**{option: False})
            yield from built(best.case, [with_spec(layers, name, now)])


def fewer_axes(best: Best, claims: Claims) -> Iterator[Case]:
    """Without the leading axis of the inputs: one time step, or one index for each example."""
    shape = best.case.network.input_shape
    if len(shape) > int(best.case.network.real):
        layers = tree(best.case.network.layers)
        try:
            yield rebuilt(best.case, layers, input_shape=shape[1:])
        except DescriptionError:
            return


# --- the extents ----------------------------------------------------------------------------------


class Axis(NamedTuple):
    """Something with an extent: the batch, an axis of the inputs, or a number of a layer."""

    layer: str
    option: str | int


BATCH = Axis("", "batch")
INDEX = Axis("", "index")  # how many indices the inputs may be


def axes(case: Case) -> list[Axis]:
    """The batch first, then the inputs, then the numbers of every layer."""
    found = [BATCH, *(Axis("", i) for i in range(len(case.network.input_shape)))]
    found += [] if case.network.real else [INDEX]
    for name, spec in case.network.walk():
        found += [Axis(name, option)
                  for option, value in spec.options.items() if type(value) is int]
    return found


def extent(case: Case, axis: Axis) -> int:
    if axis == BATCH:
        return case.batch
    if axis == INDEX:
        return int(case.network.input_kind["index"])
    if not axis.layer:
        return case.network.input_shape[int(axis.option)]
    return int(case.network.layer(axis.layer).options[str(axis.option)])


def shortened(case: Case, group: Sequence[Axis], keep: list[int]) -> Case:
    """Only `keep` of some axes of one extent, all at once: what is shared must change together.

    Raises DescriptionError where the layers fit no more, or nothing would be left.
    """
    if not keep:
        raise DescriptionError("an axis keeps one entry at least")
    kept, layers = Kept(extent(case, group[0]), tuple(keep)), tree(case.network.layers)
    shape = list(case.network.input_shape)
    for axis in group:
        if axis.layer:
            spec = case.network.layer(axis.layer).but(**{str(axis.option): len(keep)})
            layers = with_spec(layers, axis.layer, spec)
        elif axis not in (BATCH, INDEX):
            shape[int(axis.option)] = len(keep)
    some = rows(case, keep) if BATCH in group else case
    below = len(keep) if INDEX in group else None
    return some if list(group) == [BATCH] else rebuilt(some, layers, kept, tuple(shape), below)


def subsets(extent: Callable[[], int]) -> Iterator[list[int]]:
    """What to keep of 0, 1, ..., extent() - 1: one, half, all but one; extent() may fall."""
    for few in (1, max(1, extent() // 2)):
        yield list(range(extent()))[-few:]
        yield list(range(extent()))[:few]
    for i in reversed(range(extent())):
        yield [j for j in range(extent()) if j != i]


def fewer_units(best: Best, claims: Claims) -> Iterator[Case]:
    """Shorter axes: one at a time, then two of one extent together, then all of one extent."""
    every = axes(best.case)
    for group in (*combinations(every, 1), *combinations(every, 2)):
        yield from along(best, group)
    for size in sorted({extent(best.case, axis) for axis in every}):
        yield from along(best, tuple(a for a in every if extent(best.case, a) == size))


def along(best: Best, group: tuple[Axis, ...]) -> Iterator[Case]:
    for keep in subsets(partial(common, best, group)):
        try:
            yield shortened(best.case, group, keep) if keep else best.case
        except DescriptionError:
            continue


def common(best: Best, group: tuple[Axis, ...]) -> int:
    """The extent that the axes have in common, 0 where they have none."""
    found = {extent(best.case, axis) for axis in group}
    return found.pop() if len(found) == 1 else 0


# --- numbers in lists: windows, strides, paddings -------------------------------------------------


def smaller_numbers(best: Best, claims: Claims) -> Iterator[Case]:
    """Each number of an option that is a list made 0, 1, or one less; what has its size is cut."""
    for name, spec in best.case.network.walk():
        for option, value in spec.options.items():
            for at in range(len(numbers_in(value)) if isinstance(value, list) else 0):
                for less in (lambda n: 0, lambda n: 1, lambda n: n - 1):
                    now = best.case.network.layer(name).options[option]
                    changed = with_number(now, at, less(numbers_in(now)[at]))
                    yield from built(best.case, spec_with(best.case, name, option, changed))


def spec_with(case: Case, name: str, option: str, value: Any) -> list[Tree]:
    """The layers with one option changed; none where the option may not be that."""
    spec = case.network.layer(name)
    if not TABLES.layers[spec.kind].options[option].check(value):
        return []
    return [with_spec(tree(case.network.layers), name, spec.but(**{option: value}))]


def with_number(value: list[Any], at: int, n: int) -> list[Any]:
    """The list, or list of lists, with another number at one place of all of them in a row."""
    made, seen = list[Any](), 0
    for each in value:
        count = len(numbers_in(each))
        if seen <= at < seen + count:
            each = with_number(each, at - seen, n) if isinstance(each, list) else n
        made.append(each)
        seen += count
    return made


# --- the activations ------------------------------------------------------------------------------


def simpler_activations(best: Best, claims: Claims) -> Iterator[Case]:
    """Simpler functions among those claimed, in every place but the output's."""
    last = output_activation(best.case.network)
    names = [name for name, spec in best.case.network.walk() if spec.function is not None]
    places = names[:-1] if last is not None else names
    choices = sorted(map(activation, claims.hidden),
                     key=lambda spec: SIMPLEST.index(str(spec.function)))
    for group in [places] if claims.same_hidden else [[name] for name in places]:
        for spec in choices:
            layers = tree(best.case.network.layers)
            for name in group:
                layers = with_spec(layers, name, spec)
            yield from built(best.case, [layers])


# --- the numbers ----------------------------------------------------------------------------------


def arrays(case: Case) -> dict[str, Any]:
    """The arrays to simplify, by name."""
    weights = {name: c for name, c in case.constants.items() if name == COTANGENT}
    return {**case.parameters, **weights, "inputs": case.inputs, "targets": case.targets}


def put(case: Case, name: str, array: Any) -> Case:
    if name in ("inputs", "targets"):
        return case.but(**{name: array})
    if name in case.constants:
        return case.but(constants={**case.constants, name: array})
    return case.but(parameters={name: array})


def dyadics(array: Any) -> list[Any]:
    """The numbers as multiples of 1, 1/2, 1/4, ..."""
    with np.errstate(over="ignore"):
        return [(np.round(array * 2.0**k) / 2.0**k).astype(array.dtype) for k in DYADIC]


def simpler_arrays(best: Best, claims: Claims) -> Iterator[Case]:
    for name, array in arrays(best.case).items():
        for simple in (np.zeros_like(array), np.ones_like(array), *dyadics(array)):
            yield put(best.case, name, simple)


def simpler_rows(best: Best, claims: Claims) -> Iterator[Case]:
    """Target distributions row by row: one class, or short probabilities that still sum to one."""
    if not distributions(best.case.targets):
        return
    for at in np.ndindex(best.case.targets.shape[:-1]):
        row = best.case.targets[at]
        short = (np.append(each[:-1], 1 - each[:-1].sum()) for each in dyadics(row))
        for simple in (*np.eye(len(row)), *short):
            targets = best.case.targets.copy()
            targets[at] = simple
            yield put(best.case, "targets", targets)


def simpler_entries(best: Best, claims: Claims) -> Iterator[Case]:
    for name, array in arrays(best.case).items():
        for i, entry in enumerate(array.flat):
            for simple in (0, 1, -1, *dyadics(entry)):
                if bits(simple) < bits(arrays(best.case)[name].flat[i]):
                    changed = arrays(best.case)[name].copy()
                    changed.flat[i] = simple
                    yield put(best.case, name, changed)


KINDS = (fewer_layers, fewer_options, fewer_axes, fewer_units, smaller_numbers,
         simpler_activations, simpler_arrays, simpler_rows, simpler_entries)

