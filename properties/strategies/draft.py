"""Everything that is chosen about a case before its numbers are: cheap to draw, and to compare."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ...reference import Case, Network
from .values import Style, build


@dataclass(frozen=True)
class Draft:
    """A network, how it is asked, the style and the seed of its numbers, its largest logits."""

    network: Network
    batch: int
    targets: str
    style: Style
    seed: tuple[int, ...]
    dtype: str
    largest: float | None = None

    @cached_property
    def case(self) -> Case:
        """The case of these choices, the same one every time."""
        return build(self.network, self.batch, self.targets, self.style, self.seed, self.dtype,
                     self.largest)
