"""Monte Carlo arithmetic: the reference's own lines, every operation off by a random rounding.

Each result is multiplied by 1 + a·u·U(-1, 1), fresh for every entry, where u is the unit
roundoff: a = 1 for one rounded operation, n - 1 for x ** n, 8 for an elementary function (XLA's
tanh needs 4.3). Products, quotients and exponentials also owe an underflow. Several such samples
are taken side by side (`Stacked`), and how far they lie from the truth is how far a right program
may lie. Stott Parker, Monte Carlo Arithmetic, 1997.

Why float64, scaled. A perturbation of the size of a rounding must not drown in the rounding of
the machine that adds it. For float32 that is easy: everything runs in float64, and u is
float32's. For float64 a wider type would be needed, and there is none on Windows and on many ARM
machines, where long double is float64. But errors this small pass through a program linearly: so
the perturbation is 256 u, which stands far above float64's own rounding, and the spread found is
divided by 256 again (`AMPLIFY`).

What a sum owes. A right program may add n terms in any order, and what it rounds are partial
sums, which may be far larger than the result: all positive terms first, say, and then all
negative ones. Noise on the result alone knows nothing of that. But whatever the order,
sequential, pairwise, blocked or sorted, the computed sum is the exact sum of terms that are each
off by a little: Σ xᵢ (1 + θᵢ), |θᵢ| ≤ γ with index n - 1, about n u (Higham, Accuracy and
Stability of Numerical Algorithms, 2002, section 4.2). So the noise goes on the terms too. How
large? θᵢ is a sum of up to n roundings, so its own size is near √n u; but terms that were added
early share the same roundings, their θᵢ are alike and do not average out, while noise that is
fresh for every term does. In the worst order the error is about √n u Σ|xᵢ| / 7; fresh noise of a
u gives a u √(Σxᵢ²) / √3, which may be smaller by √n. Hence a grows with n itself: a term owes n/8
units, and √2 at least. Where all terms have one sign this adds hardly anything, since it averages
out; where they cancel, it is what is left. The result owes √n units as well: the roundings of its
last partial sums, which are as large as it is. A sum of like numbers, in sequence, is rounded the
same way again and again, so roundings need not be random: past 256 terms the result owes n/16
units, so that sixteen times the spread reaches Higham's bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from ..reference.numbers import OPERATIONS, Counts
from ..reference.stacked import Stacked

AMPLIFY = {"float64": 256.0, "float32": 1.0}
UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
TINY = {"float64": float(np.finfo(np.float64).tiny), "float32": float(np.finfo(np.float32).tiny)}
ELEMENTARY_UNITS = 8.0
UNDERFLOWS = {row.function for row in OPERATIONS.values() if row.underflows}
_POOL = 1 << 15
_PART = 1 << 14


def _power_of_root_two(units: float) -> float:
    """The next power of √2: there are few of them, so few pools of noise serve all."""
    return math.sqrt(2.0) ** math.ceil(2.0 * math.log2(units) - 1e-9)


@cache
def term_units(terms: int) -> float:
    """What each term of a sum owes, in units of rounding; see the module's text."""
    return _power_of_root_two(max(math.sqrt(2.0), terms / 8.0)) if terms > 1 else 0.0


@cache
def sum_units(terms: int) -> float:
    """What the result of a sum owes, in units of rounding; see the module's text."""
    return float(math.ceil(math.sqrt(terms))) if terms <= 256 else _power_of_root_two(
        max(math.sqrt(terms), terms / 16.0))


# what counts as this -> the units that a result of so many terms owes
OWED: dict[Counts, Callable[[int], float]] = {
    Counts.POWER: float, Counts.SUM: sum_units, Counts.PRODUCT_SUM: sum_units,
}
# operation -> the units that its result owes: of so many terms, or always the same
GROWING = {row.function: OWED[row.counts] for row in OPERATIONS.values() if row.counts in OWED}
FIXED = {row.function: ELEMENTARY_UNITS if row.counts is Counts.ELEMENTARY else 1.0
         for row in OPERATIONS.values() if row.counts in (Counts.ROUNDING, Counts.ELEMENTARY)}


@cache
def _prime_pool() -> Any:
    """U(-1, 1), 65,537 of them: a prime."""
    return np.random.default_rng(2).uniform(-1.0, 1.0, 2 * _POOL + 1)


class Noise:
    """Endless U(-1, 1), cut from a fixed pool at a moving place: a random number costs a slice."""

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

    def factors(self, units: Any, shape: tuple[int, ...]) -> Any:
        """The same for an array of units that broadcasts to `shape`; exactly 1 where they are 0."""
        return 1.0 + units * (self.factor(1.0, shape) - 1.0)

    def multiply(self, array: Any, units: float) -> None:
        """Multiply the array by as many factors, in place."""
        if array.size <= _POOL:
            array *= self.factor(units, array.shape)
        else:
            for part, numbers in self._parts(array):
                part *= 1.0 + (units * self.unit) * numbers

    def flush(self, array: Any) -> None:
        """Add underflows to the array, in place."""
        if array.size <= _POOL:
            array += self.underflow(array.shape)
        else:
            for part, numbers in self._parts(array):
                part += self.tiny * numbers

    def _parts(self, array: Any) -> Iterator[tuple[Any, Any]]:
        """A large array in parts that a processor's cache holds, each with as many U(-1, 1).

        They come from one pool of prime length, over and over: so the terms of a sum, which lie a
        fixed stride apart, have numbers of their own. The array is contiguous in some order.
        """
        flat, pool = array.ravel(order="K"), _prime_pool()
        self.place = (self.place + 101) % _POOL
        start, place = 0, self.place
        while start < flat.size:
            part = flat[start:start + min(_PART, pool.size - place)]
            yield part, pool[place:place + part.size]
            start, place = start + part.size, (place + part.size) % pool.size

    def underflow(self, shape: tuple[int, ...]) -> Any:
        """The smallest normal number times U(-1, 1): XLA flushes what is below."""
        return self._cut(self.tiny, 0.0, shape)


class Perturbed(Stacked):
    """K samples of an array in perturbed arithmetic."""

    __slots__ = ("noise",)

    def __init__(self, raw: Any, noise: Noise):
        self.raw, self.noise = raw, noise

    def _before(self, operand: Any, terms: Any) -> Any:
        if isinstance(terms, np.ndarray):
            return operand * self.noise.factors(_each(term_units, terms), operand.shape)
        if terms == 1:
            return operand
        if operand.size <= _POOL:
            return operand * self.noise.factor(term_units(terms), operand.shape)
        disturbed = np.array(operand, order="K")
        self.noise.multiply(disturbed, term_units(terms))
        return disturbed

    def _done(self, operation: Any, result: Any, terms: Any = 1) -> Any:
        if isinstance(terms, np.ndarray):
            owed = np.where(terms > 1, _each(sum_units, terms), 0.0)
            return Perturbed(result * self.noise.factors(owed, result.shape), self.noise)
        units = FIXED[operation] if operation in FIXED else GROWING[operation](terms)
        self.noise.multiply(result, units)
        if operation in UNDERFLOWS:
            self.noise.flush(result)
        return Perturbed(result, self.noise)

    def _like(self, raw: Any) -> Any:
        return Perturbed(raw, self.noise)


def _each(units: Any, terms: Any) -> Any:
    """units(terms) for an array of terms, asked once for each number that is in it."""
    known, where = np.unique(terms, return_inverse=True)
    return np.array([units(int(n)) for n in known])[where].reshape(terms.shape)
