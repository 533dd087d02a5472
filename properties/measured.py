"""Numbers with a tolerance, and the linear arithmetic that identities between gradients need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..reference.backprop import unwarned


@dataclass(frozen=True)
class Measured:
    """value ± tolerance, arrays of one shape. Other operands are exact arrays or numbers."""

    value: Any
    tolerance: Any

    __array_ufunc__ = None

    def __add__(self, other: Any) -> Measured:
        if isinstance(other, Measured):
            return Measured(self.value + other.value, self.tolerance + other.tolerance)
        return Measured(self.value + other, self.tolerance)

    __radd__ = __add__

    def __neg__(self) -> Measured:
        return Measured(-self.value, self.tolerance)

    def __sub__(self, other: Any) -> Measured:
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> Measured:
        return (-self).__add__(other)

    def __mul__(self, factor: Any) -> Measured:
        return Measured(self.value * factor, self.tolerance * np.abs(factor))

    __rmul__ = __mul__

    @unwarned
    def __matmul__(self, matrix: Any) -> Measured:
        return Measured(self.value @ matrix, self.tolerance @ np.abs(matrix))

    @unwarned
    def __rmatmul__(self, matrix: Any) -> Measured:
        return Measured(matrix @ self.value, np.abs(matrix) @ self.tolerance)

    def __getitem__(self, index: Any) -> Measured:
        return Measured(self.value[index], self.tolerance[index])

    def sum(self, axis: Any = None) -> Measured:
        return Measured(self.value.sum(axis=axis), self.tolerance.sum(axis=axis))

    @property
    def T(self) -> Measured:  # noqa: N802
        return Measured(self.value.T, self.tolerance.T)


def apart(left: Any, right: Any) -> tuple[Any, Any]:
    """|left - right| and how much of it is allowed; either side may be exact.

    NaN against anything is infinitely far, so `not error <= tolerance` is the test; equal
    infinities agree.
    """
    got, wanted = as_measured(left), as_measured(right)
    with np.errstate(invalid="ignore"):
        error = np.where(got.value == wanted.value, 0.0, np.abs(got.value - wanted.value))
    return np.where(np.isnan(error), np.inf, error), got.tolerance + wanted.tolerance


def as_measured(x: Any) -> Measured:
    return x if isinstance(x, Measured) else Measured(np.asarray(x, dtype=float), 0.0)
