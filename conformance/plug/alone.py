"""Every layer of a case by itself: a network of one layer, and a random delta for it.

The loss is the inner product of the layer's output with given numbers, which are then the delta: so
the gradients are the layer's own vector-Jacobian product, and no other class takes part in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..reference import TABLES, Case, LossSpec, Network
from ..reference.shapes import given

LOSS = LossSpec("inner_product", "mean_over_batch")


def alone(case: Case, seed: int = 0) -> Iterator[tuple[str, Case]]:
    """Each layer's name ("dense", "tanh"), and the case that asks for it alone.

    Left out are those that read another layer's parameters, and those that read indices but are not
    the first.
    """
    shapes, rng = given(case.network), np.random.default_rng(seed)
    for index, spec in enumerate(case.network.layers):
        first = index == 0
        if spec.share is not None or spec.branches or TABLES.layers[spec.kind].moves:
            continue
        if TABLES.layers[spec.kind].takes != "real" and not first:
            continue
        kind = case.network.input_kind if first else "real"
        shape = case.network.input_shape if first else tuple(shapes[index])
        inputs, targets = (rng.normal(size=(case.batch, *each)).astype(case.dtype)
                           for each in (shape, tuple(shapes[index + 1])))
        yield spec.function or spec.kind, Case(
            Network(shape, (spec,), LOSS, kind), _own(case.parameters, index),
            case.inputs if first else inputs, targets, case.dtype, _own(case.constants, index))


def _own(arrays: Mapping[str, object], index: int) -> dict[str, object]:
    """The arrays of one layer, named as those of the first."""
    start = f"{index}."
    return {f"0.{name.removeprefix(start)}": value for name, value in arrays.items()
            if name.startswith(start)}
