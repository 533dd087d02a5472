"""The plain program of one network, and the same for several sets of numbers side by side.

One program per structure (network, batch, dtype): tracing and compiling it is what costs, and every
further set of values costs nothing beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from ...reference.case import Answer, Case
from ...reference.network import Network
from ..structure import one_structure
from .chain import forward
from .compiling import run
from .layers import LAYERS
from .losses import loss_of

Array = Any
Values = Mapping[str, Array]
Program = Callable[..., tuple[Array, dict[str, Array]]]

AT_ONCE = 16  # cases in one call of a program: fewer are filled up, so that it is compiled once


@lru_cache(maxsize=256)
def program(network: Network) -> Program:
    """The program of a network.

    It takes (differentiated, constants, targets) and returns the loss and the gradients by name.
    """

    def loss(differentiated: Values, fixed: Values, targets: Array) -> Array:
        values = {**differentiated, **fixed}
        outputs = forward(LAYERS, network.layers, "", values, values["inputs"])
        return loss_of(network.loss, outputs, targets, values)

    return jax.value_and_grad(loss)


@lru_cache(maxsize=256)
def side_by_side(network: Network) -> Program:
    """The program of several cases: every array has an axis of cases in front."""
    return jax.vmap(program(network))


def answer(case: Case, dtype: str | None = "float64") -> Answer:
    """Loss and gradients as NumPy arrays of `dtype`, computed in it, by the plain program.

    `dtype` is "float32" or "float64"; None is the case's.
    """
    dtype = dtype or case.dtype
    loss, gradients = run(program(case.network), *_arguments(case, dtype))
    return Answer(loss, _scaled(case.network, dtype, gradients))


def answers(cases: Sequence[Case], dtype: str | None = "float64") -> list[Answer]:
    """The answers to cases of one structure: one network, batch, kind of targets and dtype.

    One compiled program answers them all, however many there are. Raises ValueError for cases of
    several structures.
    """
    one_structure("jax", cases, dtype)
    return [each for start in range(0, len(cases), AT_ONCE)
            for each in _together(cases[start:start + AT_ONCE], dtype or cases[0].dtype)]


def _together(cases: Sequence[Case], dtype: str) -> list[Answer]:
    network, arguments = cases[0].network, [_arguments(case, dtype) for case in cases]
    arguments += arguments[-1:] * (AT_ONCE - len(cases))
    stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *arguments)
    losses, gradients = run(side_by_side(network), *stacked)
    scaled = _scaled(network, dtype, gradients)
    return [Answer(losses[i], {name: g[i] for name, g in scaled.items()})
            for i in range(len(cases))]


def _scaled(network: Network, dtype: str, gradients: Mapping[str, Array]) -> dict[str, Array]:
    """What the description calls the gradients, in arrays of their own."""
    scale = np.asarray(network.loss.gradient_scale, dtype)
    return {name: np.multiply(g, scale) for name, g in gradients.items()}


def _arguments(case: Case, dtype: str) -> tuple[Values, Values, Array]:
    """What is differentiated, what is not, and the targets: reals in `dtype`, indices unchanged."""
    def cast(value: Any) -> np.ndarray:
        array: np.ndarray = np.asarray(value)
        return array.astype(dtype) if array.dtype.kind == "f" else array

    differentiated = {name: cast(value) for name, value in case.parameters.items()}
    fixed = {name: cast(value) for name, value in case.constants.items()}
    (differentiated if case.network.real else fixed)["inputs"] = cast(case.inputs)
    return differentiated, fixed, cast(case.targets)
