"""Number formats: what one rounding costs in each, and rounding itself, for arrays of float64.

A format is the dtype that arrays are stored in, or the arithmetic that a program claims. tf32 is
only the latter: the operands of products keep ten bits of fraction, sums and all else are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any


@dataclass(frozen=True)
class Format:
    """bits: of the significand, the hidden one included; least and most: exponents of two.

    The smallest normal number is 2**least, the largest below 2**(most + 1).
    """

    name: str
    bits: int
    least: int
    most: int
    largest: float

    @property
    def unit(self) -> float:
        """The unit of rounding: half a unit in the last place of 1."""
        return float(2.0 ** -self.bits)

    @property
    def smallest(self) -> float:
        """The smallest number above 0, a subnormal."""
        return float(2.0 ** (self.least - self.bits + 1))

    def rounded(self, values: Array) -> Array:
        """The nearest numbers of the format, ties to even; beyond the largest, infinity.

        The fp8 formats have no infinity in every library: what is beyond comes out as infinity.
        """
        values = np.asarray(values, np.float64)
        if self.name == "float64":
            return values
        with np.errstate(all="ignore"):
            exponent = np.maximum(np.frexp(values)[1] - 1, self.least)
            step = np.ldexp(1.0, exponent - self.bits + 1)
            near = np.rint(values / step) * step
            return np.where(np.abs(near) > self.largest, np.copysign(np.inf, near), near)


def _format(name: str, bits: int, least: int, most: int, largest: float | None = None) -> Format:
    largest = float((2.0 - 2.0 ** (1 - bits)) * 2.0**most) if largest is None else largest
    return Format(name, bits, least, most, largest)


# Sources: IEEE 754-2019 for binary16, 32 and 64; the Open Compute Project's 8-bit floating point
# specification 1.0 for float8 (e4m3 has no infinity and one NaN, so it reaches 448).
FORMATS = {each.name: each for each in (
    _format("float64", 53, -1022, 1023),
    _format("float32", 24, -126, 127),
    _format("tf32", 11, -126, 127),
    _format("float16", 11, -14, 15),
    _format("bfloat16", 8, -126, 127),
    _format("float8_e4m3fn", 4, -6, 8, 448.0),
    _format("float8_e5m2", 3, -14, 15),
)}
STORAGE = tuple(name for name in FORMATS if name != "tf32")
ARITHMETIC = ("float64", "float32", "tf32", "float16", "bfloat16")  # strictest first
