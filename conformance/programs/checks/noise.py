"""A program's own noise: how far its answers move when its inputs move by one unit of rounding.

Without a plain form this stands for the tolerance. It is generous on purpose: whoever compares two
answers of one program looks for what is gross.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formats import FORMATS
from ..trial import Arrays, Reply
from .moving import moved

if TYPE_CHECKING:
    from .asked import Asked

Array = Any
SAMPLES = 8
FACTOR = 16.0


def allowance(asked: Asked) -> Arrays:
    """For each entry of the reply 16 times the largest of eight moves, two roundings into storage,
    16 u of a gradient in which nothing cancels, and what the order of a long sum may change: 4 u
    sqrt(n) of the largest entry, u being the unit of sums and n the most numbers of one input.
    """
    found = {key: _floor(asked, key, array) for key, array in asked.reply.arrays.items()}
    for _ in range(SAMPLES):
        other = asked.answer(moved(asked.once(), asked.rng, asked.coarse, cotangents=True))
        for key, array in asked.reply.arrays.items():
            found[key] = np.maximum(found[key], FACTOR * _apart(other, key, array))
    return {key: each + _stored(asked, key, asked.reply.arrays[key])
            for key, each in found.items()}


def _apart(other: Reply, key: str, array: Array) -> Array:
    """How far another answer is; infinity where it has no such number."""
    there = other.arrays.get(key)
    if there is None or there.shape != array.shape:
        return np.full(array.shape, np.inf)
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.abs(there - array), nan=np.inf, posinf=np.inf)


def _floor(asked: Asked, key: str, array: Array) -> Array:
    most = max((value.numbers.size for value in asked.values().values()), default=1)
    claim = asked.claim
    unit = max(claim.sums.unit, claim.operations.unit)
    alike = np.full(array.shape, 4.0 * unit * math.sqrt(max(most, 1)) * _largest(array))
    return alike + FACTOR * unit * _uncancelled(asked, key, array)


def _uncancelled(asked: Asked, key: str, array: Array) -> Array:
    """The size of a gradient in which nothing cancels: what the loss has in it for each entry of
    the input, over the entry. A norm over one number, which has no gradient, cancels all of it, and
    the last places of that do not move with the input's.
    """
    value = asked.trial.inputs.get(key)
    if value is None or not array.size or array.shape != value.numbers.shape:
        return np.zeros(array.shape)
    outputs = zip(asked.trial.cotangents, asked.reply.outputs, strict=False)
    loss = sum(each.numbers.size * _largest(each.numbers) * _largest(out) for each, out in outputs
               if each is not None and out is not None)
    size = np.abs(value.numbers)
    return loss / array.size / np.maximum(size, 0.01 * size.mean() + 1e-30)


def _largest(array: Array) -> float:
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max()) if finite.size else 0.0


def _stored(asked: Asked, key: str, array: Array) -> Array:
    """Two roundings into the dtype that the array came in."""
    kind = FORMATS.get(asked.reply.dtypes.get(key, ""), asked.claim.stored)
    kind = max(kind, asked.claim.stored, key=lambda each: each.unit)
    with np.errstate(invalid="ignore"):
        return 2.0 * (kind.unit * np.nan_to_num(np.abs(array), posinf=0.0) + kind.smallest)
