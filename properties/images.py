"""Networks of images, and of sequences of channels: where their layers stand, and which they are.

A chain becomes such a network by a few layers in front of it, with `flatten` as the last of them;
or, where `reshape` may be used, behind one of its levels. What can follow each other is tried out:
a layer that does not fit is drawn again, and where none fits the image is made larger.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from ..reference import TABLES, Case, DescriptionError, LayerSpec, Network, forward, infer
from .structure import Choose, Layers, Limits, hidden_levels, spliced

Shape = tuple[int, ...]
Draw = Callable[[Choose, Shape, Limits], LayerSpec]
FLATTEN = LayerSpec("flatten")
# The kinds that stand in front of `flatten`, by the axes of what they take beside the channels.
KINDS = {1: ("conv1d", "conv_transpose1d", "pool1d", "pad", "upsample", "reshape"),
         2: ("conv2d", "conv_transpose2d", "pool2d", "subsample2d", "pad", "upsample", "reshape")}
OF_IMAGES = {*KINDS[1], *KINDS[2], "global_pool", "group_norm", "instance_norm"}
CHANNELS = (1, 2, 2, 3, 4)
SIZES = (3, 4, 5, 3, 4, 2, 6, 1)
LONG = 12             # entries of a sequence, now and then
TRIES, LARGER = 6, 5  # draws of a layer, and sizes of an image, until everything fits
DRAWN = 3             # networks drawn, until one is not always on a kink
STAGES = (0, 1, 1, 2)
MOST = 100            # entries that a layer may give, where it is given fewer


# --- what may be drawn ---------------------------------------------------------------------------


def lists(values: Sequence[int], axes: int) -> list[list[int]]:
    """A number for each axis, in every way; those with one number for all axes twice as often."""
    found = [list(each) for each in product(sorted(set(values)), repeat=axes)]
    return [*found, *([n] * axes for n in values)]


def drawn(choose: Choose, kind: str, limits: Limits, **options: Sequence[Any]) -> dict[str, Any]:
    """One value of each option, of those that are claimed."""
    return {name: choose(limits.options(kind, name, values)) for name, values in options.items()}


def conv(axes: int, kind: str, choose: Choose, shape: Shape, limits: Limits) -> LayerSpec:
    channels = shape[0]
    groups = choose(limits.options(kind, "groups", [
        g for g in (1, 1, 1, 2, 2, channels) if channels % g == 0]))
    biases = [form for given in limits.bias
              for form in (("channel", "channel", "untied") if given else ("none",))]
    return LayerSpec(kind, drawn(
        choose, kind, limits,
        filters=[n for n in (*range(1, 5), groups, 2 * groups) if n % groups == 0] or [groups],
        window=lists((2, 2, 3, 1), axes), stride=lists((1, 1, 2, 3), axes),
        padding=[*lists((0, 0, 1, 1), axes), [2] * axes], dilation=lists((1, 1, 1, 2), axes),
        groups=[groups], bias=biases))


def pool(axes: int, kind: str, choose: Choose, shape: Shape, limits: Limits) -> LayerSpec:
    window = choose(limits.options(kind, "window", lists((2, 2, 3), axes)))
    halves = list(map(list, product(*(range(k // 2 + 1) for k in window))))
    return LayerSpec(kind, drawn(
        choose, kind, limits, function=("max", "mean"), window=[window],
        stride=[*([window] * 3), *lists((1, 2, 3), axes)],
        padding=[*([[0] * axes] * 3), *halves[1:]],
        count_padding=(True, True, False), ceil=(False, True)))


def subsample(kind: str, choose: Choose, shape: Shape, limits: Limits) -> LayerSpec:
    return LayerSpec(kind, drawn(choose, kind, limits, window=lists((2, 2, 1, 3), 2)))


def pad(kind: str, choose: Choose, shape: Shape, limits: Limits) -> LayerSpec:
    """Mostly of the last axes, seldom of the channels too."""
    axes = choose((*range(1, len(shape)), len(shape) - 1, len(shape)))
    each = [[choose((0, 1, 2)), choose((0, 1))] for _ in range(axes)]
    return LayerSpec(kind, drawn(choose, kind, limits, amounts=[each]))


def upsample(kind: str, choose: Choose, shape: Shape, limits: Limits) -> LayerSpec:
    return LayerSpec(kind, drawn(choose, kind, limits, factor=(2, 2, 2, 3, 1)))


def reshape(kind: str, choose: Choose, shape: Shape, limits: Limits) -> LayerSpec:
    """Into as many axes, so that what follows still fits."""
    return LayerSpec(kind, drawn(choose, kind, limits, shape=shapes_of(shape, len(shape))))


def shapes_of(shape: Shape, axes: int) -> list[list[int]]:
    """The shapes of so many axes with as many entries, another one where there is another."""
    count = math.prod(shape)
    if axes == 1:
        return [[count]]
    found = [[n, *rest] for n in range(1, count + 1) if count % n == 0
             for rest in shapes_of((count // n,), axes - 1)]
    return [each for each in found if each != list(shape)] or found


# --- in a network --------------------------------------------------------------------------------


def shape_behind(layers: Sequence[LayerSpec], shape: Shape) -> Shape:
    """What the layers make of an input of this shape; DescriptionError where one does not fit."""
    for i, spec in enumerate(layers):
        shape = TABLES.layers[spec.kind].shapes(spec, shape, TABLES, str(i)).output
    return shape


def fitting(choose: Choose, draw: Draw, shape: Shape, limits: Limits) -> LayerSpec | None:
    """A layer that takes an input of this shape; None where none was found."""
    for _ in range(TRIES):
        spec = draw(choose, shape, limits)
        try:
            size = math.prod(shape_behind((spec,), shape))
        except DescriptionError:
            continue
        if size <= max(MOST, math.prod(shape)):
            return spec
    return None


def places(network: Network, axes: int) -> list[int]:
    """The positions in a network of images where there are channels and so many axes."""
    shape, found = network.input_shape, []
    of_images = any(spec.kind in OF_IMAGES for spec in network.layers)
    for i, spec in enumerate(network.layers if of_images else ()):
        if len(shape) == axes + 1:
            found.append(i)
        shape = shape_behind((spec,), shape)
    return found


def inserted(choose: Choose, network: Network, axes: int, draw: Draw,
             limits: Limits) -> Network | None:
    """The network of images with one layer more."""
    at = choose(places(network, axes))
    spec = fitting(choose, draw, shape_behind(network.layers[:at], network.input_shape), limits)
    return None if spec is None else spliced(network, at, at, (spec,))


def sizes(choose: Choose, axes: int, larger: int) -> Shape:
    """Channels, and an extent for each axis."""
    extents = (*SIZES, LONG) if axes == 1 else SIZES
    return (choose(CHANNELS), *(choose(extents) + 2 * larger for _ in range(axes)))


def stages(choose: Choose, axes: int, kind: str, draw: Draw, limits: Limits) -> list[Draw]:
    """The layer, with some that are claimed in front of it and behind."""
    others = [name for name in KINDS[axes] if limits.may_have(name) and name != kind]
    convs = [name for name in others if name.startswith("conv")]
    before = [choose(convs)] if convs and choose((True, True, False)) else []
    count = choose(STAGES) if len(others) > 1 and limits.structures is not None else 0
    behind = [choose(others) for _ in range(count)]
    return [*(DRAWS[axes][name] for name in before), draw,
            *(DRAWS[axes][name] for name in behind)]


def block(choose: Choose, shape: Shape, draws: Sequence[Draw],
          limits: Limits) -> list[LayerSpec] | None:
    """The layers one after another, an activation behind some; None where one does not fit."""
    layers: list[LayerSpec] = []
    for draw in draws:
        spec = fitting(choose, draw, shape, limits)
        if spec is None:
            return None
        layers.append(spec)
        shape = shape_behind((spec,), shape)
        if limits.hidden and spec.kind not in ("reshape", "pad") and choose((True, False)):
            layers.append(choose(limits.hidden))
    return layers


def behind_a_level(choose: Choose, network: Network, axes: int, draws: Sequence[Draw],
                   limits: Limits) -> Network | None:
    """What a hidden level gives, taken for an image."""
    found = hidden_levels(network)
    if not found:
        return None
    level = choose(found)
    shape = choose(shapes_of((level.spec.units or 1,), axes + 1))
    layers = block(choose, tuple(shape), draws, limits)
    if layers is None:
        return None
    new = (LayerSpec("reshape", {"shape": shape}), *layers, *ended(layers, shape))
    return spliced(network, level.stop, level.stop, new)


def ended(layers: Sequence[LayerSpec], shape: Sequence[int]) -> Layers:
    """`flatten`, where there is more than one axis still."""
    return (FLATTEN,) if len(shape_behind(layers, tuple(shape))) > 1 else ()


def in_front(choose: Choose, network: Network, axes: int, draws: Sequence[Draw],
             limits: Limits) -> Network | None:
    """Images for inputs, and the layers in front of the chain."""
    for larger in range(LARGER):
        shape = sizes(choose, axes, larger)
        layers = block(choose, shape, draws, limits)
        if layers is not None:
            front = (*layers, *ended(layers, shape))
            return replace(spliced(network, 0, 0, front), input_shape=shape)
    return None


def grow(axes: int, kind: str, draw: Draw
         ) -> Callable[[Choose, Network, Limits], Network | None]:
    """A structure's `grow`: one layer of this kind in a network of images, or a new one of them."""
    def once(choose: Choose, network: Network, limits: Limits) -> Network | None:
        if places(network, axes):
            return inserted(choose, network, axes, draw, limits)
        draws = stages(choose, axes, kind, draw, limits)
        again = limits.may_have("reshape") and choose((False, False, True))
        found = behind_a_level(choose, network, axes, draws, limits) if again else None
        if found is None and network.real and len(network.input_shape) == 1:
            return in_front(choose, network, axes, draws, limits)
        return found

    def grown(choose: Choose, network: Network, limits: Limits) -> Network | None:
        for _ in range(DRAWN):
            found = once(choose, network, limits)
            if found is None or not always_on_a_kink(found):
                return found
        return None

    return grown


def always_on_a_kink(network: Network) -> bool:
    """Whether a kink is met whatever the numbers: windows of padding alone, an entry twice in one.

    Tried with positive numbers, so that nothing is off.
    """
    rng = np.random.default_rng(0)

    def positive(shape: Sequence[int]) -> Any:
        return rng.uniform(0.5, 1.5, tuple(shape))

    try:
        shapes = infer(network)
    except DescriptionError:
        return False
    batched = {name: (1, *shape) for each in (shapes.states, shapes.masks)
               for name, shape in each.items()}
    values = {name: positive(shape)
              for name, shape in {**shapes.parameters, **shapes.constants, **batched}.items()}
    inputs = positive((1, *network.input_shape)) if network.real else np.zeros(
        (1, *network.input_shape), int)
    kinks = forward(Case(network, values, inputs, positive((1, *shapes.output)))).kinks
    return any(bool((kink.argument == point).any()) for kink in kinks for point in kink.points)


def of_kind(kind: str) -> Callable[[Network], bool]:
    """Whether a network has a layer of this kind."""
    return lambda network: any(spec.kind == kind for _, spec in network.walk())


def bound(draw: Callable[..., LayerSpec], *first: Any) -> Draw:
    return lambda choose, shape, limits: draw(*first, choose, shape, limits)


DRAWS: dict[int, dict[str, Draw]] = {
    axes: {f"conv{axes}d": bound(conv, axes, f"conv{axes}d"),
           f"conv_transpose{axes}d": bound(conv, axes, f"conv_transpose{axes}d"),
           f"pool{axes}d": bound(pool, axes, f"pool{axes}d"),
           "subsample2d": bound(subsample, "subsample2d"), "pad": bound(pad, "pad"),
           "upsample": bound(upsample, "upsample"), "reshape": bound(reshape, "reshape")}
    for axes in KINDS}
