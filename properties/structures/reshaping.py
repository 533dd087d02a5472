"""Layers that move numbers: flatten by itself, reshape, pad, upsample.

Every network of images or of sequences of channels has a `flatten` in front of its dense layers.
That belongs to the kinds it has; here it stands by itself, in front of a chain. A network that does
without, and has a dense layer along the last axis of an image, or images for outputs, is another
structure: most programs know no such thing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...reference import TABLES, DescriptionError, LayerSpec, Network
from ..images import DRAWS, FLATTEN, OF_IMAGES, grow, of_kind, shape_behind, sizes
from ..structure import Choose, Limits, Structure, spliced

SAYS = {"reshape": "a reshape", "pad": "zeros around sequences or images",
        "upsample": "nearest-neighbour upsampling"}


def flattened(choose: Choose, network: Network, limits: Limits) -> Network | None:
    if not network.real or len(network.input_shape) > 1:
        return None
    return replace(spliced(network, 0, 0, (FLATTEN,)),
                   input_shape=sizes(choose, choose((1, 2)), 0))


def flatten_alone(network: Network) -> bool:
    kinds = {spec.kind for _, spec in network.walk()}
    return "flatten" in kinds and not kinds & OF_IMAGES and not has_last_axis(network)


def along_last_axis(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """A dense layer in front of a `flatten`, along the last axis of an image."""
    if not network.real or len(network.input_shape) > 1 or not limits.room(1):
        return None
    shape = sizes(choose, choose((1, 2)), 0)
    dense = LayerSpec("dense", {"units": choose((1, 2, 3)), "bias": choose(limits.bias)})
    after = (choose(limits.hidden),) if limits.hidden else ()
    return replace(spliced(network, 0, 0, (dense, *after, FLATTEN)), input_shape=shape)


def has_last_axis(network: Network) -> bool:
    """Whether a layer of features, or the loss, is given an image that nothing has flattened."""
    kinds = {spec.kind for spec in network.layers}
    if not kinds & {*OF_IMAGES, "flatten"}:
        return False
    shape = network.input_shape
    for spec in network.layers:
        if len(shape) > 1 and spec.units is not None and TABLES.layers[spec.kind].axes == 1:
            return True
        try:
            shape = shape_behind((spec,), shape)
        except DescriptionError:  # a network that cannot be is not told from others here
            return False
    return len(shape) > 1


def of_any_axes(kind: str) -> Callable[[Choose, Network, Limits], Network | None]:
    """One axis beside the channels, or two."""
    def grown(choose: Choose, network: Network, limits: Limits) -> Network | None:
        axes = choose((1, 2))
        return grow(axes, kind, DRAWS[axes][kind])(choose, network, limits)

    return grown


STRUCTURES = {
    "flatten": Structure("examples of several axes, made one row", flattened, flatten_alone,
                         even=False),
    "last_axis": Structure(
        "images that are not flattened: dense layers along their last axis, images for outputs",
        along_last_axis, has_last_axis, even=False, least=2),
    **{kind: Structure(says, of_any_axes(kind), of_kind(kind), even=False)
       for kind, says in SAYS.items()},
}
