"""Derivatives of a large case's loss along directions of one array, at three or four forwards each.

Calls the reference's *forward*, never its backward. A direction moves one array only, so a forward
begins at the layer that reads it, with what the layers before have given, and one copy of one array
is all that is made. By Taylor's theorem (L(θ + h d) - L(θ - h d)) / 2h is <g, d> + O(h²) where g is
the gradient, and so is (L(θ + q d) - L(θ)) / q - b q / 2 with q = h/4 and the second difference b.
The two give the derivative by Richardson's extrapolation, and how far they lie apart is how far it
may be off.

The step is such that no unit moves further than 1/256; where there are kinks, only half of the way
to the nearest one. Where a unit crosses one all the same the estimate is infinitely uncertain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..reference import TABLES, Case, Trace, backprop
from ..reference.kinds import Kink, Scope, Step
from ..reference.network import LayerSpec
from .flat import Estimate, pieces

PACE = 2.0**-24
LARGEST = 2.0**-8


class Along:
    """The loss of one case along directions; `noise` is how far a loss may be off."""

    def __init__(self, case: Case, noise: float):
        self.case, self.noise = case.astype("float64"), noise
        self.entering: list[Any] = []
        self.steps: list[Step] = []
        x = self.case.inputs
        with np.errstate(all="ignore"):
            for i in range(len(self.case.network.layers)):
                self.entering.append(x)
                x, step = _layer(self.case, i, x)
                self.steps.append(step)
        scale = backprop.scale_of(self.case, x.shape)
        self.here = Trace(x, self.steps, scale)
        self.loss = float(backprop.loss(self.case, self.here))
        self.speeds: dict[str, float] = {}

    def first(self, name: str) -> int:
        """The first layer that reads the array; 0 for the inputs, and where layers share."""
        owner = name.partition(".")[0]
        shared = any(spec.share is not None for _, spec in self.case.network.walk())
        return int(owner) if owner.isdigit() and not shared else 0

    def _moved(self, name: str, array: Any) -> tuple[float, Trace]:
        """The loss with another array in that place, and the forward from there on."""
        case = (self.case.but(inputs=array) if name == "inputs"
                else self.case.but(parameters={name: array}))
        start = self.first(name)
        x = array if name == "inputs" else self.entering[start]
        steps = []
        with np.errstate(all="ignore"):
            for i in range(start, len(case.network.layers)):
                x, step = _layer(case, i, x)
                steps.append(step)
            trace = Trace(x, steps, self.here.scale)
            return float(backprop.loss(case, trace)), trace

    def derivative(self, name: str, direction: Any) -> Estimate:
        """dL/dt of the loss at θ + t d, d moving one array, and how far it may be off."""
        array = pieces(self.case)[name]
        behind = Trace(self.here.outputs, self.steps[self.first(name):], self.here.scale)
        moved = np.empty(np.shape(array))

        def at(t: float) -> tuple[float, Trace]:
            np.multiply(direction, t, out=moved)
            np.add(moved, array, out=moved)
            return self._moved(name, moved)

        h = self._step(name, behind, at)
        ahead, back, near = ((loss, _same_side(self.case, behind, trace))
                             for loss, trace in map(at, (h, -h, h / 4.0)))
        coarse = (ahead[0] - back[0]) / (2.0 * h)
        bend = (ahead[0] + back[0] - 2.0 * self.loss) / h**2
        fine = (near[0] - self.loss) / (h / 4.0) - bend * h / 8.0
        value = (16.0 * fine - coarse) / 15.0
        error = abs(value - fine) + 2.0 * self.noise / (h / 4.0)
        scale = self.case.network.loss.gradient_scale
        known = ahead[1] and back[1] and near[1] and np.isfinite(value)
        return Estimate(value * scale, error * abs(scale) if known else np.inf)

    def _step(self, name: str, here: Trace, at: Callable[[float], tuple[float, Trace]]) -> float:
        """The largest step on which no unit moves far, or comes near a kink.

        Where there is no kink, the second direction of an array takes half the first one's step.
        """
        if name in self.speeds and not _kinks(self.case, here):
            return 0.5 * LARGEST / max(1.0, self.speeds[name])
        there = at(PACE)[1]
        pairs = [(here.outputs, there.outputs),
                 *zip(here.arguments, there.arguments, strict=True)]
        speed = max(float(np.abs(b - a).max(initial=0.0)) for a, b in pairs) / PACE
        self.speeds[name] = speed
        step = LARGEST / max(1.0, speed)
        kinks = zip(_kinks(self.case, here), _kinks(self.case, there), strict=True)
        for kink, then in kinks:
            rate = np.abs(then.argument - kink.argument) / PACE
            for point in kink.points:
                far = np.abs(kink.argument - point)
                step = min(step, 0.5 * float((far / np.maximum(rate, 1e-300)).min(initial=1.0)))
        return step


def _layer(case: Case, i: int, x: Any) -> tuple[Any, Step]:
    """The output of one layer, and its step of the tape."""
    spec: LayerSpec = case.network.layers[i]
    scope = Scope(TABLES, case.values, str(i), spec)
    y, saved = TABLES.layers[spec.kind].forward(scope, x)
    return y, Step(scope, saved)


def _kinks(case: Case, trace: Trace) -> Sequence[Kink]:
    return [*trace.kinks, *backprop.loss_kinks(case, trace.outputs)]


def _same_side(case: Case, here: Trace, there: Trace) -> bool:
    """Whether every unit is on the side of its kinks that it was on."""
    return all(bool(((a.argument > point) == (b.argument > point)).all())
               for a, b in zip(_kinks(case, here), _kinks(case, there), strict=True)
               for point in a.points)


def signs(array: Any, rng: Any) -> Any:
    """A direction of random signs: no entry is left out, but two equal and opposite may cancel."""
    return 2.0 * rng.integers(0, 2, array.shape, dtype=np.int8) - 1.0


def gaussian(array: Any, rng: Any) -> Any:
    """A direction of normal numbers: no two entries cancel, but some hardly count."""
    return rng.standard_normal(array.shape, dtype=np.float32).astype(float)


DIRECTIONS = {"random signs": signs, "normal numbers": gaussian}
