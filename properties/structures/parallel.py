"""Branches side by side, added, multiplied or put next to each other; residual and nested ones."""

from __future__ import annotations

from ...reference import LayerSpec, Network
from ..structure import Choose, Layers, Level, Limits, Structure, levels, spliced


def parallel(combine: str, *branches: Layers) -> LayerSpec:
    return LayerSpec("parallel", {"branches": branches, "combine": combine})


def branch(choose: Choose, spec: LayerSpec, limits: Limits) -> Layers:
    """A layer like this one, with an activation or without."""
    return (spec, choose(limits.hidden)) if limits.hidden and choose((True, False)) else (spec,)


def beside(choose: Choose, level: Level, limits: Limits, combine: str) -> Layers:
    """The second branch: nothing at all where the widths allow it (a residual), or a layer."""
    fits = combine == "concatenate" or level.inputs == level.spec.units
    if fits and choose((True, True, False)):
        return ()
    if choose((True, False, False)):
        return (parallel("add", (level.spec,), branch(choose, level.spec, limits)),)
    return branch(choose, level.spec, limits)


def grow(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """One level becomes a branch, with another beside it; the last keeps its number of units."""
    places = list(levels(network))
    if not places:
        return None
    level = choose(places)
    last = level.stop >= len(network.layers)
    combine = choose(("add", "add", "multiply") if last else ("add", "multiply", "concatenate"))
    inside: Layers = (level.spec,) if last or level.after is None else (level.spec, level.after)
    made = parallel(combine, inside, beside(choose, level, limits, combine))
    return spliced(network, level.at, level.at + len(inside), (made,))


def depth(layers: Layers) -> int:
    """How many layers with branches are inside each other."""
    return max((1 + max(map(depth, spec.branches)) for spec in layers if spec.branches), default=0)


STRUCTURES = {
    "parallel": Structure(
        "branches side by side: added, multiplied, put next to each other; residual",
        grow, lambda network: depth(network.layers) > 0, even=False, branches=True),
}
