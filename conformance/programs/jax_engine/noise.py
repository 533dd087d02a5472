"""Roundings that are drawn: numbers between -1 and 1 that hang on the number that is rounded.

A rounding is no dice: the same number is rounded alike wherever it stands, which is how errors of
equal addends pile up. So the noise is a hash of the number's fraction, the step and the seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
_STEP, _FIRST, _SECOND, _THIRD = (np.uint64(each) for each in (
    0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53, 0xBF58476D1CE4E5B9))
# Of the 52 bits of the fraction the last are left out: equal numbers of a plain form may differ
# there, by the order of a sum or by a hair that was put to the inputs.
_LEFT = 20
_FRACTION = np.uint64((1 << 52) - (1 << _LEFT))


def hashed(values: Array, *seeds: int) -> Array:
    """Numbers in [-1, 1), one for each value; equal ones for equal values, and for their doubles.

    seeds: what else they hang on, such as the number of the step and that of the run. The mixing is
    that of MurmurHash3's 64-bit finalizer (A. Appleby, public domain).
    """
    bits = np.ascontiguousarray(values, np.float64).view(np.uint64).reshape(np.shape(values))
    mixed = (bits + np.uint64(1 << (_LEFT - 1))) & _FRACTION
    key = np.uint64(0)
    with np.errstate(over="ignore"):
        for seed in seeds:
            key = (key ^ np.uint64(seed & 0xFFFFFFFFFFFFFFFF)) * _STEP + _THIRD
            key = key ^ (key >> np.uint64(29))
        mixed = (mixed ^ key) * _FIRST
        mixed ^= mixed >> np.uint64(32)
        mixed *= _SECOND
        mixed ^= mixed >> np.uint64(29)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
