"""Where JAX's programs become machine code: once for all arguments of the same shapes and dtypes.

Tracing and compiling a small network takes a thousand times as long as running it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .stored import stored

try:
    from jax import enable_x64
except ImportError:  # before jax 0.8
    from jax.experimental import enable_x64  # type: ignore[no-redef, attr-defined]

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


def run(function: Callable[..., Any], *arguments: Any, often: bool = False) -> Any:
    """What the function gives for trees of NumPy arrays, as NumPy arrays.

    It is compiled on the first arguments of their shapes; so it is one object for one purpose.
    often: it runs so often that compiling may take its time.
    """
    leaves, tree = jax.tree.flatten(arguments)
    kinds = tuple((leaf.shape, leaf.dtype.str) for leaf in leaves)
    with locally():
        return jax.device_get(compiled(function, tree, kinds, often)(*arguments))


@lru_cache(maxsize=512)
def compiled(function: Callable[..., Any], tree: Any,
             kinds: tuple[tuple[tuple[int, ...], str], ...], often: bool) -> Callable[..., Any]:
    """The machine code of a function, for arguments of these shapes and dtypes."""
    arguments = tree.unflatten([np.zeros(*kind) for kind in kinds])
    jitted = jax.jit(function, compiler_options={} if often else compiler_options())
    with stored():
        return jitted.lower(*arguments).compile()
