"""A line through a program's inputs: the integral of its gradient is what its loss changes by.

The integral is Boole's rule over eight steps; its error is estimated from coarser rules, that of
rounding from the program's own noise (16 deviations, from eight samples) and from the rounding of
what it returns (six, which is known). What a line shows counts only where it stays:

- in wide formats on a line so short that noise just lets it be seen, at the same slope. The error
  of a rule across a kink dwindles there, and a jump (floor, a comparison) is no longer on the line;
- about other centres, on two lines of three.

Both are asked of as few entries as still show it clearly, since few cross few kinks and jumps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..trial import Arrays
from .ground import Centre, Ground, Point

Array = Any
STEPS = 8
BOOLE = np.array([7, 32, 12, 32, 14, 32, 12, 32, 7]) / 180.0
MEASURED, KNOWN = 16.0, 6.0
WIDEST, SHORTEST = 0.25, 2.0**-18   # of the scale: how long lines are
SHORTER = 4.0                       # times, where the rule is coarser than the noise
TRIES = 7
FRESH, ENOUGH = 3, 2                # lines about other centres, and how many must show it
CLEAR = 4.0                         # times what is allowed
FEW, MORE, SOME = 4, 8, 2           # entries tried first, how many times more next, how often each
Direction = Callable[[Centre], Arrays]


@dataclass(frozen=True)
class Seen:
    """A line: its length, the integral of the gradient along it, and the change of the loss.

    noise: what rounding may make of their difference; of that, `fixed` is the part that does not
    dwindle with the length. rule: what the rule may make of it. size: what the integral would be if
    nothing in it cancelled.
    """

    length: float
    integral: float
    change: float
    noise: float
    fixed: float
    rule: float
    size: float

    @property
    def residual(self) -> float:
        return self.integral - self.change

    @property
    def allowed(self) -> float:
        return self.noise + self.rule

    @property
    def fails(self) -> bool:
        return abs(self.residual) > self.allowed

    @property
    def sharp(self) -> bool:
        """Whether half of the integral, were it missing, would be seen."""
        return self.allowed < 0.5 * max(abs(self.integral), abs(self.change))


def along(centre: Centre) -> Arrays:
    """The direction of the gradient's signs, of uneven lengths: a factor shows best along it."""
    rng, found = centre.ground.asked.rng, {}
    for name, scale in centre.ground.scale.items():
        g = centre.middle.reply.gradients.get(name)
        sign = rng.choice([-1.0, 1.0], scale.shape)
        if g is not None:
            sign = np.where(g == 0, sign, np.sign(g))
        found[name] = sign * rng.uniform(0.5, 1.5, scale.shape) * scale
    return found


def across(centre: Centre) -> Arrays:
    """A direction of random signs and uneven lengths: no single entry is left out of it."""
    rng = centre.ground.asked.rng
    return {name: rng.choice([-1.0, 1.0], scale.shape) * rng.uniform(0.5, 1.5, scale.shape) * scale
            for name, scale in centre.ground.scale.items()}


def only(direction: Arrays, name: str, box: tuple[slice, ...] = ()) -> Arrays:
    """The direction within one input, and there within a box of entries; else zeros."""
    kept = {key: np.zeros_like(array) for key, array in direction.items()}
    kept[name][box or ...] = direction[name][box or ...]
    return kept


def measured(centre: Centre, direction: Arrays, length: float) -> Seen | None:
    """One line of that length; None where the program has no finite answer on it."""
    ground = centre.ground
    points = [_point(centre, direction, length * (k / STEPS - 0.5)) for k in range(STEPS + 1)]
    if not all(point.is_finite for point in points):
        return None
    step = {name: points[-1].numbers[name] - points[0].numbers[name] for name in direction}
    slopes = np.array([point.slope(step) for point in points])
    integral, rule = _integral(slopes)
    change = ground.difference(points[-1], points[0])
    fixed, noise = _noise(centre, step, points[0], points[-1])
    size = sum(float(np.sum(np.abs(g * step[name]))) for name, g
               in centre.middle.reply.gradients.items() if g is not None and name in step)
    return Seen(length, integral, change, noise, fixed, rule, size)


def _point(centre: Centre, direction: Arrays, at: float) -> Point:
    if at == 0.0:
        return centre.middle
    middle = centre.middle.numbers
    return centre.ground.at({name: middle[name] + at * direction[name] for name in direction})


def _integral(slopes: Array) -> tuple[float, float]:
    """Boole's rule over eight steps, and how far it may be off by the look of coarser rules."""
    def simpson(every: int) -> float:
        s = slopes[::every]
        steps = len(s) - 1
        return float((s[0] + s[-1] + 4 * s[1:-1:2].sum() + 2 * s[2:-1:2].sum()) / (3 * steps))

    fine, middle, coarse = simpson(1), simpson(2), simpson(4)
    boole, coarser = float(BOOLE @ slopes), (16 * middle - coarse) / 15
    return boole, abs(boole - coarser) + 4 * abs(boole - fine)


def _noise(centre: Centre, step: Arrays, start: Point, end: Point) -> tuple[float, float]:
    """What rounding may change: the part of the loss alone, and all of it."""
    weights = float(np.sqrt(np.sum(BOOLE**2)))
    loss = np.sqrt(2.0) * (MEASURED * centre.loss_noise
                           + KNOWN * centre.loss_rounding(start, end))
    slope = weights * (MEASURED * centre.slope_noise(step) + KNOWN * centre.slope_rounding(step))
    always = _sums(centre, step) + _least(centre, step)
    return float(loss), float(np.hypot(loss, slope) + always)


def _sums(centre: Centre, step: Arrays) -> float:
    """What long sums may lose whose addends are alike, and so rounded alike: half a unit for every
    addend at the end, a quarter on the way.
    """
    unit = centre.ground.asked.claim.sums.unit
    return sum(0.25 * unit * _addends(centre, g) * float(np.abs(g * step[name]).sum()) for name, g
               in centre.middle.reply.gradients.items() if g is not None and name in step)


def _addends(centre: Centre, gradient: Array) -> float:
    """How many numbers an entry of a gradient may be the sum of: one for each entry of an output
    that it has no entry for, or the longest axis.
    """
    values = [value.numbers for value in centre.ground.asked.values().values()]
    longest = max((size for each in values for size in each.shape), default=1)
    most = max((value.numbers.size for value in centre.ground.trial.cotangents
                if value is not None), default=1)
    return float(max(longest, most / max(gradient.size, 1)))


def _least(centre: Centre, step: Arrays) -> float:
    """What underflow of outputs and gradients may change."""
    weights = [value.numbers for value in centre.ground.trial.cotangents if value is not None]
    every = sum(float(np.abs(each).sum()) for each in (*weights, *step.values()))
    return float(centre.ground.asked.claim.stored.smallest * every)


def sharpest(centre: Centre, direction: Arrays) -> Seen | None:
    """A line as long as the rule is good for: shorter ones until rounding is the larger part."""
    length, best = WIDEST, None
    for _ in range(TRIES):
        seen = measured(centre, direction, length)
        if seen is not None:
            best = seen if best is None or _blunt(seen) < _blunt(best) else best
            if seen.rule <= seen.noise or seen.rule < 1e-4 * seen.size:
                break
        length /= SHORTER
    return best


def _blunt(seen: Seen) -> float:
    """What is allowed beside what there is."""
    return seen.allowed / max(seen.size, abs(seen.change), 1e-300)


def sparser(centre: Centre, direction: Arrays, seen: Seen) -> tuple[Centre, Arrays, Seen]:
    """The line through as few entries as still show clearly that something is wrong."""
    rng = centre.ground.asked.rng
    count, there = FEW, sum(int(np.count_nonzero(array)) for array in direction.values())
    while count < there:
        for _ in range(SOME):
            part = _part(direction, rng, count / there)
            beside = centre.ground.about(centre.middle.numbers, part)
            few = sharpest(beside, part) if beside.is_finite else None
            if few is not None and abs(few.residual) > CLEAR * few.allowed:
                return beside, part, few
        count *= MORE
    return centre, direction, seen


def _part(direction: Arrays, rng: np.random.Generator, share: float) -> Arrays:
    """A share of the direction's entries, drawn; the others are 0."""
    return {name: np.where(rng.random(array.shape) < share, array, 0.0)
            for name, array in direction.items()}


def stays(centre: Centre, direction: Arrays, seen: Seen) -> bool:
    """Whether what a line shows is a mistake: see the head of this file."""
    return slopes_alike(centre, direction, seen) and _fresh(centre.ground, direction)


def slopes_alike(centre: Centre, direction: Arrays, seen: Seen) -> bool:
    """Whether the shortest line that noise lets be seen shows the same for its length; True where
    there is no shorter one.
    """
    shortest = seen.length * max(3.0 * seen.fixed / abs(seen.residual), 1e-300)
    shortest = max(shortest, SHORTEST, _resolved(centre, direction))
    return shortest > seen.length / 8 or _same_slope(centre, seen, direction, shortest)


def _same_slope(centre: Centre, seen: Seen, direction: Arrays, length: float) -> bool:
    """Whether a shorter line shows the same for its length."""
    short = measured(centre, direction, length)
    if short is None or not short.fails:
        return False
    ratio = (short.residual / short.length) / (seen.residual / seen.length)
    return 0.4 < ratio < 2.5


def _fresh(ground: Ground, direction: Arrays) -> bool:
    """Whether enough lines through the same entries about other centres show something too."""
    shown = 0
    for _ in range(FRESH):
        centre = ground.about(ground.beside(), direction)
        seen = sharpest(centre, _redrawn(direction, ground)) if centre.is_finite else None
        shown += seen is not None and seen.fails
    return shown >= ENOUGH


def _redrawn(direction: Arrays, ground: Ground) -> Arrays:
    """A direction of the same signs and entries, of other lengths."""
    rng = ground.asked.rng
    return {name: np.sign(array) * rng.uniform(0.5, 1.5, array.shape) * ground.scale[name]
            for name, array in direction.items()}


def _resolved(centre: Centre, direction: Arrays) -> float:
    """The length at which a typical entry moves by 64 units in its last place."""
    unit = centre.ground.asked.claim.stored.unit * centre.ground.asked.coarse
    shares = [np.abs(middle[direction[name] != 0]) / np.abs(direction[name][direction[name] != 0])
              for name, middle in centre.middle.numbers.items()]
    every = np.concatenate([share.reshape(-1) for share in shares]) if shares else np.zeros(0)
    return 128.0 * unit * float(np.median(every)) if every.size else 1.0
