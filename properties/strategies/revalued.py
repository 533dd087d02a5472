"""One structure with many sets of numbers: what a set costs to make is next to nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...reference import Case
from .draft import Draft

FACTORS = 0.5, 1.5


def draws(draft: Draft, count: int) -> list[Case]:
    """The draft's case, and more of its structure: `count` in all.

    They have its indices, masks and targets; real targets, parameters and inputs are other numbers,
    of like sizes, in every other one with other signs. Nothing is mended: on a kink, say, right
    programs may differ, and whoever asks such a case has to look.
    """
    case, rng = draft.case, np.random.default_rng((*draft.seed, 1))

    def others(array: Any) -> Any:
        factors = rng.uniform(*FACTORS, (count - 1, *array.shape))
        factors[1::2] *= rng.choice((-1.0, 1.0), factors[1::2].shape)
        return (array * factors).astype(array.dtype)

    parameters = {name: others(array) for name, array in case.parameters.items()}
    inputs = others(case.inputs) if case.network.real else None
    targets = others(case.targets) if draft.targets == "real" else None
    return [case, *(Case(
        case.network, {name: arrays[k] for name, arrays in parameters.items()},
        case.inputs if inputs is None else inputs[k],
        case.targets if targets is None else targets[k],
        case.dtype, case.constants) for k in range(count - 1))]
