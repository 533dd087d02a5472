"""Gradients that are computed when somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from .trial import Arrays

Array = Any


class Lazily(Mapping[str, Any]):
    """Gradients by input, computed when the first is looked at; None for one that cannot be."""

    def __init__(self, keys: Sequence[str], make: Callable[[], Arrays | None]) -> None:
        self._keys = tuple(keys)
        self._make = make

    @cached_property
    def _made(self) -> Arrays:
        return self._make() or {}

    def __getitem__(self, key: str) -> Array | None:
        if key not in self._keys:
            raise KeyError(key)
        return self._made.get(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
