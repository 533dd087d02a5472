"""Scale layers: in front of a layer with units, or between it and its activation."""

from __future__ import annotations

from ...reference import LayerSpec, Network
from ..structure import Choose, Limits, Structure, levels, spliced

SCALE = LayerSpec("scale")


def grow(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """Real numbers only can be scaled, so none goes in front of a layer that takes indices."""
    places = [at for level in levels(network)
              for at in (level.at, *([] if level.after is None else [level.at + 1]))]
    places = [at for at in places if at or network.real]
    return spliced(network, at := choose(places), at, (SCALE,)) if places else None


STRUCTURES = {
    "scale": Structure("a factor for each unit", grow,
                       lambda network: any(spec.kind == "scale" for _, spec in network.walk())),
}
