"""Layers that move numbers: flatten by itself, reshape, pad, upsample.

Every network of images or of sequences of channels has a `flatten` in front of its dense layers.
That belongs to the kinds it has; here it stands by itself, in front of a chain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...reference import Network
from ..images import DRAWS, FLATTEN, OF_IMAGES, grow, of_kind, sizes
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
    return "flatten" in kinds and not kinds & OF_IMAGES


def of_any_axes(kind: str) -> Callable[[Choose, Network, Limits], Network | None]:
    """One axis beside the channels, or two."""
    def grown(choose: Choose, network: Network, limits: Limits) -> Network | None:
        axes = choose((1, 2))
        return grow(axes, kind, DRAWS[axes][kind])(choose, network, limits)

    return grown


STRUCTURES = {
    "flatten": Structure("examples of several axes, made one row", flattened, flatten_alone,
                         even=False),
    **{kind: Structure(says, of_any_axes(kind), of_kind(kind), even=False)
       for kind, says in SAYS.items()},
}
