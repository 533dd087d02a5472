"""Cases of one structure: they differ in their numbers alone, so one program answers them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from ..reference.case import Answer, Case


def structure(case: Case, dtype: str | None = None) -> Hashable:
    """What cases of one structure have in common: the network, every shape, and the dtype."""
    return (case.network, dtype or case.dtype, _kinds(case.parameters), _kinds(case.constants),
            _kind(case.inputs), _kind(case.targets))


def one_structure(oracle: str, cases: Sequence[Case], dtype: str | None) -> None:
    """Raise ValueError for cases of several structures."""
    if len({structure(case, dtype) for case in cases}) > 1:
        raise ValueError(f"{oracle}: answers() wants cases of one network, with one batch, one "
                         "kind of targets and one dtype")


def in_groups(keys: Iterable[Hashable],
              answered: Callable[[list[int]], list[Answer]]) -> list[Answer]:
    """The answers to cases in their order, where `answered` takes the places of equal keys."""
    groups: dict[Hashable, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    found: dict[int, Answer] = {}
    for places in groups.values():
        found |= zip(places, answered(places), strict=True)
    return [found[i] for i in sorted(found)]


def _kinds(arrays: Mapping[str, Any]) -> Hashable:
    return tuple((name, _kind(array)) for name, array in sorted(arrays.items()))


def _kind(array: Any) -> Hashable:
    """The shape, and whether the numbers are real ("f") or indices ("i")."""
    return array.shape, array.dtype.kind
