"""Plain chains in the claims: heads, depths, sizes, biases, biased to where mistakes hide."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...reference import LayerSpec, LossSpec, Network, infer
from ..claims import Claims, Head, Range, activation, loss_of
from ..structure import Bias, Choose
from ..structures import chain as chain_of

WIDEST = 8
DEPTHS = (*3 * (1, 1, 2, 2, 2, 3, 3, 3, 4, 4), 5, 6, 6, *range(7, 13), 8, 12, 16, 20)
BATCHES = (1, 1, 2, 2, 3, 3, 4, 4, 5, 8, 8, 17, 33)
LARGE_BATCHES = (34, 50, 64, 100, 128)
SMALL = 60  # parameters of a network that may be asked with a large batch
WIDE = (9, 10, 12, 16, 17, 33)
WIDTHS = tuple(range(1, WIDEST + 1))
SIZES = (*2 * ("free", "free", "square", "square", "one unit", "alternating", "alternating"),
         "wide", "wide", "wide outputs", "two wide")


def within(values: Sequence[int], limits: Range) -> list[int]:
    """The values inside the limits; the least allowed where none is."""
    low, high = limits
    inside = [v for v in values if v >= low and (high is None or v <= high)]
    return inside or [low]


def batches(network: Network) -> tuple[int, ...]:
    """The batches to choose from: large ones for small networks, and those that equal a size."""
    small = parameters(network) <= SMALL
    return (*BATCHES, *network.sizes, *(LARGE_BATCHES if small else ()))


def parameters(network: Network) -> int:
    """How many parameters the network has, initial states left out."""
    return sum(math.prod(shape) for shape in infer(network).parameters.values())


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
    """A loss first, then a head that has it: each loss gets its share.

    Outputs that are as they come, which most programs have, are three times as likely as others.
    """
    loss = choose(list(dict.fromkeys(head.loss for head in claims.heads)))
    having = [head for head in claims.heads if head.loss == loss]
    plain = [head for head in having if head.activation == "identity"]
    found: Head = choose([*having, *plain, *plain])
    return found


# --- sizes ----------------------------------------------------------------------------------------


def _pattern(choose: Choose, pattern: str, levels: int) -> list[int]:
    """Units per level, the inputs first; none is wide yet."""
    n, m = choose(WIDTHS), choose(WIDTHS)
    of: dict[str, Callable[[int], int]] = {
        "square": lambda i: n, "wide": lambda i: n,
        "one unit": lambda i: 1 if i else n, "alternating": lambda i: (n, m)[i % 2]}
    size = of.get(pattern)
    return [size(i) if size else choose(WIDTHS) for i in range(levels)]


def allowed(size: int, limits: Range) -> bool:
    return limits[0] <= size and (limits[1] is None or size <= limits[1])


def sizes_of(choose: Choose, layers: int, outputs: Range, alike: bool = False) -> list[int]:
    """Units per level, the inputs first, the last inside the claimed outputs.

    alike: the levels between have one number of units.
    """
    pattern = choose(SIZES)
    sizes = _pattern(choose, pattern, layers + 1)
    if pattern != "square" or not allowed(sizes[-1], outputs):
        low, high = outputs
        sizes[-1] = choose(range(low, max(low, min(WIDEST, high or WIDEST)) + 1))
    for level in _wide_levels(choose, pattern, layers, outputs):
        sizes[level] = choose(within(WIDE, outputs) if level == layers else WIDE)
    if alike:
        sizes[1:-1] = [max(sizes[1:-1], default=1)] * (layers - 1)
    return sizes


def _wide_levels(choose: Choose, pattern: str, layers: int, outputs: Range) -> Sequence[int]:
    """The levels that are wide; the last one, the outputs, only where the claims let it be."""
    last = layers if allowed(WIDE[0], (1, outputs[1])) else layers - 1
    if pattern == "wide":
        return [choose(range(max(1, layers)))]
    if pattern == "wide outputs":
        return [last] if last == layers else []
    if pattern == "two wide" and last > 0:
        first = choose(range(last))
        return [first, first + 1]
    return []


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
