"""What networks may look like: a plain chain of layers, grown into something else.

A `Structure` is a row of a file in `structures/`: how a drawn chain becomes a network that has it,
and how a network that has it is told. Every choice is made by `choose(options)`, so that Hypothesis
or any other source of choices can make it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from ..reference import Case, LayerSpec, LossSpec, Network
from ..reference.shapes import given

Layers = tuple[LayerSpec, ...]
Bias = bool | str
Chain = Callable[[Sequence[int], Sequence[Bias], Sequence[LayerSpec], LossSpec], Network]


class Choose(Protocol):
    """One of the options; never asked for one of none."""

    def __call__(self, options: Sequence[Any], /) -> Any: ...


Options = Mapping[str, Mapping[str, tuple[Any, ...]]]
NO_OPTIONS: Options = {}


class Limits(NamedTuple):
    """What a structure may use.

    hidden: the activations claimed. levels: how many levels may be added, None for any number.
    bias: whether layers that may have biases have them: one of these. claimed: by layer kind and
    option, the only values that are claimed. structures: the names of those that are claimed.
    """

    hidden: tuple[LayerSpec, ...]
    levels: int | None = None
    bias: tuple[bool, ...] = (True, False)
    claimed: Options = NO_OPTIONS
    structures: tuple[str, ...] | None = None

    def options(self, kind: str, option: str, values: Sequence[Any]) -> list[Any]:
        """The values, less those that are not claimed; what is claimed where that leaves none."""
        allowed = self.claimed.get(kind, {}).get(option)
        if allowed is None:
            return list(values)
        return [value for value in values if value in allowed] or list(allowed)

    def may_have(self, structure: str) -> bool:
        """Whether the structure of this name is claimed."""
        return self.structures is None or structure in self.structures

    def room(self, levels: int) -> bool:
        """Whether so many levels may be added."""
        return self.levels is None or levels <= self.levels


class Structure(NamedTuple):
    """One way in which a network is more than a chain of layers with activations between them.

    grow(choose, network, limits) -> the network with it, or None where it cannot have it;
    has(network): whether a network has it. `says` is for people. `even`: layers of one number of
    units have one number of units still. `least`: the depth that a network with it has at least.
    One structure is what all others grow from: it alone has `plain`, which makes a chain of the
    units per level (the inputs first), whether each level has a bias ("layer": one number), the
    function after each level, and the loss.

    exact: integer networks that have it can be exact; False where it divides or takes exponentials
    or roots. values(case, rng) -> the case with numbers with which mistakes in this structure show
    (None: as they come), asked of every network that has it, before kinks are moved away from.
    made_of: structures one of which a network with it has too; all of them may be that, unless some
    are claimed. like: structures whose mistakes this one may have too.
    branches: it is had by any layer with branches that is no other structure's own; owns(spec):
    whether a layer with branches is this structure's own.
    """

    says: str
    grow: Callable[[Choose, Network, Limits], Network | None]
    has: Callable[[Network], bool]
    plain: Chain | None = None
    even: bool = True
    least: int = 1
    exact: bool = True
    values: Callable[[Case, Any], Case] | None = None
    made_of: tuple[str, ...] = ()
    like: tuple[str, ...] = ()
    branches: bool = False
    owns: Callable[[LayerSpec], bool] = lambda spec: False


# --- layers replaced ------------------------------------------------------------------------------


def owners(layers: Layers) -> set[int]:
    """The positions of the layers whose parameters others use, and of those others."""
    sharing = [(i, spec.share) for i, spec in enumerate(layers) if spec.share is not None]
    return {i for i, _ in sharing} | {int(share.partition(".")[0]) for _, share in sharing}


def spliced(network: Network, start: int, stop: int, new: Layers) -> Network:
    """The network with layers start to stop replaced by others; shared layers are found again."""
    shift = len(new) - (stop - start)

    def moved(spec: LayerSpec) -> LayerSpec:
        head, dot, rest = (spec.share or "").partition(".")
        if not head or int(head) < stop:
            return spec
        return replace(spec, share=f"{int(head) + shift}{dot}{rest}")

    kept = (*network.layers[:start], *new, *map(moved, network.layers[stop:]))
    return replace(network, layers=kept)


class Level(NamedTuple):
    """One level of a chain: a layer with units at `at`, and the function after it, if any."""

    at: int
    spec: LayerSpec
    after: LayerSpec | None
    inputs: int

    @property
    def stop(self) -> int:
        """The position behind the level."""
        return self.at + (1 if self.after is None else 2)


def levels(network: Network) -> Iterator[Level]:
    """The levels of a chain that share nothing with others, in order."""
    shapes, taken = given(network), owners(network.layers)
    for i, spec in enumerate(network.layers):
        later = network.layers[i + 1] if i + 1 < len(network.layers) else None
        after = later if later is not None and later.function is not None else None
        if spec.units is not None and i not in taken:
            inputs = getattr(shapes[i], "below", None) or shapes[i][-1]
            yield Level(i, spec, after, inputs)


def hidden_levels(network: Network) -> list[Level]:
    """The levels that are not the last one."""
    last = max((i for i, spec in enumerate(network.layers) if spec.units is not None), default=-1)
    return [level for level in levels(network) if level.at != last and level.after is not None]
