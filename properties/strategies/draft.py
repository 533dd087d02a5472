"""Everything that is chosen about a case before its numbers are: cheap to draw, and to compare.

There is one generator, and any source of choices drives it: Hypothesis, which shrinks what fails,
or a counter, which gives the same choices for the same seed and number everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...reference import LOSSES, Case, Network
from ..claims import Claims
from ..structure import Choose
from .chains import batches, head_of, within
from .grown import network_inside
from .values import INPUTS, Style, build

# By field of a Style: what it is chosen from; what stands there more often is chosen more often.
STYLED: dict[str, Sequence[Any]] = {
    "gain": (1.0, 1.0, 0.5, 2.0, 4.0),
    "bias": (*5 * ("random",), "equal", "equal", "zero", "zero", "large", "two equal"),
    "inputs": (*4 * ("normal",), *2 * ("repeated rows", "zero column", "saturating", "small",
                                       "huge"), *INPUTS),
    "scales": ("alike", "alike", "different", "large outputs"),
    "weights": (*7 * ("full",), "zeros"),
    "targets": (*5 * ("free",), *3 * ("near",), "equal"),
    "kink": (*10 * (0.0,), 1e-4, 1e-8),
}


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


def draft_inside(choose: Choose, claims: Claims, style: Callable[[], Style],
                 seed: Callable[[], Sequence[int]], *, network: Network | None = None,
                 dtype: str | None = None) -> Draft:
    """A draft inside the claims; style and seed choose what their names say."""
    head = head_of(choose, claims)
    chosen = network or network_inside(choose, claims, head)
    kinds = head.target_kinds if network is None else LOSSES[chosen.loss.kind].targets
    batch = choose(within(batches(chosen), claims.batch))
    targets = choose((*kinds, "real", "real") if "real" in kinds else kinds)
    drawn, numbers = style(), tuple(seed())
    return Draft(chosen, batch, targets, drawn, numbers, dtype or choose(claims.dtypes),
                 head.logits)
