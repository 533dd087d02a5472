"""Branches side by side in PyTorch."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch

from ... import row
from ..chain import Here, Layer, forward

Tensor = Any

COMBINE: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "add": lambda ys: reduce(torch.add, ys),
    "concatenate": lambda ys: torch.cat(ys, dim=-1),
    "multiply": lambda ys: reduce(torch.mul, ys),
}


def parallel(here: Here, x: Tensor) -> Tensor:
    ys = [forward(here.rows, branch, f"{here.name}.{b}.", here.values, x)
          for b, branch in enumerate(here.spec.branches)]
    return row("torch", "combine", here.spec.options["combine"], COMBINE)(ys)


LAYERS = {"parallel": Layer(parallel, ("branches", "combine"))}
