"""Cases of different structures: chains of dense layers padded, the others each by its program."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from ...reference.case import Answer, Case
from .. import Unsupported
from ..structure import structure
from .chains import chains
from .compiling import run
from .packing import Chain, answer_of, chain_of, packed
from .plain import answers


def padded(cases: Sequence[Case], dtype: str | None = "float64") -> list[Answer]:
    """The answers to chains of dense layers of any structures, in the order of the cases.

    There is one program for a size and dtype, and it is compiled once. Raises Unsupported where a
    case is no such chain, or too large.
    """
    found = [chain_of(case) for case in cases]
    keys = [(chain.size, dtype or chain.case.dtype) for chain in found]
    return _in_groups(keys, lambda places: _of_size([found[i] for i in places], dtype))


def many(cases: Sequence[Case], dtype: str | None = "float64") -> list[Answer]:
    """The answers to cases of any structures, in their order: padded, or by structure.

    Raises Unsupported where a layer is unknown.
    """
    found = [_chain(case) for case in cases]
    keys = [(chain.size, dtype or case.dtype) if chain else structure(case, dtype)
            for case, chain in zip(cases, found, strict=True)]

    def answered(places: list[int]) -> list[Answer]:
        fitting = [chain for i in places if (chain := found[i])]
        return _of_size(fitting, dtype) if fitting else answers([cases[i] for i in places], dtype)

    return _in_groups(keys, answered)


def _chain(case: Case) -> Chain | None:
    try:
        return chain_of(case)
    except Unsupported:
        return None


def _in_groups(keys: Iterable[Hashable],
               answered: Callable[[list[int]], list[Answer]]) -> list[Answer]:
    """The answers, in order, where places of equal keys are answered together."""
    groups: dict[Hashable, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    found: dict[int, Answer] = {}
    for places in groups.values():
        found |= zip(places, answered(places), strict=True)
    return [found[i] for i in sorted(found)]


def _of_size(found: Sequence[Chain], dtype: str | None) -> list[Answer]:
    """The answers to chains of one size, so many in a call as the program takes."""
    size, dtype = found[0].size, dtype or found[0].case.dtype
    result = []
    for start in range(0, len(found), size.cases):
        some = found[start:start + size.cases]
        losses, trained = run(chains, *packed(some, size, dtype), often=True)
        result += [answer_of(chain, losses[k], trained._replace(
            x=trained.x[k], W=trained.W[k], b=trained.b[k])) for k, chain in enumerate(some)]
    return result
