"""Two answers of one program that must be one: where they differ by more than is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..judged import Failure, worst
from ..trial import Arrays, Reply, Trial
from .asked import Asked, Refused

Array = Any
Check = Callable[[Asked], Iterator[Failure]]


def same_bits(one: Array | None, other: Array | None) -> bool:
    """Whether two arrays are equal, NaN being equal to NaN and -0 to 0; None is only None."""
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and bool(np.array_equal(one, other, equal_nan=True))


def full(reply: Reply, like: Reply) -> Arrays:
    """The reply's arrays by the keys of another's: zeros for a gradient that is None."""
    there = reply.arrays
    return {key: there.get(key, np.zeros_like(array)) for key, array in like.arrays.items()}


def total(one: Arrays, *others: Arrays) -> Arrays:
    """The sum by key, of the keys that are in all."""
    return {key: sum((each[key] for each in others), start=array) for key, array in one.items()
            if all(key in each for each in others)}


def apart(check: str, trial: Trial, got: Arrays, due: Arrays, allowed: Callable[[], Arrays],
          **data: Any) -> Iterator[Failure]:
    """A failure for every key whose numbers differ by more than is allowed of them.

    allowed: makes the tolerances by key; it is called only where bits differ.
    """
    differing = [key for key in due if key in got and not same_bits(got[key], due[key])]
    limits = allowed() if differing else {}
    for key in differing:
        if got[key].shape != due[key].shape:
            yield Failure(check, trial, key, "shape", {
                **data, "got": list(got[key].shape), "wanted": list(due[key].shape)})
        elif (beyond := _beyond(got[key], due[key], limits[key])).any():
            yield Failure(check, trial, key, "numbers", {
                **data, "entries": int(beyond.sum()), "of": int(beyond.size)},
                worst(key, np.where(beyond, got[key], due[key]), due[key],
                      np.maximum(limits[key], 1e-300)))


def _beyond(got: Array, due: Array, limit: Array) -> Array:
    """Where two arrays differ by more than the limit; NaN is only like NaN."""
    with np.errstate(all="ignore"):
        far = ~(np.abs(got - due) <= limit) & ~(got == due) & ~(np.isnan(got) & np.isnan(due))
    return far & (limit < np.inf)


def raised(check: str, trial: Trial, refused: Refused, **data: Any) -> Failure:
    """The failure of a further call that has raised: the error's class, and its first line."""
    first = (str(refused.error).strip().splitlines() or [""])[0]
    return Failure(check, trial, "", "raised",
                   {**data, "error": type(refused.error).__name__, "says": first[:200]})


def lasting(check: Check, times: int = 2) -> Check:
    """The check, whose failures count only where they show again on moved trials.

    That a unit sits within rounding of a kink is gone when its numbers move; a mistake is not.
    """
    def asks(asked: Asked) -> Iterator[Failure]:
        found = list(check(asked))
        for _ in range(times):
            if not found:
                return
            again = {_same(each) for each in check(asked.elsewhere())}
            found = [each for each in found if _same(each) in again]
        yield from found
    return asks


def _same(failure: Failure) -> tuple[str, str, str]:
    return failure.key, failure.kind, str(failure.data.get("asked", ""))


def by_key(arrays: Mapping[str, Array], keys: tuple[str, ...]) -> Arrays:
    """Those of the keys that there are."""
    return {key: arrays[key] for key in keys if key in arrays}
