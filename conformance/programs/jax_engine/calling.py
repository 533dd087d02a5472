"""A trial as a call in JAX: its arrays, the outputs of the call in a row, their cotangents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..trial import Array, Trial, Value

try:
    from jax import enable_x64
except ImportError:  # before jax 0.8
    from jax.experimental import enable_x64  # type: ignore[no-redef, attr-defined]

Function = Callable[..., Any]
DEVICES = {"cpu": "cpu", "cuda": "gpu"}


@contextmanager
def placed(device: str = "cpu", wide: bool = True) -> Iterator[None]:
    """The device, and 64-bit numbers or not, for this block and this thread only.

    device: "cpu" or "cuda". Raises RuntimeError where JAX sees no such device.
    """
    home = jax.local_devices(backend=DEVICES[device])[0]
    with enable_x64(wide), jax.default_device(home):
        yield


def given(value: Value | None, dtype: str | None = None) -> Any:
    """The array of a value in its own dtype or another, None for None.

    An integer is as wide as JAX has them here: 32 bits unless 64 are switched on.
    """
    if value is None:
        return None
    kind = jnp.dtype(value.dtype if dtype is None else dtype)
    return jnp.asarray(value.numbers, jax.dtypes.canonicalize_dtype(kind))


def outputs_of(result: Any) -> list[Any]:
    """The outputs of a call in a row: a tuple, list, dictionary or any tree; None stays."""
    return jax.tree.leaves(result, is_leaf=lambda leaf: leaf is None)


def is_real(array: Any) -> bool:
    """Whether a cotangent of the array means anything."""
    return array is not None and bool(jnp.issubdtype(jnp.result_type(array), jnp.floating))


def of_wanted(function: Function, trial: Trial, fixed: Mapping[str, Any]) -> Function:
    """The function of the wanted inputs alone, the others as in `fixed`; its outputs in a row."""
    def call(*wanted: Any) -> list[Any]:
        inputs = {**fixed, **dict(zip(trial.wanted, wanted, strict=True))}
        return outputs_of(function(*(inputs[name] for name in trial.inputs), **trial.options))
    return call


def cotangents_for(outputs: Sequence[Any], trial: Trial) -> list[Any]:
    """A cotangent for each output of a call of this trial, as `fitted` has them."""
    return fitted(outputs, [None if each is None else each.numbers for each in trial.cotangents])


def fitted(outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
    """A cotangent for each output, in its dtype; float0 for integers.

    Zeros stand for one that is unused, and for one that does not fit the output that came.
    """
    padded = [*cotangents, *[None] * len(outputs)]
    return [_cotangent(*each) for each in zip(outputs, padded, strict=False)]


def _cotangent(output: Any, cotangent: Any) -> Any:
    if output is None:
        return None
    if not is_real(output):
        return np.zeros(np.shape(output), jax.dtypes.float0)
    if cotangent is None or np.shape(output) != np.shape(cotangent):
        return np.zeros(np.shape(output), output.dtype)
    return cotangent.astype(output.dtype)


def numbers(array: Any) -> Array | None:
    """The array as NumPy's float64, for comparing; None for None. It is a copy."""
    return None if array is None else np.array(array, np.float64)
