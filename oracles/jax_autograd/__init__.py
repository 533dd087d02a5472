"""JAX's reverse mode over a forward of its own: nothing of the reference but the description.

One program per structure (network, batch, dtype): tracing and compiling it is what costs, and every
further set of values costs nothing beside it. Conventions on kinks are JAX's: relu'(0) = 0,
leaky_relu'(0) = 1, |0|' = 1.
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


# Compiling is the cost, running is not: these make XLA compile a small network in 40 ms, not 120.
COMPILER = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}


@contextmanager
def locally() -> Iterator[None]:
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

    It takes (differentiated, constants, targets) and returns the loss and the gradients by name.
    """

    def loss(differentiated: Values, fixed: Values, targets: Array) -> Array:
        values = {**differentiated, **fixed}
        outputs = forward(LAYERS, network.layers, "", values, values["inputs"])
        return loss_of(network.loss, outputs, targets, values)

    return jax.jit(jax.value_and_grad(loss), compiler_options=compiler_options())


def answer(case: Case, dtype: str | None = "float64") -> Answer:
    """Loss and gradients as NumPy arrays of `dtype`, computed in it.

    `dtype` is "float32" or "float64"; None is the case's.
    """
    return answers([case], dtype)[0]


def answers(cases: Sequence[Case], dtype: str | None = "float64") -> list[Answer]:
    """The answers to cases of one structure: one network, batch and kind of targets.

    One compiled program answers them all. Raises ValueError for cases of several networks.
    """
    if any(case.network != cases[0].network for case in cases):
        raise ValueError("jax: answers() wants cases of one network")
    with locally():
        return [_answer(case, dtype or case.dtype) for case in cases]


def _answer(case: Case, dtype: str) -> Answer:
    loss, gradients = jax.device_get(program(case.network)(*_arguments(case, dtype)))
    scale = np.asarray(case.network.loss.gradient_scale, dtype)
    return Answer(loss, {name: np.array(g) * scale for name, g in gradients.items()})


def _arguments(case: Case, dtype: str) -> tuple[Values, Values, Array]:
    """What is differentiated, what is not, and the targets: reals in `dtype`, indices unchanged."""
    def cast(value: Any) -> np.ndarray:
        array: np.ndarray = np.asarray(value)
        return array.astype(dtype) if array.dtype.kind == "f" else array

    differentiated = {name: cast(value) for name, value in case.parameters.items()}
    fixed = {name: cast(value) for name, value in case.constants.items()}
    (differentiated if case.network.real else fixed)["inputs"] = cast(case.inputs)
    return differentiated, fixed, cast(case.targets)
