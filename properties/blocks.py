"""Transformer blocks as they are told from other residuals, and what is outside them."""

from __future__ import annotations

from collections.abc import Iterator

from ..reference import LayerSpec
from .structure import Layers


def is_block(spec: LayerSpec) -> bool:
    """Whether it is one half of such a block: a residual around a norm and what follows it."""
    if spec.kind != "parallel" or spec.options["combine"] != "add" or len(spec.branches) != 2:
        return False
    straight, inside = spec.branches
    kinds = [layer.kind for layer in inside]
    return not straight and kinds in (["layer_norm", "attention"],
                                      ["layer_norm", "dense", "activation", "dense"])


def outside_blocks(layers: Layers) -> Iterator[LayerSpec]:
    """Every layer, those inside branches too, but for what is inside a transformer block."""
    for spec in layers:
        yield spec
        if not is_block(spec):
            for branch in spec.branches:
                yield from outside_blocks(branch)
