"""Modules side by side on one input: added (a residual block), multiplied, or joined."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce

import torch
from torch import Tensor, nn

from .....reference import LayerSpec
from ..builder import Builder

COMBINE: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "add": lambda ys: reduce(torch.add, ys),
    "multiply": lambda ys: reduce(torch.mul, ys),
    "concatenate": lambda ys: torch.cat(ys, dim=-1),
}


class Branches(nn.ModuleList):
    """What `combine` makes of the outputs of the branches."""

    def __init__(self, branches: Iterable[nn.Module], combine: str):
        super().__init__(branches)
        self.combine = combine

    def forward(self, x: Tensor) -> Tensor:
        return COMBINE[self.combine]([branch(x) for branch in self])


def parallel(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    branches = (builder.chain(b, f"{name}.{i}.") for i, b in enumerate(spec.branches))
    return Branches(branches, spec.options["combine"])


LAYERS = {"parallel": parallel}
