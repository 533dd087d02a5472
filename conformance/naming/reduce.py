"""The smallest case that still fails: greedy passes over the case itself, in one order, to a fixed point.

Smaller is `size`. Each kind of simplification is a generator of candidates; it reads `best.case` anew for each one,
so it goes on from whatever was accepted last.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ..properties.claims import Claims, Range, activation
from ..properties.identities import rows
from ..properties.strategies import count, several
from ..properties.tolerance import spread
from ..reference import ACTIVATIONS, Case, LayerSpec, Network

SIMPLEST = ("identity", "relu", *(name for name in ACTIVATIONS if name not in ("identity", "relu")))
DYADIC = (*range(11), 16, 24)
Check = Callable[[Case], bool]


@dataclass
class Best:
    """The smallest case found so far."""

    case: Case


def reduce(case: Case, fails: Check, claims: Claims, seconds: float = 5.0, valid: Check | None = None) -> Case:
    """The smallest case inside `claims` for which `valid` and `fails` hold that greedy passes reach from `case`.

    Invariant: every case accepted is smaller by `size`, a tuple of natural numbers, than the one before. So the passes
    end, and their order is always the same; `seconds` only cuts them short. `valid` is by default `clear`. An
    exception in a check counts as False. Where `case` itself does not fail it is returned as it is.
    """
    deadline, best, seen, kind = time.monotonic() + seconds, Best(case), set[str](), 0
    if not holds(fails, case):
        return case
    kinds = KINDS if plain(case) else NUMBERS
    while kind < len(kinds):
        smallest = size(best.case)
        for candidate in kinds[kind](best, claims):
            if time.monotonic() > deadline:
                return best.case
            if size(candidate) >= size(best.case) or candidate.id in seen:
                continue
            seen.add(candidate.id)
            if inside(candidate, claims) and holds(valid or clear, candidate) and holds(fails, candidate):
                best.case = candidate
        kind = 0 if size(best.case) < smallest else kind + 1
    return best.case


def holds(check: Check, case: Case) -> bool:
    """Whether `check` says yes, asked with a copy; an exception is a no."""
    try:
        return bool(check(case.copy()))
    except KeyboardInterrupt:
        raise
    except BaseException:
        return False


def clear(case: Case) -> bool:
    """Whether all right programs must agree on the case: finite in its dtype, and no unit within rounding of a kink."""
    found = spread(case)
    return found.finite and not found.unclear


# --- smaller, and inside the claims ---------------------------------------------------------------------------


def size(case: Case) -> tuple[int, ...]:
    """Layers, units of all levels, examples, activations by rank, entries other than 0, 1, -1, bits of all entries."""
    net, lengths = case.network, [bits(v) for a in arrays(case).values() for v in a.ravel().tolist()]
    ranks = sum(SIMPLEST.index(layer.options["function"]) for layer in net.layers if layer.kind == "activation")
    return len(net.layers), sum(net.sizes), case.batch, ranks, sum(n > 2 for n in lengths), sum(lengths)


def bits(value: float) -> int:
    """The length of a number as a fraction in lowest terms: 1 for 0, 2 for 1 and -1, 3 for 2 and 1/2, 4 for 3/2."""
    if not math.isfinite(value):
        return 4096
    top, bottom = float(value).as_integer_ratio()
    return top.bit_length() + bottom.bit_length()


def inside(case: Case, claims: Claims) -> bool:
    """Whether a case made from one inside the claims is inside them too, with finite numbers."""
    finite = all(np.isfinite(a).all() for a in arrays(case).values())
    if not finite or not plain(case):
        return finite
    sizes, biases = case.network.sizes, [part.bias is not None for part in parts(case)]
    heads = [several(head) for head in claims.heads if (head.activation, head.loss) == case.network.head]
    return (
        within(case.batch, claims.batch) and within(len(biases), claims.depth)
        and within(count(sizes, biases), (0, claims.max_parameters))
        and any(within(sizes[-1], head.outputs) and KEPT[kind](case.targets, sizes[-1])
                for head in heads for kind in head.target_kinds)
    )


def within(value: int, limits: Range) -> bool:
    return limits[0] <= value and (limits[1] is None or value <= limits[1])


def distributions(t: Any) -> bool:
    """Whether every row is a probability distribution; a single column holds probabilities."""
    if t.ndim != 2 or not ((t >= 0) & (t <= 1)).all():
        return False
    return t.shape[1] == 1 or bool((np.abs(t.sum(axis=1) - 1) <= 4 * t.shape[1] * np.finfo(t.dtype).eps).all())


KEPT: dict[str, Callable[[Any, int], bool]] = {
    "real": lambda t, k: t.ndim == 2,
    "one_hot": lambda t, k: t.ndim == 2 and bool(np.isin(t, (0, 1)).all() and (t.sum(axis=1) == 1).all()),
    "soft": lambda t, k: distributions(t),
    "binary": lambda t, k: t.ndim == 2 and bool(np.isin(t, (0, 1)).all()),
    "index": lambda t, k: t.ndim == 1 and bool(((t >= 0) & (t < k)).all()),
}


# --- a chain in parts -----------------------------------------------------------------------------------------


class Part(NamedTuple):
    """One dense layer of a chain, its arrays, and what follows it."""

    weight: Any
    bias: Any
    after: tuple[LayerSpec, ...] = ()


def plain(case: Case) -> bool:
    """Whether the case is a chain of dense layers; of any other, only the numbers are simplified."""
    net = case.network
    return len(net.input_shape) == 1 and net.input_kind == "real" and net.layers[0].kind == "dense" and all(
        layer.kind in ("dense", "activation") and layer.share is None for layer in net.layers)


def parts(case: Case) -> list[Part]:
    found: list[Part] = []
    for i, layer in enumerate(case.network.layers):
        if layer.kind == "dense":
            found.append(Part(case.parameters[f"{i}.weight"], case.parameters.get(f"{i}.bias")))
        else:
            found[-1] = found[-1]._replace(after=(*found[-1].after, layer))
    return found


def assembled(case: Case, chain: list[Part], inputs: Any, targets: Any) -> Case:
    """The case of this chain; rows of a weight that does not fit the units before it are left out or repeated."""
    layers: list[LayerSpec] = []
    parameters: dict[str, Any] = {}
    units = inputs.shape[1]
    for weight, bias, after in chain:
        name, fitted = str(len(layers)), weight[np.arange(units) % len(weight)]
        units = weight.shape[1]
        layers += [LayerSpec("dense", {"units": units, "bias": bias is not None}), *after]
        parameters |= {f"{name}.weight": fitted} | ({} if bias is None else {f"{name}.bias": bias})
    network = Network(inputs.shape[1:], tuple(layers), case.network.loss)
    return replace(case, network=network, parameters=parameters, inputs=inputs, targets=targets)


def extents(case: Case) -> tuple[int, ...]:
    """The axes to shorten: the batch, then the units of every level, the inputs first."""
    return (case.batch, *case.network.sizes)


def shortened(case: Case, axis: int, keep: list[int]) -> Case:
    """Only `keep` of one of the `extents`."""
    if axis == 0:
        return rows(case, keep)
    chain, inputs, targets = parts(case), case.inputs, case.targets
    if axis == 1:
        inputs = inputs[:, keep]
    else:
        weight, bias, after = chain[axis - 2]
        chain[axis - 2] = Part(weight[:, keep], None if bias is None else bias[keep], after)
    if axis <= len(chain):
        chain[axis - 1] = chain[axis - 1]._replace(weight=chain[axis - 1].weight[keep])
    else:
        targets = with_classes(targets, keep)
    return assembled(case, chain, inputs, targets)


def with_classes(targets: Any, keep: list[int]) -> Any:
    """The targets of these outputs: indices below the new count, distributions still distributions."""
    if targets.ndim == 1:
        return np.minimum(targets, len(keep) - 1)
    cut = targets[:, keep]
    if distributions(targets) and len(keep) != targets.shape[1]:
        cut[:, targets.shape[1]:] = 0
        cut[cut.sum(axis=1) == 0, 0] = 1
        cut /= cut.sum(axis=1, keepdims=True)
    return cut


# --- the kinds of simplification ------------------------------------------------------------------------------


def subsets(extent: Callable[[], int]) -> Iterator[list[int]]:
    """What to keep of 0, 1, ..., extent() - 1: one, half, all but one. extent() may fall on the way."""
    for few in (1, max(1, extent() // 2)):
        yield list(range(extent()))[-few:]
        yield list(range(extent()))[:few]
    for i in reversed(range(extent())):
        yield [j for j in range(extent()) if j != i]


def fewer_layers(best: Best, claims: Claims) -> Iterator[Case]:
    """Some of the dense layers, each with its activation; the last one left gets the output activation and the loss."""
    for keep in subsets(lambda: len(parts(best.case))):
        if keep:
            chain, outputs = parts(best.case), best.case.network.sizes[-1]
            kept = [*(chain[i] for i in keep[:-1]), chain[keep[-1]]._replace(after=chain[-1].after)]
            classes = [j % outputs for j in range(kept[-1].weight.shape[1])]
            yield assembled(best.case, kept, best.case.inputs, with_classes(best.case.targets, classes))


def fewer_units(best: Best, claims: Claims) -> Iterator[Case]:
    """Shorter axes: one at a time, then two of one extent together, then all of one extent."""
    axes = range(len(extents(best.case)))
    for group in (*combinations(axes, 1), *combinations(axes, 2)):
        yield from shorter(best, group)
    for extent in sorted({*extents(best.case)}):
        yield from shorter(best, tuple(axis for axis in axes if extents(best.case)[axis] == extent))


def shorter(best: Best, group: tuple[int, ...]) -> Iterator[Case]:
    for keep in subsets(partial(common, best, group)):
        candidate = best.case
        for axis in group if keep else ():
            candidate = shortened(candidate, axis, keep)
        yield candidate


def common(best: Best, group: tuple[int, ...]) -> int:
    """The extent that the axes have in common, 0 where they have none."""
    found = {extents(best.case)[axis] for axis in group}
    return found.pop() if len(found) == 1 else 0


def simpler_activations(best: Best, claims: Claims) -> Iterator[Case]:
    hidden = range(len(parts(best.case)) - 1)
    choices = sorted(map(activation, claims.hidden), key=lambda spec: SIMPLEST.index(spec.options["function"]))
    for group in [hidden] if claims.same_hidden else [[i] for i in hidden]:
        for spec in choices:
            chain = [p._replace(after=(spec,)) if i in group and p.after else p for i, p in enumerate(parts(best.case))]
            yield assembled(best.case, chain, best.case.inputs, best.case.targets)


def arrays(case: Case) -> dict[str, Any]:
    """The arrays to simplify, by name."""
    return {**case.parameters, "inputs": case.inputs, "targets": case.targets}


def put(case: Case, name: str, array: Any) -> Case:
    return case.but(**{name: array}) if name in ("inputs", "targets") else case.but(parameters={name: array})


def rounded(array: Any) -> list[Any]:
    """The numbers as multiples of 1, 1/2, 1/4, ..."""
    with np.errstate(over="ignore"):
        return [(np.round(array * 2.0**k) / 2.0**k).astype(array.dtype) for k in DYADIC]


def simpler_arrays(best: Best, claims: Claims) -> Iterator[Case]:
    for name, array in arrays(best.case).items():
        for simple in (np.zeros_like(array), np.ones_like(array), *rounded(array)):
            yield put(best.case, name, simple)


def simpler_rows(best: Best, claims: Claims) -> Iterator[Case]:
    """Target distributions row by row: a single class, or short probabilities of which the last makes up the sum."""
    for i, row in enumerate(best.case.targets if distributions(best.case.targets) else ()):
        for simple in (*np.eye(len(row)), *(np.append(short[:-1], 1 - short[:-1].sum()) for short in rounded(row))):
            targets = best.case.targets.copy()
            targets[i] = simple
            yield put(best.case, "targets", targets)


def simpler_entries(best: Best, claims: Claims) -> Iterator[Case]:
    for name, array in arrays(best.case).items():
        for i, entry in enumerate(array.flat):
            for simple in (0, 1, -1, *rounded(entry)):
                if bits(simple) < bits(arrays(best.case)[name].flat[i]):
                    changed = arrays(best.case)[name].copy()
                    changed.flat[i] = simple
                    yield put(best.case, name, changed)


NUMBERS = (simpler_arrays, simpler_rows, simpler_entries)
KINDS = (fewer_layers, fewer_units, simpler_activations, *NUMBERS)
