"""Where lines are laid: a trial whose inputs may move freely, asked at other points.

The loss of a program is the sum of its outputs times their cotangents; its gradient is then what
the program's backward gives. Nothing here knows what is true: a loss and a gradient of one program
are compared with each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..formats import FORMATS, Format
from ..trial import Arrays, Reply, Trial, Value
from .asked import Asked
from .moving import moved, with_inputs

Array = Any
SAMPLES = 8
WIDE_BITS = 24   # of a significand that has room for short lines
ALIKE = 0.1      # of the roundings into a narrower format
FAR = 2.0        # of the scale
RESOLVED = 8.0   # units of rounding that an output moves by, to be rounded at random
OFFSET = 2.0**-4  # of the scale: how far a centre is from the trial, away from kinks and ties


@dataclass(frozen=True)
class Point:
    """The real inputs at a point as they were stored, and the answer there."""

    numbers: Arrays
    reply: Reply

    def slope(self, along: Arrays) -> float:
        """The gradient times a direction."""
        return sum(float(np.sum(g * along[name])) for name, g in self.reply.gradients.items()
                   if g is not None and name in along)

    @property
    def is_finite(self) -> bool:
        return all(np.isfinite(array).all() for array in self.reply.arrays.values())


@dataclass(frozen=True)
class Ground:
    """A trial around whose inputs lines are laid; `names` are those that move.

    grid: a dtype that numbers are rounded to before they are rounded to their own.
    """

    asked: Asked
    trial: Trial
    names: tuple[str, ...]
    grid: str = ""

    def at(self, numbers: Mapping[str, Array]) -> Point:
        """The answer at other numbers, rounded to what the dtypes hold."""
        if self.grid:
            numbers = {name: FORMATS[self.grid].rounded(each) for name, each in numbers.items()}
        trial = with_inputs(self.trial, numbers)
        return Point(numbers_of(trial, self.names), self.asked.answer(trial))

    @cached_property
    def scale(self) -> Arrays:
        """How far each entry may move: a deviation of its input, or its own size where all
        entries have one sign and are smaller than that (a variance stays positive).
        """
        return {name: _scale(array) for name, array in numbers_of(self.trial, self.names).items()}

    def beside(self) -> Arrays:
        """The numbers of a point a little beside the trial."""
        return {name: array + OFFSET * self.scale[name] * self.asked.rng.uniform(
            -1.0, 1.0, array.shape) for name, array in numbers_of(self.trial, self.names).items()}

    def centre(self, name: str = "") -> Centre:
        """A centre a little beside the trial, for lines through all inputs or through one."""
        moving = {each: np.full(array.shape, float(each == name))
                  for each, array in self.scale.items()}
        return self.about(self.beside(), moving if name else None)

    def about(self, numbers: Mapping[str, Array], moving: Arrays | None = None) -> Centre:
        """The centre at these numbers, and the noise about it; moving: of the entries that are not
        0 there, else of all.
        """
        rng, middle = self.asked.rng, self.at(numbers)
        trial = with_inputs(self.trial, middle.numbers)
        around = []
        for _ in range(SAMPLES):
            beside = numbers_of(moved(trial, rng, self.asked.coarse, cotangents=False), self.names)
            around.append(self.at(beside if moving is None else {
                name: np.where(moving[name] == 0, middle.numbers[name], beside[name])
                for name in beside}))
        return Centre(self, middle, tuple(around), moving)

    @property
    def alike(self) -> float:
        """Which share of roundings may go the same way: some do where numbers have few bits."""
        return ALIKE if self.asked.claim.stored.bits < WIDE_BITS else 0.0

    def difference(self, one: Point, other: Point) -> float:
        """The loss at one point less that at another."""
        return sum(float(np.sum(value.numbers * (a - b))) for value, a, b in zip(
            self.trial.cotangents, one.reply.outputs, other.reply.outputs, strict=True)
            if value is not None and a is not None and b is not None)

    def stored(self, reply: Reply, key: str) -> Format:
        """The dtype of an output or a gradient, or what it claims to be, whichever is coarser."""
        claimed = self.asked.claim.stored
        return max(FORMATS.get(reply.dtypes.get(key, ""), claimed), claimed,
                   key=lambda each: each.unit)


@dataclass(frozen=True)
class Centre:
    """The middle of lines, and the program's answers one unit of rounding beside it.

    moving: the entries that lines move, None where those are all.
    """

    ground: Ground
    middle: Point
    around: tuple[Point, ...]
    moving: Arrays | None = None

    @property
    def is_finite(self) -> bool:
        return self.middle.is_finite and all(each.is_finite for each in self.around)

    @cached_property
    def loss_noise(self) -> float:
        """How far a loss is from what the gradients say of so small a move, root mean square."""
        return _rms([self._beside(each) for each in self.around])

    def _beside(self, point: Point) -> float:
        step = {name: point.numbers[name] - self.middle.numbers[name] for name in point.numbers}
        return (self.ground.difference(point, self.middle)
                - 0.5 * (point.slope(step) + self.middle.slope(step)))

    def slope_noise(self, along: Arrays) -> float:
        """How far slopes along a direction are from each other, root mean square."""
        slope = self.middle.slope(along)
        return _rms([each.slope(along) - slope for each in self.around])

    def loss_rounding(self, one: Point, other: Point) -> float:
        """What rounding outputs into storage may change in the difference of two points' losses.

        Outputs that move by several units in their last place are rounded independently of each
        other: root mean square. One that moves less is rounded against its move, always.
        """
        terms, sure = [], 0.0
        for i, value in enumerate(self.ground.trial.cotangents):
            a, b = one.reply.outputs[i], other.reply.outputs[i]
            if value is None or a is None or b is None:
                continue
            unit = self.ground.stored(one.reply, f"output {i}").unit
            size = unit * np.abs(a) * self._touched(i)
            near = np.abs(a - b) < RESOLVED * size
            share = np.where(near, 1.0, self.ground.alike)
            sure += float(np.sum(np.abs(value.numbers) * size * share))
            terms.append(rounding(size * ~near, value.numbers))
        return float(np.hypot.reduce(terms)) + sure if terms else 0.0

    def _touched(self, number: int) -> Array:
        """Where an output moves with the entries that lines move: seen on moves that are long."""
        out = self.middle.reply.outputs[number]
        far = [point.reply.outputs[number] for point in self._far]
        there = [each for each in far if each is not None and out is not None]
        return np.any([each != out for each in there], axis=0)

    @cached_property
    def _far(self) -> list[Point]:
        ground, middle = self.ground, self.middle.numbers
        moving = ground.scale if self.moving is None else self.moving
        return [ground.at({name: array + ground.scale[name] * (moving[name] != 0)
                           * ground.asked.rng.uniform(-FAR, FAR, array.shape)
                           for name, array in middle.items()}) for _ in range(2)]

    def slope_rounding(self, along: Arrays) -> float:
        """What rounding the gradients into storage may change in a slope, root mean square."""
        reply = self.middle.reply
        terms, sure = [], 0.0
        for name, g in reply.gradients.items():
            if g is not None and name in along:
                unit = self.ground.stored(reply, name).unit
                terms.append(unit * rounding(g, along[name]))
                sure += unit * self.ground.alike * float(np.sum(np.abs(g * along[name])))
        return float(np.hypot.reduce(terms)) + sure if terms else 0.0


def grounded(asked: Asked, trial: Trial, names: tuple[str, ...]) -> Ground:
    """The trial with its inputs contiguous (an expanded one moves as one number) and all wanted."""
    inputs = {name: value if value is None else replace(value, layout="contiguous")
              for name, value in trial.inputs.items()}
    return Ground(asked, replace(trial, inputs=inputs, wanted=names), names)


def numbers_of(trial: Trial, names: tuple[str, ...]) -> Arrays:
    """The numbers of some inputs."""
    return {name: value.numbers for name in names
            if isinstance(value := trial.inputs[name], Value)}


def rounding(values: Array, weights: Array) -> float:
    """The root mean square of a weighted sum of values, each off by up to one part of itself.

    Equal values are rounded alike: their weights add up first.
    """
    if not values.size:
        return 0.0
    each, at = np.unique(values.reshape(-1), return_inverse=True)
    weight = np.bincount(at.reshape(-1), np.broadcast_to(weights, values.shape).reshape(-1))
    return float(np.sqrt(np.sum((each * weight) ** 2)))


def _scale(numbers: Array) -> Array:
    if not numbers.size:
        return numbers
    size = np.abs(numbers)
    wide = float(np.std(numbers))
    if wide < 1e-3 * size.max():
        wide = 0.25 * float(size.max())
    one_sign = bool((numbers > 0).all() or (numbers < 0).all())
    return np.minimum(wide, size) if one_sign else np.full(numbers.shape, wide or 1.0)


def _rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values else 0.0
