"""What a program claims of its numbers: storage, arithmetic, and what long sums are kept in."""

from __future__ import annotations

from dataclasses import dataclass

from .formats import FORMATS, Format


@dataclass(frozen=True)
class Claim:
    """storage: of inputs, outputs and gradients; arithmetic: what each operation is rounded to.

    accumulate: what the partial sums of reductions and products are rounded to. "float32 inside,
    stored in bfloat16" is Claim("bfloat16", "float32", "float32"); eager PyTorch in bfloat16, which
    rounds after every operation and sums in float32, is Claim("bfloat16", "bfloat16", "float32").
    """

    storage: str
    arithmetic: str
    accumulate: str

    @property
    def stored(self) -> Format:
        return FORMATS[self.storage]

    @property
    def operations(self) -> Format:
        """What an operation's result is rounded to; that of tf32 is float32."""
        return FORMATS["float32" if self.arithmetic == "tf32" else self.arithmetic]

    @property
    def products(self) -> Format:
        """What the operands of matrix products are rounded to first."""
        return FORMATS[self.arithmetic]

    @property
    def sums(self) -> Format:
        return FORMATS[self.accumulate]
