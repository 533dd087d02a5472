"""Plain chains in the claims: heads, depths, sizes, biases, biased to where mistakes hide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...reference import LayerSpec, LossSpec, Network
from ..claims import Claims, Head, Range, activation, loss_of
from ..structure import Bias, Choose
from ..structures import chain as chain_of

DEEPEST = 12
WIDEST = 8
DEPTHS = (1, 1, 2, 2, 2, 3, 3, 3, 4, 4, *range(5, DEEPEST + 1))
BATCHES = (1, 1, 2, 2, 3, 3, 4, 4, 5, 8, 8, 17, 33)
WIDE = (9, 16, 17, 33)
WIDTHS = tuple(range(1, WIDEST + 1))
SIZES = ("free", "free", "square", "square", "one unit", "alternating", "alternating", "wide")


def within(values: Sequence[int], limits: Range) -> list[int]:
    """The values inside the limits; the least allowed where none is."""
    low, high = limits
    inside = [v for v in values if v >= low and (high is None or v <= high)]
    return inside or [low]


def count(sizes: Sequence[int], biases: Sequence[Bias]) -> int:
    """The parameters of a chain of these sizes."""
    return sum(m * n + (1 if bias == "layer" else m * bool(bias))
               for n, m, bias in zip(sizes, sizes[1:], biases, strict=False))


def chain(sizes: Sequence[int], biases: Sequence[Bias], hidden: Sequence[LayerSpec],
          head: Head, loss: LossSpec | None = None) -> Network:
    """A chain as a Network, with the head's output activation and loss, or another loss."""
    after = [*hidden, activation(head.activation)]
    return chain_of(sizes, biases, after, loss or loss_of(head))


def head_of(choose: Choose, claims: Claims) -> Head:
    """A loss first, then a head that has it: each loss gets its share."""
    loss = choose(list(dict.fromkeys(head.loss for head in claims.heads)))
    found: Head = choose([head for head in claims.heads if head.loss == loss])
    return found


# --- sizes ----------------------------------------------------------------------------------------


def _pattern(choose: Choose, pattern: str, levels: int) -> list[int]:
    """Units per level, the inputs first."""
    n, m = choose(WIDTHS), choose(WIDTHS)
    of: dict[str, Callable[[int], int]] = {
        "free": lambda i: choose(WIDTHS), "square": lambda i: n, "wide": lambda i: n,
        "one unit": lambda i: 1 if i else n, "alternating": lambda i: (n, m)[i % 2]}
    return [of[pattern](i) for i in range(levels)]


def sizes_of(choose: Choose, layers: int, outputs: Range, alike: bool = False) -> list[int]:
    """Units per level, the inputs first, the last inside the claimed outputs.

    alike: the levels between have one number of units.
    """
    pattern = choose(SIZES)
    sizes = _pattern(choose, pattern, layers + 1)
    if pattern == "wide":
        sizes[choose(range(max(1, layers)))] = choose(WIDE)
    if alike:
        sizes[1:-1] = [max(sizes[1:-1], default=1)] * (layers - 1)
    low, high = outputs
    if pattern != "square" or sizes[-1] < low or (high is not None and sizes[-1] > high):
        sizes[-1] = choose(range(low, max(low, min(WIDEST, high or WIDEST)) + 1))
    return sizes


def narrowed(sizes: Sequence[int], biases: Sequence[Bias], outputs: Range,
             limit: int | None, alike: bool = False) -> list[int]:
    """The sizes, the largest made smaller until the chain has at most `limit` parameters.

    alike: the levels between are made smaller together.
    """
    sizes = list(sizes)
    while limit is not None and count(sizes, biases) > limit:
        least = [1] * (len(sizes) - 1) + [outputs[0]]
        spare = [(size - low, i) for i, (size, low) in enumerate(zip(sizes, least, strict=True))]
        largest, at = max(spare)
        if largest == 0:
            break
        together = range(1, len(sizes) - 1) if alike and 0 < at < len(sizes) - 1 else (at,)
        for i in together:
            sizes[i] -= 1
    return sizes


# --- the chain ------------------------------------------------------------------------------------


@dataclass
class Parts:
    """A chain on its way: units per level, a bias or none per level, the hidden activations."""

    sizes: list[int]
    biases: list[Bias]
    hidden: list[LayerSpec]

    def shorter(self) -> Parts:
        """One level less; the outputs stay."""
        return Parts([*self.sizes[:-2], self.sizes[-1]], self.biases[1:], self.hidden[1:])


def chain_inside(choose: Choose, claims: Claims, head: Head) -> Network:
    """A chain inside the claims, with this head."""
    head = head.several
    depth = choose(within(DEPTHS, claims.depth if claims.hidden else (1, 1)))
    parts = Parts([], _biases(choose, claims, depth), _hidden(choose, claims, depth))
    limit, alike = claims.max_parameters, claims.same_widths
    sizes = sizes_of(choose, depth, head.outputs, alike)
    parts.sizes = narrowed(sizes, parts.biases, head.outputs, limit, alike)
    while (limit is not None and count(parts.sizes, parts.biases) > limit
           and len(parts.biases) > max(1, claims.depth[0])):
        parts = parts.shorter()
    spared = claims.bias in ("any", "all_or_none")
    if limit is not None and spared and count(parts.sizes, parts.biases) > limit:
        parts.biases = [False] * len(parts.biases)
    return chain(parts.sizes, parts.biases, parts.hidden, head, claims.loss_of(head))


def _biases(choose: Choose, claims: Claims, depth: int) -> list[Bias]:
    if claims.bias == "layer":
        return ["layer"] * depth
    if claims.bias == "any":
        return [choose((True, True, False)) for _ in range(depth)]
    if claims.bias == "all_or_none":
        return [choose((True, True, False))] * depth
    return [claims.bias == "always"] * depth


def _hidden(choose: Choose, claims: Claims, depth: int) -> list[LayerSpec]:
    if claims.same_hidden and depth > 1:
        return [activation(choose(claims.hidden))] * (depth - 1)
    return [activation(choose(claims.hidden)) for _ in range(depth - 1)]
