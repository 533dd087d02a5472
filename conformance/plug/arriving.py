"""Arrays of other libraries as they come: a tensor with its history, on a device, sparse; JAX's.

No library is imported here. A value is known by its methods, or by the module of its class.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

Array = Any
NARROW = ("bfloat16", "float8")  # of no size that NumPy knows


def arrived(value: Any) -> Any:
    """What NumPy can read: of a tensor its numbers alone, also inside a list."""
    if isinstance(value, list | tuple):
        return [arrived(each) for each in value]
    if not (hasattr(value, "detach") and hasattr(value, "cpu")):
        return value
    tensor = value.detach()
    for step in ("to_dense", "resolve_conj", "resolve_neg", "cpu"):
        if getattr(tensor, step, None) is not None and (step != "to_dense" or tensor.is_sparse):
            tensor = getattr(tensor, step)()
    return tensor


def narrow(value: Any) -> str:
    """The name of a dtype of half precision or less that NumPy does not have; "" for others."""
    if type(value) is np.ndarray and value.dtype.isbuiltin == 1:
        return ""  # at once, since a dtype makes up its name anew each time
    name = str(getattr(value, "dtype", "")).rpartition(".")[2]
    return name if name.startswith(NARROW) else ""


def without_x64(value: Any, array: Array) -> bool:
    """Whether an array of JAX is single precision because JAX has no other switched on."""
    jax = sys.modules.get("jax")
    of_jax = type(value).__module__.partition(".")[0] in ("jax", "jaxlib")
    return (of_jax and jax is not None and array.dtype == np.float32
            and not bool(jax.config.jax_enable_x64))
