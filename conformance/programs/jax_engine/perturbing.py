"""Perturbed runs: the plain form's own steps, each off by one rounding of what is claimed.

A step that only moves or picks numbers is exact. An elementwise one is rounded once; an elementary
function owes eight units of float32 at least (XLA's tanh needs 4.3). A sum of n addends owes
max(sqrt n, n / 64) roundings of the claimed accumulation, relative to the sum of magnitudes: sqrt n
is the probable growth in any order (Higham and Mary, 2019), n / 64 with the tolerance's factor 16
covers a plain running sum of equal addends, whose roundings are all alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..claim import Claim
from ..formats import FORMATS, Format
from ..trial import Array, Arrays, Trial
from .computing import advance, as_real, compute, evaluated, filled
from .kept import Kept
from .noise import hashed
from .plain import Question, question
from .tracing import Step

Function = Callable[..., Any]

# How many roundings a step owes. What is in no row is an elementary function, or unknown.
EXACT = frozenset((
    "neg", "abs", "sign", "floor", "ceil", "round", "max", "min", "clamp", "select_n", "copy",
    "copy_p", "stop_gradient", "reduce_precision", "convert_element_type", "broadcast_in_dim",
    "reshape", "transpose", "squeeze", "expand_dims", "rev", "slice", "dynamic_slice",
    "dynamic_update_slice", "concatenate", "pad", "split", "iota", "gather", "scatter", "sort",
    "top_k", "reduce_max", "reduce_min", "argmax", "argmin", "cummax", "cummin", "real", "name",
    "optimization_barrier", "rem", "reduce_window_max", "reduce_window_min", "nextafter",
    "select_and_gather_add", "scatter-max", "scatter-min",
))
ONE = frozenset(("add", "add_any", "sub", "mul", "div", "sqrt", "square"))
UNITS: dict[str, Callable[[Step], float]] = {
    "rsqrt": lambda step: 2.0,
    "integer_pow": lambda step: float(max(abs(step.params["y"]), 1)),
    "cumprod": lambda step: 8.0, "reduce_prod": lambda step: 8.0, "scatter-mul": lambda step: 8.0,
}
CLEAR = 64.0  # roundings of float64 that a number must be above, not to be taken for nothing
KEPT = -1000  # in the place of a step's number
ELEMENTARY = 8.0  # units of the arithmetic, and of float32 where the arithmetic is less


def _reduced(step: Step, operands: list[Array]) -> Array:
    return math.prod(operands[0].shape[axis] for axis in step.params["axes"])


def _contracted(step: Step, operands: list[Array]) -> Array:
    (axes, _), _ = step.params["dimension_numbers"]
    return math.prod(operands[0].shape[axis] for axis in axes)


def _kernel(step: Step, operands: list[Array]) -> Array:
    """The addends of a convolution: the kernel's taps, and the channels that each output has."""
    kernel, order = operands[1], step.params["dimension_numbers"].rhs_spec
    return kernel.size // max(kernel.shape[order[0]], 1)


def _landed(step: Step, operands: list[Array]) -> Array:
    """How many addends each entry of a scatter has."""
    counted = [np.ones_like(operands[0]), operands[1], np.ones_like(operands[2])]
    return evaluated(step, counted)[0]


# Steps that sum, with the number of addends of each entry.
SUMS: dict[str, Callable[[Step, list[Array]], Array]] = {
    "reduce_sum": _reduced, "dot_general": _contracted, "conv_general_dilated": _kernel,
    "scatter-add": _landed,
    "cumsum": lambda step, operands: operands[0].shape[step.params["axis"]],
    "reduce_window_sum": lambda step, operands: math.prod(step.params["window_dimensions"]),
    "select_and_scatter_add": lambda step, operands: math.prod(step.params["window_dimensions"]),
}
PRODUCTS = ("dot_general", "conv_general_dilated")


def perturbed(plain: Function, trial: Trial, claim: Claim, count: int, seed: int) -> list[Arrays]:
    """Outputs and gradients of so many perturbed runs, by key.

    In every other run the backward pass sees the outputs as they are stored. Raises OverflowError
    where the claimed arithmetic has no number for what is computed.
    """
    asked = question(plain, trial)
    kept, nothing = Kept(asked, claim), _nothing(asked)
    runs = []
    for run in range(count):
        rounding = Rounding(claim, seed * 1_000_003 + run // 2, -1.0 if run % 2 else 1.0,
                            run % 8 < 2)
        keeps = kept if run % 4 >= 2 else None
        found = _run(asked, rounding, keeps, nothing, np.sign)
        if any(np.isnan(array).any() for array in found.values()):  # a root or a logarithm of 0
            found = _run(asked, rounding, keeps, nothing, np.ones_like)
        runs.append(found)
    return runs


def _nothing(asked: Question) -> frozenset[tuple[int, int]]:
    """Steps of the gradients, and which of their results, that are 0 but for float64's roundings.

    The gradient through the maximum that a softmax subtracts is one: programs leave it out, and a
    plain form in which it is there takes back its own errors by it.
    """
    exact = Claim("float64", "float64", "float64")
    true = compute(asked.traced, asked.arguments)
    runs = [compute(asked.traced, asked.arguments, Rounding(exact, seed, 1.0, True).rule)
            for seed in range(3)]

    def is_nothing(slot: int) -> bool:
        value = true[slot]
        if not as_real(value) or not np.any(value):
            return False
        apart = np.max([np.abs(run[slot] - value) for run in runs], axis=0)
        return bool(np.all(np.abs(value) <= CLEAR * apart))

    with np.errstate(all="ignore"):
        return frozenset((step.number, i) for step in asked.inward
                         for i, slot in enumerate(step.outputs) if is_nothing(slot))


def _run(asked: Question, rounding: Rounding, kept: Kept | None,
         nothing: frozenset[tuple[int, int]], side: Callable[[Array], Array]) -> Arrays:
    """One run; with `kept` the gradients see kept values, and go without what is nothing."""
    def rule(step: Step, operands: list[Array], found: list[Array]) -> list[Array]:
        found = rounding.rule(step, operands, found)
        return [np.zeros_like(each) if (step.number, i) in nothing else each
                for i, each in enumerate(found)]

    arguments = [rounding.shaken(array, i, side) if real else array
                 for i, (array, real) in enumerate(zip(asked.arguments, asked.real, strict=True))]
    with np.errstate(all="ignore"):
        slots = filled(asked.traced, arguments, rounding.constant)
        advance(slots, asked.outward, rounding.rule)
        if kept is None:
            advance(slots, asked.inward, rounding.rule)
            return asked.named(slots)
        outputs = slots.copy()
        kept.put(slots, lambda y: rounding.noise(y, KEPT))
        advance(slots, asked.inward, rule if nothing else rounding.rule)
    return asked.named([outputs[slot] if slot in kept.told else value
                        for slot, value in enumerate(slots)])


@dataclass(frozen=True)
class Rounding:
    """The roundings of one run: what a claim allows, and a seed.

    side: 1 or -1, the side to which all numbers go; two runs that differ in it alone see both
    sides of every kink that one rounding reaches. full: whether each rounding is as large as it
    may be; else it is anything below that.
    """

    claim: Claim
    seed: int
    side: float = 1.0
    full: bool = False

    @property
    def format(self) -> Format:
        return self.claim.operations

    def noise(self, values: Array, *seeds: int) -> Array:
        """A rounding's share of the largest one, between -1 and 1, for each value."""
        drawn = self.side * hashed(values, self.seed, *seeds)
        return np.where(drawn < 0, -1.0, 1.0) if self.full else drawn

    def shaken(self, array: Array, number: int, side: Callable[[Array], Array]) -> Array:
        """The input off by up to one rounding of the arithmetic, each entry by itself.

        Ties and kinks fall to either side so; and a right program may simplify what autograd does
        step by step: both give nearly the right answer to a question nearby (mixed stability:
        Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 1.5). side: where a
        zero goes, of the noise: its sign, or 1 for a number that must not be below 0.
        """
        places = np.arange(1.0, 2.0 * array.size + 1.0, 2.0).reshape(array.shape)
        noise = self.side * hashed(places, self.seed, -1 - number)
        zero = side(noise) * (1.0 + np.abs(noise)) * 1e-40
        return np.where(array == 0, zero, array * (1.0 + self.format.unit * noise))

    def constant(self, value: Array) -> Array:
        """A constant as the arithmetic has it: one that it cannot represent is rounded."""
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            return value
        inexact = (self.format.rounded(value) != value) & np.isfinite(value)
        noise = self.noise(value, 0) * self.format.unit
        return np.where(inexact, value * (1.0 + noise), value)

    def rule(self, step: Step, operands: list[Array], found: list[Array]) -> list[Array]:
        """What the step gives, rounded."""
        if step.name in EXACT or all(each.dtype.kind != "f" for each in found):
            return found
        if step.name in SUMS:
            found = [self._summed(step, operands, found[0])]
        units = self._units(step)
        return [self._rounded(each, units, operands, step.number, i)
                if each.dtype.kind == "f" else each for i, each in enumerate(found)]

    def _units(self, step: Step) -> float:
        """The relative size of the rounding of a step."""
        if step.name in ONE or step.name in SUMS:
            return self.format.unit
        if step.name in UNITS:
            return UNITS[step.name](step) * self.format.unit
        eight = ELEMENTARY * min(self.format.unit, FORMATS["float32"].unit)
        return max(self.format.unit, eight)

    def _rounded(self, r: Array, units: float, operands: list[Array], step: int,
                 part: int) -> Array:
        """(1 + xi u) r, and what is below the normal numbers lost in part or altogether."""
        self._within(r, operands)
        xi = self.noise(r, step, part)
        result = r * (1.0 + units * xi)
        if np.abs(r).min(initial=1.0) < 2.0 ** self.format.least / units:
            lost = np.where(np.abs(r) < 2.0 ** self.format.least, np.abs(r), 0.0)
            small = np.copysign(lost + self.format.smallest, r)
            result = np.where(r == 0, r, result + small * xi)
        return result

    def _within(self, r: Array, operands: list[Array]) -> None:
        """Raises OverflowError where a step leaves the range that its operands were in."""
        largest = self.format.largest
        if not r.size or not np.abs(r).max() > largest:
            return
        if all(np.abs(each).max(initial=0.0) <= largest for each in operands
               if each.dtype.kind == "f"):
            raise OverflowError(f"{self.format.name} has no number as large as the plain form's")

    def _summed(self, step: Step, operands: list[Array], total: Array) -> Array:
        """The sum, off by the roundings of its partial sums and of a product's operands."""
        if step.name in PRODUCTS and self.claim.products.unit > self.format.unit:
            operands = [self._narrowed(each, step.number, i) for i, each in enumerate(operands)]
            total = evaluated(step, operands)[0]
        addends = SUMS[step.name](step, operands)
        magnitudes = [np.abs(each) if each.dtype.kind == "f" else each for each in operands]
        size = evaluated(step, magnitudes)[0] * self.claim.sums.unit
        growth = np.where(np.asarray(addends) > 1,
                          np.maximum(np.sqrt(addends), np.asarray(addends) / 64.0), 0.0)
        return total + self.noise(total, step.number, 7) * growth * size

    def _narrowed(self, array: Array, step: int, part: int) -> Array:
        """An operand of a product, rounded to the fewer bits that products take."""
        return array * (1.0 + self.noise(array, step, 8 + part) * self.claim.products.unit)
