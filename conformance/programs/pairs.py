"""Two paths at once, a factor on each: where no single mistake explains a gradient.

As when a layer norm's backward lacks both the path through the mean and that through the variance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from . import factors
from .evidence import Case, Key, key_of
from .factors import Factor
from .mutants import KINDS, ORDER
from .trial import Arrays, Line, Mutant, Trial

Array = Any
Mutants = Callable[[Trial], Iterator[Mutant]]
LAST = max(ORDER[kind.name] for kind in KINDS.values() if kind.linear)
MOST = 12      # pairs that are followed through all trials, the best fitting of them
ENOUGH = 6     # entries that must be there for two numbers to be fitted
SAME = 1e-6    # how near two paths are that are one
REDUCTIONS = ("mean", "sum", "var", "std", "amax", "max", "reduce_sum", "reduce_max", "logsumexp")


@dataclass(frozen=True)
class Path:
    """One of the two: its mutant, its factor, others through which the very same flows."""

    mutant: Mutant
    factor: Factor
    others: tuple[Mutant, ...]

    @property
    def lines(self) -> list[Line]:
        lines = {(each.line.file, each.line.number): each.line
                 for each in (self.mutant, *self.others)}
        return list(lines.values())


@dataclass(frozen=True)
class Pair:
    paths: tuple[Path, Path]
    trials: int


def found(cases: Sequence[Case], keys: set[str], mutants_of: Mutants) -> Pair | None:
    """The two paths, and on how many trials; None where no two explain the keys on all of them."""
    wrong = [i for i, case in enumerate(cases) if case.wrong & keys]
    rich = [i for i in wrong if sum(len(cases[i].true[key]) for key in keys
                                    if key in cases[i].true) >= ENOUGH]
    if len(wrong) < 2 or not rich:
        return None
    paths = {i: paths_of(case, keys, mutants_of) for i, case in enumerate(cases)}
    groups = grouped(paths[rich[0]])
    for one, other in best_pairs(cases[rich[0]], keys, paths[rich[0]], groups):
        factors_ = _named(cases, keys, wrong, paths, (one[0][0], other[0][0]))
        if factors_ is not None:
            both = [Path(group[0][1], factor, tuple(each[1] for each in group[1:]))
                    for group, factor in zip((one, other), factors_, strict=True)]
            return Pair((both[0], both[1]), len(wrong))
    return None


Group = list[tuple[Key, Mutant]]
Paths = dict[Key, tuple[Mutant, Arrays]]


def paths_of(case: Case, keys: set[str], mutants_of: Mutants) -> Paths:
    """By linear mutant, what flows through its path into the keys."""
    every: Paths = {}
    for mutant in takewhile(_is_simple, mutants_of(case.evidence.trial)):
        if mutant.linear and keys.intersection(mutant.gradients):
            numbers = {key: case.flat(key, mutant.gradients.get(key))
                       for key in keys.intersection(mutant.gradients)}
            every[key_of(mutant)] = mutant, {
                key: case.true[key] - each for key, each in numbers.items() if each is not None}
    return every


def _is_simple(mutant: Mutant) -> bool:
    """Whether it stands no later in the table than the last kind that is linear."""
    return ORDER[mutant.kind] <= LAST


def joined(case: Case, keys: set[str], arrays: Arrays) -> Array:
    """The arrays of the keys one after another, in tolerances; zeros for one that is not there."""
    parts = [arrays.get(key, np.zeros_like(case.true[key])) / np.maximum(case.allowed[key], 1e-300)
             for key in sorted(keys) if key in case.true]
    return np.concatenate(parts)


def grouped(paths: Paths) -> list[Group]:
    """Mutants whose paths are the same; where there is a reduction among them, that comes first."""
    groups: list[tuple[Arrays, Group]] = []
    for key, (mutant, arrays) in paths.items():
        if not any(each.any() for each in arrays.values()):
            continue
        for known, group in groups:
            if _same(known, arrays):
                group.append((key, mutant))
                break
        else:
            groups.append((arrays, [(key, mutant)]))
    return [sorted(group, key=lambda each: _operation(each[1]) not in REDUCTIONS)
            for _, group in groups]


def _operation(mutant: Mutant) -> str:
    return mutant.line.operation.partition(" in ")[0]


def _same(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(
        np.abs(one[key] - other[key]).max() <= SAME * max(np.abs(one[key]).max(), 1e-300)
        for key in one)


def best_pairs(case: Case, keys: set[str], paths: Paths,
               groups: Sequence[Group]) -> list[tuple[Group, Group]]:
    """The pairs of paths that leave least of the difference, by least squares."""
    columns = [joined(case, keys, paths[group[0][0]][1]) for group in groups]
    wanted = joined(case, keys, {key: case.got[key] - case.true[key]
                                 for key in keys if key in case.true})
    if len(columns) < 2:
        return []
    a = np.stack(columns)
    gram, right = a @ a.T, a @ wanted
    i, j = np.triu_indices(len(a), 1)
    determinant = gram[i, i] * gram[j, j] - gram[i, j] ** 2
    fits = determinant > 1e-9 * gram[i, i] * gram[j, j]
    i, j, determinant = i[fits], j[fits], determinant[fits]
    x = (right[i] * gram[j, j] - right[j] * gram[i, j]) / determinant
    y = (right[j] * gram[i, i] - right[i] * gram[i, j]) / determinant
    taken = x * right[i] + y * right[j]
    order = np.argsort(-taken, kind="stable")[:MOST]
    return [(groups[i[k]], groups[j[k]]) for k in order]


def _named(cases: Sequence[Case], keys: set[str], wrong: Sequence[int], paths: dict[int, Paths],
           pair: tuple[Key, Key]) -> tuple[Factor, Factor] | None:
    """What the two factors equal on all trials; None where they do not explain all of them."""
    fitted: tuple[dict[int, float], dict[int, float]] = ({}, {})
    for i in wrong:
        if any(key not in paths[i] for key in pair):
            return None
        one, other = (joined(cases[i], keys, paths[i][key][1]) for key in pair)
        wanted = joined(cases[i], keys, {key: cases[i].got[key] - cases[i].true[key]
                                         for key in keys if key in cases[i].true})
        solution, _, rank, _ = np.linalg.lstsq(np.stack([one, other], 1), wanted, rcond=1e-9)
        if rank == 2:
            for each, c in zip(fitted, solution, strict=True):
                each[i] = 1 + float(c)
    if len(fitted[0]) < 2:
        return None
    known = [factors.quantities(case.evidence.trial, case.evidence.sizes) for case in cases]
    one_, other_ = (factors.named(each, known, lambda i, c: True) for each in fitted)
    if one_ is None or other_ is None or not all(
            _explains(case, keys, [paths[i].get(key) for key in pair], (one_, other_), i)
            for i, case in enumerate(cases)):
        return None
    return one_, other_


def _explains(case: Case, keys: set[str], paths: Sequence[tuple[Mutant, Arrays] | None],
              both: Sequence[Factor], i: int) -> bool:
    """Whether the two paths with these factors give the subject's numbers on a case."""
    for key in keys.intersection(case.true):
        numbers = case.true[key].copy()
        for path, factor in zip(paths, both, strict=True):
            if path is not None and key in path[1]:
                numbers += (factor.values[i] - 1) * path[1][key]
        explains = case.explained if key in case.wrong else case.follows
        if not explains(key, numbers):
            return False
    return True
