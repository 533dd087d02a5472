"""The backward is linear in the cotangent: nothing of nothing, twice of twice, and sums of sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..judged import Failure
from ..trial import Arrays, Trial, Value
from .asked import Asked
from .comparing import apart, lasting, total
from .moving import given
from .noise import allowance

Array = Any
Cotangents = tuple[Value | None, ...]
BELOW = 2.0**-16  # of one unit of rounding of the largest entry: what underflow may change


def _gradients(asked: Asked, cotangents: Cotangents) -> tuple[Arrays, Trial]:
    """The gradients for other cotangents, zeros where they are None."""
    trial = asked.once(cotangents=cotangents)
    found = asked.answer(trial).gradients
    zeros = {name: np.zeros_like(value.numbers) for name in trial.wanted
             if (value := trial.inputs[name]) is not None}
    return {name: zeros[name] if found.get(name) is None else found[name] for name in zeros}, trial


def _each(asked: Asked, change: Any) -> Cotangents:
    return tuple(None if value is None else given(value, change(value.numbers))
                 for value in asked.trial.cotangents)


def zero(asked: Asked) -> Iterator[Failure]:
    """A cotangent of zeros gives a gradient of zeros, exactly."""
    if not _finite(asked):
        return
    got, trial = _gradients(asked, _each(asked, np.zeros_like))
    due = {key: np.zeros_like(array) for key, array in got.items()}
    yield from apart("linear", trial, got, due, lambda: due, asked="zero")


def twice(asked: Asked) -> Iterator[Failure]:
    """Twice the cotangent gives twice the gradient, to the last bit but for underflow.

    float16 has so few exponents that intermediate numbers underflow: there within the tolerance.
    """
    doubled = _each(asked, lambda numbers: 2.0 * numbers)
    if not all(np.isfinite(v.numbers).all() for v in doubled if v is not None):
        return
    got, trial = _gradients(asked, doubled)
    once, _ = _gradients(asked, asked.trial.cotangents)
    due = {key: 2.0 * array for key, array in once.items()}
    largest = asked.claim.stored.largest
    due = {key: array for key, array in due.items()
           if np.isfinite(got[key]).all() and np.abs(array).max(initial=0.0) <= largest}
    yield from apart("linear", trial, got, due, lambda: _exactly(asked, due), asked="twice")


def _exactly(asked: Asked, due: Arrays) -> Arrays:
    """What twice may be off by: nothing but underflow where bits repeat, else the tolerance."""
    claim = asked.claim
    narrow = min(claim.stored.most, claim.operations.most, claim.products.most) < 100
    if narrow or not asked.claims.deterministic:
        return {key: 4.0 * asked.allowed[key] if key in asked.allowed else
                np.full(array.shape, np.inf) for key, array in due.items()}
    unit = BELOW * claim.stored.unit
    return {key: unit * np.abs(array) + np.full(array.shape, 4.0 * claim.stored.smallest
            + unit * np.abs(array).max(initial=0.0)) for key, array in due.items()}


def parts(asked: Asked) -> Iterator[Failure]:
    """The gradients for two parts of the cotangent add up to that for the whole."""
    one, other = _split(asked)
    if one is None:
        return
    (first, at), (second, beside) = _gradients(asked, one), _gradients(asked, other)
    yield from apart("linear", asked.trial, total(first, second), asked.reply.arrays,
                     lambda: total(*(_of(asked.at(trial)) for trial in (at, beside)),
                                   asked.allowed), asked="parts")


def _of(asked: Asked) -> Arrays:
    """The noise of the gradients there, 0 for one that is None."""
    return {**{name: np.zeros_like(asked.trial.inputs[name].numbers)  # type: ignore[union-attr]
               for name in asked.trial.wanted}, **allowance(asked)}


def _split(asked: Asked) -> tuple[Any, Any]:
    """The cotangents in two parts: some outputs and the others, or some entries and the others.

    (None, None) where there is nothing to part.
    """
    there = [i for i, value in enumerate(asked.trial.cotangents) if value is not None]
    if len(there) > 1:
        keep = int(asked.rng.choice(there))
        return (tuple(v if i == keep else None for i, v in enumerate(asked.trial.cotangents)),
                tuple(None if i == keep else v for i, v in enumerate(asked.trial.cotangents)))
    if not there or asked.trial.cotangents[there[0]].numbers.size < 2:  # type: ignore[union-attr]
        return None, None
    whole = _each(asked, lambda numbers: numbers)
    one, other = _plain(whole), _plain(whole)
    value = one[there[0]]
    assert value is not None
    mask = asked.rng.random(value.numbers.shape) < 0.5
    return (tuple(v and replace(v, numbers=np.where(mask, v.numbers, 0.0)) for v in one),
            tuple(v and replace(v, numbers=np.where(mask, 0.0, v.numbers)) for v in other))


def _plain(cotangents: Cotangents) -> Cotangents:
    return tuple(value and replace(value, layout="contiguous") for value in cotangents)


def _finite(asked: Asked) -> bool:
    return all(np.isfinite(array).all() for array in asked.reply.arrays.values())


def linear(asked: Asked) -> Iterator[Failure]:
    """All three, the first that fails alone: what one shows the others show as well."""
    for check in (zero, lasting(twice), lasting(parts)):
        found = list(check(asked))
        yield from found
        if found:
            return
