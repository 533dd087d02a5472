"""Gated linear units: a branch through silu, sigmoid or gelu, times one that is linear.

Dauphin, Fan, Auli, Grangier (2017), equation 1, with the sigmoid; Shazeer, GLU Variants Improve
Transformer (2020), section 2, with gelu (GEGLU) and silu (SwiGLU).
"""

from __future__ import annotations

from ...reference import LayerSpec, Network
from ..structure import Choose, Limits, Structure, levels, spliced

GATES = ("sigmoid", "silu", "gelu", "gelu_tanh")


def grow(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """One level becomes two of the same size, multiplied, and loses the function behind it."""
    gates = [spec for spec in limits.hidden if spec.function in GATES]
    places = list(levels(network))
    if not gates or not places:
        return None
    level = choose(places)
    last = level.stop >= len(network.layers)
    branches = ((level.spec, choose(gates)), (level.spec,))
    order = branches if choose((True, True, False)) else branches[::-1]
    made = LayerSpec("parallel", {"branches": order, "combine": "multiply"})
    return spliced(network, level.at, level.at + 1 if last else level.stop, (made,))


def owns(spec: LayerSpec) -> bool:
    """Whether a layer is two branches that are multiplied, one of them a gate."""
    if spec.kind != "parallel" or spec.options["combine"] != "multiply" or len(spec.branches) != 2:
        return False
    short, long = sorted(spec.branches, key=len)
    return (len(short) == 1 and len(long) == 2 and long[1].function in GATES
            and short[0].units is not None and long[0].units is not None)


STRUCTURES = {
    "gated": Structure("two layers multiplied, one of them through silu, sigmoid or gelu", grow,
                       lambda network: any(owns(spec) for _, spec in network.walk()), owns=owns),
}
