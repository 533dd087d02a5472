"""A run of a plain form in which every operation is off by one rounding of a claim.

Stott Parker, Monte Carlo Arithmetic, 1997, for the operations of PyTorch's dispatcher, in the
forward pass and in the backward pass alike. What each operation owes stands in `rules`.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from ..claim import Claim
from ..formats import Format
from .choices import Choices
from .roundings import drawn, salt
from .rules import exact, rule_of
from .widening import Arguments, Options, Wide

Tensor = torch.Tensor
# Units of an elementary function: XLA's tanh needs 4.3, PyTorch's vectorised ones up to 4.
ELEMENTARY = 8.0
# The truth is in float64 too, and has errors of its own.
OF_FLOAT64 = 2.0


class OverflownError(OverflowError):
    """A number of the plain form is too large for the arithmetic that is claimed."""


def sum_units(count: float) -> float:
    """Units of the sum of the addends' sizes that a sum of so many owes.

    Sixteen times it is 2 √n and n / 4. In any order the roundings of n additions that are not
    alike stay below λ √n units with a λ of 2 to 3 (Higham and Mary, A new approach to
    probabilistic rounding error analysis, 2019). One number added again and again is rounded alike
    each time, and that makes n / 4 units at most within a binade: on average over binades.
    """
    return max(1.0, math.sqrt(count) / 8, count / 64)


class PerturbedRun(Wide):  # type: ignore[no-untyped-call]
    """The mode of one run. run: its number; that of number -1 is without any error, and looks for
    numbers that are too large.

    products: how many addends each product of matrices has, by its memory, and the product itself,
    so that its memory stays its own.
    """

    def __init__(self, claim: Claim, seed: int, choices: Choices, run: int):
        super().__init__()
        self.claim, self.seed, self.choices, self.run = claim, seed, choices, run
        self.watches = run < 0
        self.number = 0
        self.products: dict[int, tuple[float, Tensor]] = {}
        errs = float(run >= 0)
        self.unit = errs * unit_of(claim.operations)
        self.sum_unit = errs * unit_of(claim.sums)
        self.elementary = max(self.unit, ELEMENTARY * min(self.unit, 2.0**-24))
        self.tiny = errs * smallest(claim)

    def done(self, func: Any, args: Arguments, kwargs: Options) -> Any:
        rule = rule_of(func)
        result = rule(self, func, args, kwargs)
        if self.watches and rule is not exact:
            self.watch(result, args)
        return result

    def made(self, tensor: Any) -> Any:
        """A constant owes a rounding, unless the arithmetic has it exactly."""
        if not isinstance(tensor, Tensor) or tensor.dtype != torch.float64 or not tensor.numel():
            return tensor
        return tensor if self.has(tensor) else self.rounded(tensor)

    def __call__(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """One operation, perturbed; for rules that are made of others."""
        return self.done(func, args, kwargs)

    # --- roundings ---

    def drawn(self, values: Tensor) -> Tensor:
        """From -1 to 1, alike for like numbers, for this operation of this run."""
        self.number += 1
        return drawn(values, salt(self.seed, self.number))

    def rounded(self, result: Tensor, units: float = 1.0) -> Tensor:
        """The result of an operation, off by so many units and by an underflow."""
        return self.off(result, self.unit * units)

    def off(self, result: Tensor, relative: float) -> Tensor:
        """The result, off by a share of itself and by the smallest number of the arithmetic."""
        if result.dtype != torch.float64:
            return result
        draw = self.drawn(result)
        found = (draw * relative).add_(1.0).mul_(result)
        return found.addcmul_(result.sgn(), draw, value=self.tiny) if self.tiny else found

    def summed(self, result: Tensor, sizes: Tensor, count: float) -> Tensor:
        """A sum of so many addends, sizes: the same sum of their absolute values."""
        if result.dtype != torch.float64:
            return result
        unit = self.sum_unit * sum_units(count)
        sizes = torch.nan_to_num(sizes, 0.0, 0.0, 0.0)
        return self.rounded(result.addcmul(sizes, self.drawn(result), value=unit))

    def note_product(self, result: Tensor, count: float) -> Tensor:
        """Remember of how many addends each entry is the sum."""
        self.products[result.untyped_storage().data_ptr()] = count, result
        return result

    def addends(self, value: Any) -> float:
        """Of how many addends an entry is the sum, where it is a product of matrices; else 1."""
        if not isinstance(value, Tensor):
            return 1.0
        return self.products.get(value.untyped_storage().data_ptr(), (1.0, value))[0]

    def constant(self, number: float) -> float:
        """A Python number, rounded to the arithmetic where that does not have it."""
        value = torch.tensor(number, dtype=torch.float64)
        return number if self.has(value) else float(self.rounded(value))

    def has(self, values: Tensor) -> bool:
        """Whether the arithmetic has all these numbers."""
        rounded = torch.from_numpy(self.claim.operations.rounded(values.detach().numpy()))
        return bool((rounded == values).all())

    # --- numbers that are too large ---

    def watch(self, result: Any, args: Arguments) -> None:
        """Raise OverflownError where an operation first makes a finite number that is too large."""
        largest = self.claim.operations.largest
        if largest_of(result) > largest and not any(largest_of(each) > largest for each in args):
            raise OverflownError(f"a number of the plain form exceeds {largest:g}, the largest of "
                                 f"{self.claim.operations.name}")


def unit_of(form: Format) -> float:
    """What one rounding costs."""
    return form.unit * (OF_FLOAT64 if form.name == "float64" else 1.0)


def smallest(claim: Claim) -> float:
    """What an operation owes near 0; float32 and bfloat16 may flush what is not normal to zero."""
    form = claim.operations
    if form.name == "float64":
        return 0.0
    return form.smallest if form.name == "float16" else float(2.0**form.least)


def largest_of(value: Any) -> float:
    """The largest size of a finite entry, 0 for what is no tensor of real numbers."""
    if not isinstance(value, Tensor) or value.dtype != torch.float64 or not value.numel():
        return 0.0
    size = float(value.detach().abs().max())
    return size if math.isfinite(size) else float(
        torch.nan_to_num(value.detach(), 0.0, 0.0, 0.0).abs().max())
