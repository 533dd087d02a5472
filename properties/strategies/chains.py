"""Plain chains in the claims: heads, depths, sizes, biases, biased to where mistakes hide."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...reference import LayerSpec, LossSpec, Network, infer
from ..claims import Claims, Head, Range, activation
from ..structure import Choose
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


def count(sizes: Sequence[int], biases: Sequence[bool]) -> int:
    """The parameters of a chain of these sizes."""
    return sum(m * (n + b) for n, m, b in zip(sizes, sizes[1:], biases, strict=False))


def chain(sizes: Sequence[int], biases: Sequence[bool], hidden: Sequence[LayerSpec],
          head: Head) -> Network:
    """A chain as a Network, with the head's output activation and loss."""
    reduction = "mean_over_batch" if head.reduction == "reported" else head.reduction
    loss = LossSpec(head.loss, reduction, head.scale)
    return chain_of(sizes, biases, [*hidden, activation(head.activation)], loss)


def several(head: Head) -> Head:
    """The head with two outputs or more where one would be constant: the softmax of one is 1."""
    low, high = head.outputs
    softmax = head.activation == "softmax" or head.loss == "softmax_cross_entropy"
    return replace(head, outputs=(2, high)) if softmax and low == 1 and high != 1 else head


def head_of(choose: Choose, claims: Claims) -> Head:
    """A loss first, then a head that has it: each loss gets its share."""
    loss = choose(list(dict.fromkeys(head.loss for head in claims.heads)))
    found: Head = choose([head for head in claims.heads if head.loss == loss])
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


def sizes_of(choose: Choose, layers: int, outputs: Range) -> list[int]:
    """Units per level, the inputs first, the last inside the claimed outputs."""
    pattern = choose(SIZES)
    sizes = _pattern(choose, pattern, layers + 1)
    if pattern != "square" or not allowed(sizes[-1], outputs):
        low, high = outputs
        sizes[-1] = choose(range(low, max(low, min(WIDEST, high or WIDEST)) + 1))
    for level in _wide_levels(choose, pattern, layers, outputs):
        sizes[level] = choose(within(WIDE, outputs) if level == layers else WIDE)
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


def narrowed(sizes: Sequence[int], biases: Sequence[bool], outputs: Range,
             limit: int | None) -> list[int]:
    """The sizes, the largest made smaller until the chain has at most `limit` parameters."""
    sizes = list(sizes)
    while limit is not None and count(sizes, biases) > limit:
        least = [1] * (len(sizes) - 1) + [outputs[0]]
        spare = [(size - low, i) for i, (size, low) in enumerate(zip(sizes, least, strict=True))]
        if max(spare)[0] == 0:
            break
        sizes[max(spare)[1]] -= 1
    return sizes


# --- the chain ------------------------------------------------------------------------------------


@dataclass
class Parts:
    """A chain on its way: units per level, a bias or none per level, the hidden activations."""

    sizes: list[int]
    biases: list[bool]
    hidden: list[LayerSpec]

    def shorter(self) -> Parts:
        """One level less; the outputs stay."""
        return Parts([*self.sizes[:-2], self.sizes[-1]], self.biases[1:], self.hidden[1:])


def chain_inside(choose: Choose, claims: Claims, head: Head) -> Network:
    """A chain inside the claims, with this head."""
    head = several(head)
    depth = choose(within(DEPTHS, claims.depth if claims.hidden else (1, 1)))
    parts = Parts([], _biases(choose, claims, depth), _hidden(choose, claims, depth))
    limit = claims.max_parameters
    sizes = sizes_of(choose, depth, head.outputs)
    parts.sizes = narrowed(sizes, parts.biases, head.outputs, limit)
    while (limit is not None and count(parts.sizes, parts.biases) > limit
           and len(parts.biases) > max(1, claims.depth[0])):
        parts = parts.shorter()
    return chain(parts.sizes, parts.biases, parts.hidden, head)


def _biases(choose: Choose, claims: Claims, depth: int) -> list[bool]:
    if claims.bias == "any":
        return [choose((True, True, False)) for _ in range(depth)]
    return [claims.bias == "always"] * depth


def _hidden(choose: Choose, claims: Claims, depth: int) -> list[LayerSpec]:
    if claims.same_hidden and depth > 1:
        return [activation(choose(claims.hidden))] * (depth - 1)
    return [activation(choose(claims.hidden)) for _ in range(depth - 1)]
