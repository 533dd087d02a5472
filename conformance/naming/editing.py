"""A case whose network is another one: the numbers follow the description.

A network is a tree of layers with the names they had. Layers are left out, put in another's place
or given other options, and what was left is built again: the parameters keep their numbers under
their new names, cut or repeated to the shapes that the new network has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..properties.membership import distributions
from ..reference import Case, LayerSpec, Network, infer
from ..reference.network import COTANGENT


class Named(NamedTuple):
    """A layer with the name it had, and what is inside it."""

    name: str
    spec: LayerSpec
    inside: tuple[Tree, ...] = ()


Tree = tuple[Named, ...]


def tree(layers: Sequence[LayerSpec], prefix: str = "") -> Tree:
    """The layers with their names."""
    found = []
    for i, spec in enumerate(layers):
        name = f"{prefix}.{i}" if prefix else str(i)
        inside = tuple(tree(branch, f"{name}.{b}") for b, branch in enumerate(spec.branches))
        found.append(Named(name, spec, inside))
    return tuple(found)


def renamed(layers: Tree, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Of every layer the name it had and the one it has now."""
    for i, layer in enumerate(layers):
        name = f"{prefix}.{i}" if prefix else str(i)
        yield layer.name, name
        for b, branch in enumerate(layer.inside):
            yield from renamed(branch, f"{name}.{b}")


def described(layers: Tree, now: Mapping[str, str]) -> tuple[LayerSpec, ...]:
    """The layers as a description; one that shared a layer that is gone shares no more."""
    return tuple(_described(layer, now) for layer in layers)


def _described(layer: Named, now: Mapping[str, str]) -> LayerSpec:
    spec = layer.spec
    if layer.inside:
        spec = spec.but(branches=tuple(described(branch, now) for branch in layer.inside))
    owner = now.get(spec.share) if spec.share is not None else None
    return replace(spec, share=owner, transpose=spec.transpose and owner is not None)


# --- edits ----------------------------------------------------------------------------------------


def shorter(layers: Tree) -> Iterator[Tree]:
    """Some layers left out, many first; then a layer with branches in its branches' place."""
    for length in _lengths(len(layers)):
        for start in reversed(range(len(layers) - length + 1)):
            yield layers[:start] + layers[start + length:]
    for i, layer in enumerate(layers):
        for branch in layer.inside:
            yield layers[:i] + branch + layers[i + 1:]
        yield from ((*layers[:i], layer._replace(inside=inside), *layers[i + 1:])
                    for inside in _fewer_branches(layer.inside))


def _lengths(count: int) -> list[int]:
    """How many layers to leave out at once: half of them, a quarter, ..., one."""
    found, length = [], count // 2
    while length > 1:
        found.append(length)
        length //= 2
    return [*found, 2, 1] if count > 2 else [1]


def _fewer_branches(inside: tuple[Tree, ...]) -> Iterator[tuple[Tree, ...]]:
    for b, branch in enumerate(inside):
        if len(inside) > 1:
            yield inside[:b] + inside[b + 1:]
        yield from ((*inside[:b], fewer, *inside[b + 1:]) for fewer in shorter(branch))


def unshared(layers: Tree) -> Iterator[Tree]:
    """A layer that shares another's parameters with a copy of its own."""
    for i, layer in enumerate(layers):
        if layer.spec.share is not None:
            own = replace(layer.spec, share=None, transpose=False)
            yield (*layers[:i], layer._replace(spec=own), *layers[i + 1:])


def with_spec(layers: Tree, name: str, spec: LayerSpec) -> Tree:
    """The layer of this name with another description."""
    def changed(layer: Named) -> Named:
        if layer.name == name:
            return layer._replace(spec=spec)
        return layer._replace(inside=tuple(with_spec(b, name, spec) for b in layer.inside))

    return tuple(map(changed, layers))


# --- the numbers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """Of an axis that had `extent` entries, the ones that are kept."""

    extent: int = 0
    entries: tuple[int, ...] = ()

    def index(self, had: int, has: int) -> Any:
        """Which entries of an axis of `had` make one of `has`."""
        if had == self.extent and has == len(self.entries):
            return np.array(self.entries)
        return np.arange(has) % had


def rebuilt(case: Case, layers: Tree, kept: Kept = Kept(),
            input_shape: tuple[int, ...] | None = None, below: int | None = None) -> Case:
    """The case of an edited network; DescriptionError where its layers do not fit.

    below: how many indices there are, where it is another number.
    """
    shape = case.network.input_shape if input_shape is None else input_shape
    names = list(renamed(layers))
    kind = case.network.input_kind if below is None else {"index": below}
    network = Network(shape, described(layers, dict(names)), case.network.loss, kind)
    had = {now: before for before, now in names}
    shapes = infer(network)
    parameters = _arrays(case, had, shapes.parameters, kept)
    states = _arrays(case, had, _batched(case, shapes.states), kept)
    constants = _arrays(case, had, shapes.constants, kept)
    masks = _arrays(case, had, _batched(case, shapes.masks), kept)
    inputs = fitted(case.inputs, (case.batch, *shape), kept)
    inputs = inputs if below is None else renumbered(inputs, kept.entries)
    targets = targets_for(case.targets, (case.batch, *shapes.output), kept)
    return replace(case, network=network, parameters={**parameters, **states}, inputs=inputs,
                   targets=targets, constants={**constants, **masks})


def _batched(case: Case, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {name: (case.batch, *shape) for name, shape in shapes.items()}


def _arrays(case: Case, had: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]],
            kept: Kept) -> dict[str, Any]:
    found = {}
    for name, shape in shapes.items():
        layer, _, local = name.rpartition(".")
        value = case.constants[name] if name == COTANGENT else _value(case, had[layer], local)
        found[name] = fitted(value, shape, kept)
    return found


def _value(case: Case, layer: str, local: str) -> Any:
    """What a layer used under this name: its own array, or the one it shared."""
    own = case.values.get(f"{layer}.{local}")
    if own is not None:
        return own
    spec = case.network.layer(layer)
    shared = case.values[f"{spec.share}.{local}"]
    return shared.T if spec.transpose else shared


def fitted(array: Any, shape: Sequence[int], kept: Kept) -> Any:
    """The array cut or repeated to a shape.

    Leading axes that are gone keep their first entry, along new ones the entries are repeated.
    """
    while array.ndim > len(shape):
        array = array[:, 0]
    while array.ndim < len(shape):
        array = np.expand_dims(array, min(1, array.ndim))
    for axis, has in enumerate(shape):
        if array.shape[axis] != has:
            array = array.take(kept.index(array.shape[axis], has), axis=axis)
    return np.ascontiguousarray(array)


def renumbered(indices: Any, kept: Sequence[int]) -> Any:
    """Indices of what is kept, by their new numbers; those of what is gone become 0."""
    place = {index: new for new, index in enumerate(kept)}
    new = [place.get(int(i), 0) for i in indices.ravel()]
    return np.array(new, dtype=indices.dtype).reshape(indices.shape)


def targets_for(targets: Any, shape: Sequence[int], kept: Kept) -> Any:
    """Targets for outputs of this shape: indices below the count, distributions still that."""
    if targets.dtype.kind != "f":
        return np.minimum(fitted(targets, shape[:-1], kept), shape[-1] - 1)
    cut = fitted(targets, shape, kept)
    if cut.shape[-1] != targets.shape[-1] and distributions(targets):
        cut = cut.copy()
        cut[..., targets.shape[-1]:] = 0
        empty = cut.sum(axis=-1) == 0
        cut[..., 0][empty] = 1
        cut /= cut.sum(axis=-1, keepdims=True)
    return cut
