"""The few functions NumPy lacks, for every number type the reference runs on.

A number type is anything with NumPy's operators and functions: float32, float64, complex (the complex step), NumPy
arrays of high-precision objects, and the array types that stack, perturb or bound. A type with a method of the
function's name is asked; floats go to the C library.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_erf = np.frompyfunc(math.erf, 1, 1)
_erfc = np.frompyfunc(math.erfc, 1, 1)


def _special(x: Any, name: str, of_floats: np.ufunc, slope: float) -> Any:
    """erf or erfc; for complex x the first-order extension f(a) + i b f'(a), exact for the complex step's tiny b."""
    if hasattr(x, name):
        return getattr(x, name)()
    if x.dtype == object:
        return np.frompyfunc(lambda v: getattr(v, name)(), 1, 1)(x)
    if np.iscomplexobj(x):
        return of_floats(x.real).astype(float) + 1j * x.imag * slope * np.exp(-x.real**2)
    return of_floats(x).astype(x.dtype)


def erf(x: Any) -> Any:
    """(2/√π) ∫₀ˣ exp(-t²) dt, elementwise."""
    return _special(x, "erf", _erf, 2 / math.sqrt(math.pi))


def erfc(x: Any) -> Any:
    """1 - erf(x), without the cancellation, elementwise."""
    return _special(x, "erfc", _erfc, -2 / math.sqrt(math.pi))


def log1p(x: Any) -> Any:
    """log(1 + x); for complex x to first order in the imaginary part (NumPy's own loses the digits of a small x)."""
    if isinstance(x, np.ndarray) and np.iscomplexobj(x):
        return np.log1p(x.real) + 1j * (x.imag / (1.0 + x.real))
    return x.log1p() if hasattr(x, "log1p") else np.log1p(x)


def magnitude(x: Any) -> Any:
    """|x|, written so that it is analytic on each side of zero (the complex step goes through it)."""
    return np.where(x > 0, x, -x)
