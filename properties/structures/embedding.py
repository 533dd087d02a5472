"""Embeddings: indices for inputs, and an output layer that may be tied to the embedding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...reference import Case, LayerSpec, Network
from ..structure import Choose, Limits, Structure, hidden_levels, levels, owners, spliced

WORDS = (1, 2, 3, 3, 4, 5, 7)
STEPS = ((), (), (1,), (2,), (3,), (5,))


def grow(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """The first level of a chain becomes an embedding, of single indices or of sequences."""
    first = next(levels(network), None)
    if first is None or first.at or not network.real or network.layers[0].kind != "dense":
        return None
    words = choose(WORDS)
    padding = choose(limits.options("embedding", "padding_index", (None, None, 0, words - 1)))
    spec = LayerSpec("embedding", {"units": first.spec.units, "padding_index": padding})
    found = spliced(network, 0, 1, (spec,))
    return replace(found, input_shape=choose(STEPS), input_kind={"index": words})


def tied(choose: Choose, network: Network, limits: Limits) -> Network | None:
    """A level behind the embedding that goes back through its matrix: logits of all words, say.

    Without a padding row: the level behind would train it all the same.
    """
    found = network if has(network) else grow(choose, network, limits)
    if found is None or 0 in owners(found.layers) or not limits.room(1):
        return None
    if None not in limits.options("embedding", "padding_index", (None,)):
        return None
    found = found.having("0", found.layers[0].but(padding_index=None))
    level = next((each for each in hidden_levels(found) if each.at == 0), None)
    if level is None:
        return None
    back = LayerSpec("dense", {"units": found.input_kind["index"],
                               "bias": choose(limits.bias)}, "0", True)
    after = (choose(limits.hidden),) if limits.hidden else ()
    return spliced(found, level.stop, level.stop, (back, *after))


def has(network: Network) -> bool:
    return any(spec.kind == "embedding" for _, spec in network.walk())


def has_free(network: Network) -> bool:
    """Whether there is an embedding, and no layer is tied to it."""
    return has(network) and not has_tied(network)


def has_tied(network: Network) -> bool:
    """Whether a layer shares the weight of an embedding."""
    return any(spec.share is not None and network.layer(spec.share).kind == "embedding"
               for _, spec in network.walk())


def values(case: Case, rng: Any) -> Case:
    """Indices that are all there, all one, or in twos, beside those that come as they come."""
    kind = rng.choice(("free", "free", "one", "in order", "in twos", "few"))
    i, below = case.inputs, case.network.input_kind["index"]
    order = np.arange(i.size).reshape(i.shape)
    changed = {"one": 0 * i + rng.integers(below), "in order": order % below,
               "in twos": order // 2 % below, "few": np.minimum(i, 1)}
    return case.but(inputs=changed.get(str(kind), i).astype(i.dtype))


STRUCTURES = {
    "embedding": Structure("indices for inputs, and an embedding that reads them", grow,
                           has_free, even=False, values=values),
    "tied_embedding": Structure("a layer that uses an embedding's matrix transposed", tied,
                                has_tied, even=False, least=3, values=values),
}
