"""Where the libraries of this benchmark lie, outside the repository, and how an adapter finds them.

`python tests/real/run.py` puts each library into a folder of its own, so that two that call their
package `layers` do not meet.
"""

from __future__ import annotations

import collections.abc
import importlib
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

SHELF = Path(os.environ.get("BACKPROOF_REAL") or Path.home() / ".cache" / "backproof-real")

OLD_NUMPY: dict[str, Any] = {
    "Inf": np.inf, "float": float, "int": int, "object": object, "row_stack": np.vstack,
    "asfarray": lambda a, dtype=np.float64: np.asarray(a, dtype=dtype),
}


def folder(library: str) -> Path:
    """The folder that holds this library and nothing else."""
    return SHELF / library.replace("/", "-").replace("@", "")


def use(library: str) -> None:
    """Let `import` find the library."""
    sys.path.insert(0, str(folder(library)))


def old_names() -> None:
    """Give NumPy, SciPy and `collections` the names back that an old library asks them for."""
    import scipy

    for name, value in OLD_NUMPY.items():
        if name not in np.__dict__:
            setattr(np, name, value)
    for name in np.__all__:
        if name not in scipy.__all__:
            scipy.__dict__.setdefault(name, getattr(np, name))
    for name, value in (("rand", np.random.rand), ("randn", np.random.randn), ("mat", np.asmatrix)):
        scipy.__dict__.setdefault(name, value)
    for name in ("Hashable", "Iterable", "Mapping", "Sequence", "Callable"):
        collections.__dict__.setdefault(name, getattr(collections.abc, name))


class Blank(types.ModuleType):
    """A module that has every name, for what a library imports and the adapter never calls."""

    def __init__(self, name: str):
        super().__init__(name)
        self.__path__: list[str] = []  # so that it can be imported from

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Blank(name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As a decorator it hands the function back; tqdm(range(3)) is the range."""
        return args[0] if args else self

    def __or__(self, other: Any) -> Any:
        return other

    __ror__ = __or__


def without(*modules: str) -> None:
    """Blank modules for plotting and saving, where they are not installed."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            sys.modules[module] = Blank(module)


def functions(network: Any) -> list[str]:
    """The activation of every layer with units, the output's last."""
    return [*network.hidden, network.head[0]]
