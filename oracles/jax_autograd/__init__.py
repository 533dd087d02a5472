"""JAX's reverse mode over a forward of its own: nothing of the reference but the description.

One program per structure (network, batch, dtype), compiled once for DRAWS sets of values side by
side: compiling is what costs. Conventions on kinks are JAX's: relu'(0) = 0, leaky_relu'(0) = 1,
|0|' = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...reference.case import Answer, Case
from ...reference.network import Network
from .chain import forward
from .layers import LAYERS
from .losses import loss_of

try:
    from jax import enable_x64
except ImportError:  # before jax 0.8
    from jax.experimental import enable_x64  # type: ignore[no-redef, attr-defined]

Array = Any
Values = Mapping[str, Array]
DRAWS = 16


# Compiling is the cost, running is not: these make XLA compile a small network in 40 ms, not 120.
COMPILER = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}


@contextmanager
def _local() -> Iterator[None]:
    """64 bits and the CPU, for this block and thread only."""
    with enable_x64(True), jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield


@lru_cache(maxsize=1)
def compiler_options() -> dict[str, Any]:
    """COMPILER where this XLA knows all of it, otherwise nothing."""
    try:
        jax.jit(lambda: jnp.zeros(()), compiler_options=COMPILER)()
    except Exception:
        return {}
    return COMPILER


@lru_cache(maxsize=256)
def program(network: Network) -> Callable[..., tuple[Array, dict[str, Array]]]:
    """The compiled program of a network.

    It takes (differentiated, constants, targets), every array stacked over draws, and returns the
    losses and the gradients by name, stacked too.
    """

    def loss(differentiated: Values, fixed: Values, targets: Array) -> Array:
        values = {**differentiated, **fixed}
        outputs = forward(LAYERS, network.layers, "", values, values["inputs"])
        return loss_of(network.loss, outputs, targets)

    return jax.jit(jax.vmap(jax.value_and_grad(loss)), compiler_options=compiler_options())


def answer(case: Case, dtype: str | None = "float64") -> Answer:
    """Loss and gradients as NumPy arrays of `dtype`, computed in it.

    `dtype` is "float32" or "float64"; None is the case's.
    """
    return answers([case], dtype)[0]


def answers(cases: Sequence[Case], dtype: str | None = "float64") -> list[Answer]:
    """The answers to cases of one structure: one network, batch and kind of targets.

    One program answers DRAWS cases a call. Raises ValueError for cases of several networks.
    """
    dtype, result = dtype or (cases[0].dtype if cases else None), []
    if any(case.network != cases[0].network for case in cases):
        raise ValueError("jax: answers() wants cases of one network")
    with _local():
        for start in range(0, len(cases), DRAWS):
            result += _run(cases[start:start + DRAWS], dtype)
    return result


def _run(cases: Sequence[Case], dtype: str | None) -> list[Answer]:
    """The answers to up to DRAWS cases.

    The free places repeat the last one, so that one compilation serves any number of them.
    """
    losses, gradients = jax.device_get(program(cases[0].network)(*_stacked(cases, dtype)))
    return [Answer(losses[i], {name: np.array(g[i]) for name, g in gradients.items()})
            for i in range(len(cases))]


def _stacked(cases: Sequence[Case], dtype: str | None) -> tuple[Values, Values, Array]:
    """What is differentiated, what is not, and the targets, each array of shape (DRAWS, ...).

    Real numbers are in `dtype`, indices as they were.
    """

    def stack(*arrays: Any) -> np.ndarray:
        stacked = np.stack([*arrays, *arrays[-1:] * (DRAWS - len(arrays))])
        return stacked.astype(dtype) if stacked.dtype.kind == "f" else stacked

    def named(values: Sequence[Values]) -> dict[str, np.ndarray]:
        return {name: stack(*(each[name] for each in values)) for name in values[0]}

    inputs = {"inputs": stack(*(case.inputs for case in cases))}
    real = cases[0].network.real
    parameters = named([case.parameters for case in cases])
    constants = named([case.constants for case in cases])
    targets = stack(*(case.targets for case in cases))
    if real:
        return {**parameters, **inputs}, constants, targets
    return parameters, {**constants, **inputs}, targets
