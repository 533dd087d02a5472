"""Monte Carlo arithmetic: the reference's own lines with a random rounding error after every operation.

Each result is multiplied by 1 + a·U(-1, 1), fresh for every entry: a = u for one rounded operation, 8u for an
elementary function (XLA's tanh needs 4.3), u√n for a sum over n terms, whose operands owe u√2 each; products and
exponentials also owe an underflow. Everything runs in float64: for float32, u is float32's; for float64 the
perturbation is u scaled up by AMPLIFY, and the spread is scaled down again, so no wider type is needed (long double
is float64 on Windows and many ARM machines). Stott Parker, Monte Carlo Arithmetic, 1997.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..reference import numbers
from ..reference.stacked import Stacked

AMPLIFY = {"float64": 256.0, "float32": 1.0}
UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
TINY = {"float64": float(np.finfo(np.float64).tiny), "float32": float(np.finfo(np.float32).tiny)}
ELEMENTARY = {np.exp, np.log, np.log1p, np.tanh, numbers.erf, numbers.erfc}
EXACT = {None, np.greater, np.less}
UNDERFLOWS = {np.multiply, np.true_divide, np.exp, np.matmul}
_POOL = 1 << 15


class Noise:
    """Endless U(-1, 1), cut from one fixed pool at a moving place: a random number costs a slice."""

    def __init__(self, dtype: str, seed: int = 0):
        self.unit = UNIT[dtype] * AMPLIFY[dtype]
        self.tiny = TINY[dtype] * AMPLIFY[dtype]
        self.pools: dict[float, Any] = {}
        self.rest(seed)

    def rest(self, seed: int) -> None:
        """Start again, at a place that depends on `seed` alone."""
        self.place = (seed * 7919) % _POOL

    def _cut(self, amplitude: float, centre: float, shape: tuple[int, ...]) -> Any:
        size = math.prod(shape)
        if size > _POOL:
            self.place = (self.place + 101) % _POOL
            return centre + amplitude * np.random.default_rng(self.place).uniform(-1, 1, shape)
        if amplitude not in self.pools:
            raw = np.random.default_rng(1).uniform(-1.0, 1.0, 2 * _POOL)
            self.pools[amplitude] = centre + amplitude * raw
        start = self.place
        self.place = (start + size + 101) % _POOL
        return self.pools[amplitude][start:start + size].reshape(shape)

    def factor(self, units: float, shape: tuple[int, ...]) -> Any:
        """1 + units·u·U(-1, 1)."""
        return self._cut(units * self.unit, 1.0, shape)

    def underflow(self, shape: tuple[int, ...]) -> Any:
        """The smallest normal number times U(-1, 1): XLA flushes what is below."""
        return self._cut(self.tiny, 0.0, shape)


class Perturbed(Stacked):
    """K samples of an array in perturbed arithmetic."""

    __slots__ = ("noise",)

    def __init__(self, raw: Any, noise: Noise):
        self.raw, self.noise = raw, noise

    def _before(self, operand: Any, terms: int) -> Any:
        return operand * self.noise.factor(math.sqrt(2.0), operand.shape) if terms > 1 else operand

    def _done(self, operation: Any, result: Any, terms: int = 1) -> Any:
        if operation not in EXACT:
            units = 8.0 if operation in ELEMENTARY else math.ceil(math.sqrt(terms))
            result *= self.noise.factor(units, result.shape)
            if operation in UNDERFLOWS:
                result += self.noise.underflow(result.shape)
        return Perturbed(result, self.noise)
