"""The batch: its parts, its order, its repetition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...reference import Case
from ...reference.network import WEIGHTED
from ..claims import Claims
from ..identity import FIRST, Equation, Found, Needs, Property, Reply, by_example, every, rows


def total(reply: Reply) -> float:
    """What turns the reply's reduced numbers into sums over the batch."""
    return 1.0 if summed(reply) else float(reply.case.batch)


def summed(reply: Reply) -> bool:
    """Whether the loss is a sum over the examples, weighted or not."""
    return reply.case.network.loss.reduction in ("sum", WEIGHTED)


def ask_halves(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    cut = case.batch // 2
    if cut < claims.batch[0]:
        return None
    return [case, rows(case, slice(None, cut)), rows(case, slice(cut, None))]


def judge_halves(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    whole, *parts = r
    for name in whole.gradients.keys() - set(by_example(whole)):
        halves = parts[0][name] * total(parts[0]) + parts[1][name] * total(parts[1])
        yield name, whole[name] * total(whole), halves


def ask_permuted(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    return [case, rows(case, np.arange(case.batch)[::-1])]


def judge_permuted(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    mine = by_example(r[0])
    yield from every(r[0], r[1], but=mine)
    for name in mine:
        yield name, r[0][name], r[1][name][::-1]


def ask_doubled(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    most = claims.batch[1]
    if most is not None and 2 * case.batch > most:
        return None
    return [case, rows(case, np.concatenate([np.arange(case.batch)] * 2))]


def judge_doubled(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    yield from every(r[1], r[0], but=by_example(r[0]), factor=2.0 if summed(r[0]) else 1.0)


def ask_single(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """One example that is one row: of a sequence, one of one step."""
    one_row = math.prod(case.network.input_shape[:-1]) == 1
    return [rows(case, slice(0, 1))] if claims.batch[0] == 1 and one_row else None


def judge_single(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    (first,) = places
    x = r[0].case.inputs.reshape(-1).astype(float)
    yield first.weight, r[0][first.weight], r[0][first.bias] * x[:, None]


PROPERTIES = {
    "batch_additivity": Property(
        "batch", "a batch's gradient is the sum of its parts' gradients", ask_halves, judge_halves,
        Needs(separate=True)),
    "batch_permutation": Property(
        "batch", "the order of the examples does not matter", ask_permuted, judge_permuted,
        Needs(batch=2)),
    "batch_duplication": Property(
        "batch", "every example twice: twice the sum, the same mean", ask_doubled, judge_doubled),
    "single_example": Property(
        "batch", "for one example dW = xᵀ db in the first layer", ask_single, judge_single,
        Needs(FIRST, biases=True, separate=True)),
}
