"""A case moved to where a condition holds, or does not: everything else stays as far as it can.

A row for each trait yields proposals, at random; the first one inside the claims that is valid and
on the wanted side is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

import numpy as np

from ..properties.claims import Claims, activation
from ..properties.membership import covers
from ..properties.strategies import TARGETS, in_dtype, mended
from ..properties.tolerance import spread
from ..reference import Case, DescriptionError, Shapes, infer
from ..reference.network import COTANGENT
from .conditions import Condition
from .editing import Named, Tree, rebuilt, shorter, tree, with_spec
from .reduce import BATCH, INDEX, Axis, axes, extent, shortened
from .traits import Traits

TRIES = 12
Rng = np.random.Generator
Proposals = Iterator[Case]


def moved(case: Case, condition: Condition, inside: bool, claims: Claims, rng: Rng,
          values: Sequence[Any] = ()) -> Case | None:
    """The case moved to a side of the condition; None where no proposal serves.

    `values`: what the trait should be there, one of them.
    """
    wanted = list(values) or [condition.value]
    with np.errstate(all="ignore"):
        for proposal in islice(proposals(case, condition, inside, claims, rng, wanted), TRIES):
            if condition.holds(Traits(proposal)) is inside and covers(claims, proposal):
                there = mended(proposal, rng)
                s = spread(there)
                if (not s.unclear and s.finite and covers(claims, there)
                        and condition.holds(Traits(there)) is inside):
                    return there
    return None


def proposals(case: Case, condition: Condition, inside: bool, claims: Claims, rng: Rng,
              wanted: list[Any]) -> Proposals:
    """Cases that may be on that side."""
    move = MOVES.get(condition.trait)
    while move is not None:
        value = wanted[int(rng.integers(len(wanted)))]
        try:
            yield move(case, value, inside, claims, rng)
        except (DescriptionError, LookupError, ValueError):
            yield case


def picked(rng: Rng, options: Sequence[Any]) -> Any:
    """One of them; LookupError where there are none."""
    return options[int(rng.integers(len(options)))] if options else options[0]


# --- sizes ----------------------------------------------------------------------------------------


def resized(case: Case, group: Sequence[Axis], size: int, rng: Rng) -> Case:
    """Some axes of one extent with another one; what is new differs from what it was copied of."""
    had = extent(case, group[0])
    found = shortened(case, group, [i % had for i in range(size)])
    return found if size <= had else unlike(found, rng)


def unlike(case: Case, rng: Rng) -> Case:
    """The case with its real numbers moved by a random share of themselves."""
    def move(array: Any) -> Any:
        return (array * (1 + 0.3 * rng.standard_normal(array.shape))).astype(array.dtype)

    inputs = move(case.inputs) if case.network.real else case.inputs
    return case.but(inputs=inputs, parameters={k: move(v) for k, v in case.parameters.items()})


def batch(case: Case, value: int, inside: bool, claims: Claims, rng: Rng) -> Case:
    return resized(case, [BATCH], value, rng)


def units(case: Case) -> list[Axis]:
    """The units of every layer, in the order of the forward."""
    return [axis for axis in axes(case) if axis.layer and axis.option == "units"]


def width(case: Case) -> Axis:
    """The last axis of the inputs, or how many indices there are."""
    return Axis("", len(case.network.input_shape) - 1) if case.network.real else INDEX


def to_size(of: Callable[[Case], list[Axis]]) -> Callable[..., Case]:
    """Some of these axes brought to a size, the larger ones all."""
    def move(case: Case, value: int, inside: bool, claims: Claims, rng: Rng) -> Case:
        every = of(case)
        for axis in every:
            if extent(case, axis) > value:
                case = resized(case, [axis], value, rng)
        chosen = picked(rng, every)
        return resized(case, [chosen], value, rng) if extent(case, chosen) != value else case

    return move


def shorter_side(case: Case, value: int, inside: bool, claims: Claims, rng: Rng) -> Case:
    """Two neighbouring levels of a size; one of two that are larger made smaller."""
    every = [width(case), *units(case)]
    for one, other in pairwise(every):
        if min(extent(case, one), extent(case, other)) > value:
            case = resized(case, [picked(rng, [one, other])], value, rng)
    at = int(rng.integers(len(every) - 1))
    for axis in every[at:at + 2]:
        if extent(case, axis) < value:
            case = resized(case, [axis], value, rng)
    return case


def square(case: Case, value: Any, inside: bool, claims: Claims, rng: Rng) -> Case:
    """Two neighbouring levels of one size, or no two that are."""
    every = [width(case), *units(case)]
    if inside:
        at = int(rng.integers(len(every) - 1))
        size = max(2, extent(case, every[at]))
        for axis in every[at:at + 2]:
            case = resized(case, [axis], size, rng)
        return case
    for one, other in pairwise(every):
        if extent(case, one) == extent(case, other):
            size = picked(rng, [n for n in range(1, 9) if n != extent(case, one)])
            case = resized(case, [other], size, rng)
    return case


def batch_as_wide(case: Case, value: Any, inside: bool, claims: Claims, rng: Rng) -> Case:
    sizes = [extent(case, axis) for axis in units(case)]
    others = [n for n in range(1, 12) if n not in sizes]
    return resized(case, [BATCH], picked(rng, sizes if inside else others), rng)


# --- layers ---------------------------------------------------------------------------------------


def depth(case: Case, value: int, inside: bool, claims: Claims, rng: Rng) -> Case:
    """Layers left out, or copies of layers put in, until there are so many."""
    while case.network.depth > value:
        fewer = list(shorter(tree(case.network.layers)))
        rng.shuffle(fewer)
        case = first_built(case, fewer, range(value, case.network.depth))
    while case.network.depth < value:
        case = unlike(rebuilt(case, with_one_more(case, claims, rng)), rng)
    return case


def first_built(case: Case, trees: Sequence[Tree], depths: Container[int]) -> Case:
    """The case of the first tree whose layers fit and whose depth is one of these."""
    for layers in trees:
        with suppress(DescriptionError):
            found = rebuilt(case, layers)
            if found.network.depth in depths:
                return found
    raise LookupError("no such network")


def with_one_more(case: Case, claims: Claims, rng: Rng) -> Tree:
    """The layers, and before one with units a copy of it with a function behind."""
    layers = tree(case.network.layers)
    at = picked(rng, [i for i, layer in enumerate(layers) if layer.spec.units is not None])
    copy = layers[at]._replace(spec=replace(layers[at].spec, share=None, transpose=False))
    copy = copy._replace(spec=copy.spec.but(units=int(rng.integers(1, 6))))
    functions = [layer.spec for layer in layers[:at] if layer.spec.function is not None]
    known = functions[:1] if claims.same_hidden else []
    after = picked(rng, known or list(map(activation, claims.hidden)))
    return (*layers[:at], copy, Named("", after), *layers[at:])


def hidden_activation(case: Case, value: str, inside: bool, claims: Claims, rng: Rng) -> Case:
    """A function put in the place of one or all hidden ones; or another one where it stands."""
    chosen = list(map(activation, claims.hidden))
    mine = [spec for spec in chosen if spec.function == value]
    others = [spec for spec in chosen if spec.function != value]
    if not hidden_places(case) and inside:
        case = depth(case, case.network.depth + 1, inside, claims, rng)
    layers, places = tree(case.network.layers), hidden_places(case)
    if not inside:
        replaced = {name: picked(rng, others) for name, function in places if function == value}
    else:
        names = [name for name, _ in places]
        few = names if claims.same_hidden else [picked(rng, names)]
        replaced = dict.fromkeys(few, picked(rng, mine))
    if claims.same_hidden and replaced:
        replaced = dict.fromkeys([name for name, _ in places], next(iter(replaced.values())))
    for name, spec in replaced.items():
        layers = with_spec(layers, name, spec)
    return rebuilt(case, layers)


def hidden_places(case: Case) -> list[tuple[str, str]]:
    """Names and functions of the hidden activations."""
    found = [(name, str(spec.function)) for name, spec in case.network.walk()
             if spec.function is not None]
    last = case.network.layers[-1].function is not None
    return found[:-1] if last else found


def head(case: Case, value: str, inside: bool, claims: Claims, rng: Rng) -> Case:
    """Another head of the claims, with targets for it."""
    having = [h for h in claims.heads
              if (value in (h.activation, h.loss, h.reduction)) is inside]
    chosen = picked(rng, having)
    layers = case.network.layers[:-1] if case.network.layers[-1].function else case.network.layers
    after = [] if chosen.activation == "identity" else [activation(chosen.activation)]
    network = replace(case.network, layers=(*layers, *after), loss=claims.loss_of(chosen))
    draw, shapes = TARGETS[picked(rng, chosen.target_kinds)], infer(network)
    targets = draw(rng, case.batch, *shapes.output)
    real = targets.dtype.kind == "f"
    return case.but(network=network, targets=targets.astype(case.dtype) if real else targets,
                    constants=weighed(case, shapes, rng))


def weighed(case: Case, shapes: Shapes, rng: Rng) -> dict[str, Any]:
    """The constants, with numbers for the unreduced loss where there are any."""
    kept = {name: value for name, value in case.constants.items() if name != COTANGENT}
    if COTANGENT in shapes.masks:
        shape = (case.batch, *shapes.masks[COTANGENT])
        kept[COTANGENT] = rng.standard_normal(shape).astype(case.dtype)
    return kept


def any_activation(case: Case, value: str, inside: bool, claims: Claims, rng: Rng) -> Case:
    if inside:
        move: Callable[..., Case] = picked(rng, [hidden_activation, head])
        return move(case, value, inside, claims, rng)
    if case.network.head[0] == value:
        case = head(case, value, inside, claims, rng)
    return hidden_activation(case, value, inside, claims, rng)


def dtype(case: Case, value: str, inside: bool, claims: Claims, rng: Rng) -> Case:
    others = [each for each in claims.dtypes if (each == value) is inside]
    return in_dtype(case, picked(rng, others))


# --- numbers --------------------------------------------------------------------------------------


def with_biases(change: Callable[[dict[str, Any], bool, Rng], None]) -> Callable[..., Case]:
    """The biases changed in their places; change(biases, inside, rng)."""
    def move(case: Case, value: Any, inside: bool, claims: Claims, rng: Rng) -> Case:
        biases = {name: np.array(v) for name, v in case.parameters.items() if v.ndim == 1}
        if not inside:
            for b in biases.values():
                b[...] = rng.standard_normal(b.shape)
        else:
            change(biases, inside, rng)
        return case.but(parameters=biases)

    return move


def two_equal(biases: dict[str, Any], inside: bool, rng: Rng) -> None:
    """Two entries of one bias."""
    b = picked(rng, [b for b in biases.values() if len(b) > 1])
    b[1] = b[0]


def all_equal(biases: dict[str, Any], inside: bool, rng: Rng) -> None:
    b = picked(rng, [b for b in biases.values() if len(b) > 1])
    b[:] = b[0]


def vectors_equal(biases: dict[str, Any], inside: bool, rng: Rng) -> None:
    names = [(a, b) for a in biases for b in biases
             if a != b and biases[a].shape == biases[b].shape]
    one, other = picked(rng, names)
    biases[one][:] = biases[other]


def one_zero(biases: dict[str, Any], inside: bool, rng: Rng) -> None:
    picked(rng, list(biases.values()))[0] = 0


def with_inputs(change: Callable[[Any], None]) -> Callable[..., Case]:
    """The inputs changed; outside: ordinary ones of the same size."""
    def move(case: Case, value: Any, inside: bool, claims: Claims, rng: Rng) -> Case:
        x = np.array(case.inputs)
        if not inside and not case.network.real:
            x[...] = rng.integers(case.network.input_kind["index"], size=x.shape)
        elif not inside:
            size = float(np.abs(x).max(initial=0.0)) or 1.0
            x[...] = size * rng.uniform(-1, 1, x.shape)
        else:
            change(x)
        return case.but(inputs=x)

    return move


def first_row_again(x: Any) -> None:
    x[1] = x[0]


def zero_entry(x: Any) -> None:
    x.flat[0] = 0


def zero_column(x: Any) -> None:
    x[..., 0] = 0


def zero_row(x: Any) -> None:
    x[0] = 0


def zero_weight(case: Case, value: Any, inside: bool, claims: Claims, rng: Rng) -> Case:
    weights = {name: np.array(v) for name, v in case.parameters.items() if v.ndim == 2}
    for w in weights.values():
        w[w == 0] = rng.standard_normal(int((w == 0).sum()))
    if inside:
        picked(rng, list(weights.values())).flat[0] = 0
    return case.but(parameters=weights)


def scaled(trait: str, change: Callable[[Case, float, Rng], Case]) -> Callable[..., Case]:
    """Numbers scaled until the trait has a value, within a hundredth; change(case, factor, rng)."""
    def move(case: Case, value: float, inside: bool, claims: Claims, rng: Rng) -> Case:
        state = rng.bit_generator.state
        factor = 1.0
        found = case
        for _ in range(8):
            now = Traits(found)[trait]
            if now <= 0 or abs(now - value) <= 2e-3 * abs(value):
                break
            factor *= value / now
            rng.bit_generator.state = state
            found = change(case, factor, rng)
        return found

    return move


def larger_inputs(case: Case, factor: float, rng: Rng) -> Case:
    return case.but(inputs=(case.inputs * factor).astype(case.inputs.dtype))


def larger_parameters(ndims: tuple[int, ...], few: bool) -> Callable[[Case, float, Rng], Case]:
    """Parameters with so many axes times a factor: all of them, or those of one layer."""
    def change(case: Case, factor: float, rng: Rng) -> Case:
        names = [name for name, v in case.parameters.items() if v.ndim in ndims]
        layer = picked(rng, names).rpartition(".")[0]
        chosen = [name for name in names if not few or name.rpartition(".")[0] == layer]
        return case.but(parameters={name: (case.parameters[name] * factor).astype(case.dtype)
                                    for name in chosen})

    return change


def larger_targets(case: Case, factor: float, rng: Rng) -> Case:
    return case.but(targets=(case.targets * factor).astype(case.targets.dtype))


SUMS = larger_parameters((1, 2), True)
MOVES: dict[str, Callable[..., Case]] = {
    "batch": batch,
    "units": to_size(units),
    "hidden units": to_size(lambda case: units(case)[:-1]),
    "outputs": to_size(lambda case: units(case)[-1:]),
    "inputs": to_size(lambda case: [width(case)]),
    "side": to_size(lambda case: [width(case), *units(case)]),
    "rows of a weight": to_size(lambda case: [width(case), *units(case)[:-1]]),
    "shorter side": shorter_side,
    "square weight": square,
    "square weight or 1 x 1": square,
    "batch as wide as a layer": batch_as_wide,
    "depth": depth,
    "hidden activation": hidden_activation,
    "activation": any_activation,
    "output activation": head,
    "loss": head,
    "reduction": head,
    "dtype": dtype,
    "equal biases": with_biases(two_equal),
    "one bias all over": with_biases(all_equal),
    "equal bias vectors": with_biases(vectors_equal),
    "zero bias": with_biases(one_zero),
    "equal rows": with_inputs(first_row_again),
    "zero input": with_inputs(zero_entry),
    "zero column": with_inputs(zero_column),
    "zero row": with_inputs(zero_row),
    "zero weight": zero_weight,
    "|x|": scaled("|x|", larger_inputs),
    "|z|": scaled("|z|", SUMS),
    "hidden |z|": scaled("hidden |z|", SUMS),
    "z": scaled("z", SUMS),
    "-z": scaled("-z", SUMS),
    "|output|": scaled("|output|", SUMS),
    "|weight|": scaled("|weight|", larger_parameters((2,), False)),
    "|bias|": scaled("|bias|", larger_parameters((1,), False)),
    "|target|": scaled("|target|", larger_targets),
}
