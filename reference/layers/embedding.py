"""The embedding: y = W[i], row i of the weight for each index i. i: (batch, ...), W: (V, m).

With one-hot rows for x it is an affine site, y = x W, and its gradient is that of the site,

    dW = xᵀ dy        row v of dW is the sum of dy over all places that have index v

so that an index which is there twice is there twice in the sum. The indices have no gradient.
Bengio, Ducharme, Vincent, Jauvin, A Neural Probabilistic Language Model (2003), section 2.
`padding_index`: that row of W is given out as it is, and is not trained: its gradient is 0.

A dense layer that shares W transposed is "tied" to it: Press & Wolf (2017), section 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import MOST, DescriptionError
from ..kinds import UNITS, Indices, Option, Rule, Scope, Shape, Shapes, Site, Tables
from ..network import LayerSpec

SITE = Site("weight")
PADDING = Option(lambda v: v is None or (type(v) is int and 0 <= v <= MOST),
                 "an index, or null for none", None)


def shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    if not isinstance(shape, Indices):
        raise DescriptionError(f"layer {where} (embedding): takes indices, the inputs of the "
                               "network, but gets real numbers")
    padding = spec.options["padding_index"]
    if padding is not None and padding >= shape.below:
        raise DescriptionError(f"layer {where} (embedding): padding_index is {padding}, but "
                               f"indices are below {shape.below}")
    m = spec.options["units"]
    return Shapes((*shape, m), {"weight": (shape.below, m)})


def forward(p: Scope, i: Any) -> tuple[Any, Any]:
    """float32 holds a one-hot row exactly, and widens no other number."""
    x = np.eye(p["weight"].shape[0], dtype=np.float32)[i]
    return p.affine(SITE, x), x


def backward(p: Scope, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    _, gradients = p.affine_backward(SITE, x, dy)
    dW, padding = gradients["weight"], p.options["padding_index"]
    if padding is not None:
        kept = np.arange(x.shape[-1]) != padding
        dW = np.where(kept[:, None], dW, np.zeros_like(dW))
    return None, {"weight": dW}


def untrained(spec: LayerSpec) -> dict[str, int]:
    padding = spec.options["padding_index"]
    return {} if padding is None else {"weight": padding}


LAYERS = {
    "embedding": Rule(forward, backward, shapes, {"units": UNITS, "padding_index": PADDING},
                      takes="index", sites=lambda spec: (SITE,), untrained=untrained),
}
