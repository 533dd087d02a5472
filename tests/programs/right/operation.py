"""What a row of the right programs is, and the two casts that all of them make."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

FLOATS = ("float32", "bfloat16", "float16")
STYLES = ("fused", "other", "eager")


@dataclass(frozen=True)
class Operation:
    """An operation: its plain form, two kernels that are right, and what both are asked.

    fused: float32 inside, stored in the dtype, with a backward pass written by hand. other: the same, its sums in
    another order and grouping. eager: the plain form in the dtype itself. inputs, sizes, options: as `program` takes
    them. sums: what PyTorch keeps the partial sums of the eager form in, by dtype, where that is not float32.
    """

    name: str
    plain: Callable[..., Any]
    fused: Callable[..., Any]
    other: Callable[..., Any]
    inputs: Mapping[str, Any]
    sizes: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    sums: str = ""

    def function(self, style: str) -> Callable[..., Any]:
        return self.plain if style == "eager" else getattr(self, style)

    def claim(self, style: str, dtype: str) -> dict[str, str]:
        """The arithmetic and the accumulation that a style keeps in a dtype."""
        if style != "eager":
            return {"arithmetic": "float32", "accumulate": "float32"}
        return {"arithmetic": dtype, "accumulate": dtype if self.sums == "dtype" else "float32"}


def wide(tensor):
    """The tensor in float32, in float64 where it is that; None as it is."""
    return None if tensor is None else tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def like(gradient, tensor):
    """A gradient stored as its tensor is; None as it is."""
    return None if gradient is None else gradient.to(tensor.dtype)
