"""Gradients that are computed when somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from .trial import Arrays

Array = Any


class Lazily(Mapping[str, Array]):
    """Gradients by input, made when the first is looked at; where none can be made, it is empty."""

    def __init__(self, keys: Sequence[str], make: Callable[[], Arrays | None]) -> None:
        self._keys = tuple(keys)
        self._make = make

    @cached_property
    def _made(self) -> Arrays:
        return self._make() or {}

    def __getitem__(self, key: str) -> Array:
        return self._made[key]

    def __contains__(self, key: object) -> bool:
        return key in self._keys and key in self._made

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
