"""Training steps: what the gradient is that a step was made with, and whether steps keep a rule.

A step is new = old + U(g), U the update rule and g the gradient. From rest, most rules multiply: a
step of descent is -rate g, with momentum too, since there is no velocity yet. There the gradient
is read off, and judged as any other. Adam and RMSProp divide by the gradient's own size, and a
clip that is active hides it: no gradient can be read off such a step.

Whether several steps keep a rule is asked of every rule. Each step is held to the rule at the
parameters that the program itself had before it, with the true gradients there, so that errors do
not build up. What the true gradients and the parameters are rounded by is carried through the rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..reference import Case, Engine
from ..reference.training import UPDATES, Memory, Row, Rule, is_bias, update
from .agreement import Disagreement, differing
from .measured import Measured
from .perturbed import UNIT
from .tolerance import SLACK, spread

Arrays = Mapping[str, Any]
STEPS = 4
SAMPLES = 8
ROUNDINGS = 64.0  # of the largest step: rules are some ten operations
NEAR = 1e-6       # of a limit: what is as near has been clipped
DECAYS = ("decay", "decoupled_decay")


# --- the gradient of one step ---------------------------------------------------------------------


class Reading(NamedTuple):
    """How the first step of a rule gives the gradient away.

    `factors`: by whether it is a bias, what the gradient is multiplied by; None where it is not
    read off, 0 where it is not in the step. `decay`: what is added to the gradient, a multiple of
    the parameter: of "weights" or of "all". `limits`: of a clip, by its name.
    """

    factors: Mapping[bool, float | None]
    decay: float
    of: str
    limits: Mapping[str, float]

    @property
    def rate(self) -> float | None:
        """The smallest number that differences are divided by; None where no gradient is read."""
        used = [factor for factor in self.factors.values() if factor]
        return min(used, default=None)

    def gradients(self, old: Arrays, new: Arrays) -> dict[str, Any]:
        """By name, in float64, the gradients that a step from old to new was made with.

        With the decay in them. Those that cannot be read off are left out.
        """
        found = {name: (_wide(old[name]) - _wide(new[name])) / factor for name in old
                 if (factor := self.factors[is_bias(name)])}
        return {} if self._clipped(old, found) else found

    def _clipped(self, old: Arrays, found: Arrays) -> bool:
        """Whether a clip was active, or nearly: then the gradient is not to be seen."""
        def bare(name: str) -> Any:
            decays = self.of == "all" or not is_bias(name)
            return found[name] - self.decay * decays * _wide(old[name])

        sizes = {name: bare(name) for name in found} if self.limits else {}
        lost = {name: SLACK * UNIT[str(old[name].dtype)] * np.abs(_wide(old[name])) / self.rate
                for name in sizes} if self.rate else {}
        return any(SIZES[name](sizes) + SIZES[name](lost) >= limit * (1.0 - NEAR)
                   for name, limit in self.limits.items())


# By clip, what it holds to its limit.
SIZES: Mapping[str, Callable[[Arrays], float]] = {
    "clip_value": lambda d: max((float(np.abs(g).max(initial=0.0)) for g in d.values()),
                                default=0.0),
    "clip_norm": lambda d: math.sqrt(sum(float((g * g).sum()) for g in d.values())),
}


def _wide(array: Any) -> Any:
    return np.asarray(array, dtype=np.float64)


def reading(rule: Rule) -> Reading:
    """How the first step by this rule, from rest, gives the gradient away.

    It is found by trying the rule, without its clips and decays, on two gradients.
    """
    bare = {name: value for name, value in rule.items()
            if name not in (*DECAYS, "clip_value", "clip_norm")}
    adaptive = len(bare) < len(rule) and _first(bare, False) is None
    decays = {name: UPDATES[name].numbers(name, rule[name]) for name in DECAYS if name in rule}
    of = next((str(o["of"]) for o in decays.values()), "weights")
    return Reading({bias: _first(bare, bias) for bias in (False, True)},
                   0.0 if adaptive else sum(float(o["decay"]) for o in decays.values()), of,
                   {name: UPDATES[name].numbers(name, rule[name])["limit"]
                    for name in ("clip_value", "clip_norm") if name in rule})


def _first(rule: Rule, bias: bool) -> float | None:
    """-step / g for the first step, where that is one number for every g."""
    name = "0.bias" if bias else "0.weight"
    steps = [-float(update(rule, {name: np.zeros(())}, {name: np.asarray(g)})[0][name]) / g
             for g in (1.0, 3.0)]
    return steps[0] if math.isclose(*steps, rel_tol=1e-9, abs_tol=0.0) else None


# --- several steps --------------------------------------------------------------------------------


class Change(NamedTuple):
    """Another rule and other rows: a wrong update, or the right one where nothing is changed."""

    rule: Rule
    rows: Mapping[str, Row] = UPDATES


class Compared(NamedTuple):
    """One parameter after a step, from 1 on: where it is, where the rule leads, what is allowed.

    `size`: the largest entry of the step that the rule makes.
    """

    step: int
    name: str
    got: Any
    wanted: Any
    allowed: Any
    size: float

    @property
    def found(self) -> Disagreement | None:
        """The worst entry, where the rule does not lead there."""
        return differing(self.name, Measured(self.got, self.allowed), self.wanted)

    @property
    def sharpness(self) -> list[tuple[float, float]]:
        """Tolerance and error over the size of the step; nothing where it makes none."""
        error = float(np.abs(self.got - self.wanted).max())
        return [(float(self.allowed.max()) / self.size, error / self.size)] if self.size > 0 else []


class Trail:
    """Several training steps of one program on one network.

    `cases`: before each step the parameters that the program had, with the batch of that step.
    `last`: the parameters after the last one. Looked at up to a case that is on a kink or not
    finite, where right programs differ.
    """

    def __init__(self, cases: Sequence[Case], last: Arrays):
        valid = next((i for i, case in enumerate(cases) if not _valid(case)), len(cases))
        self.cases = list(cases[:valid])
        self.after = [*(case.parameters for case in cases), last][1:valid + 1]

    def under(self, reduction: str, scale: float) -> Trail:
        """The same steps, were they made for the loss with another reduction and scale."""
        cases = [under(case, reduction, scale) for case in self.cases]
        return Trail(cases, self.after[-1] if self.after else {})

    def made_with(self, engine: Engine) -> Trail:
        """The same steps, with this engine's gradients in place of the true ones."""
        other = Trail(self.cases, self.after[-1] if self.after else {})
        other.gradients = [engine(case.astype("float64")).gradients for case in self.cases]
        return other

    @cached_property
    def gradients(self) -> list[Arrays]:
        """The true gradients before each step."""
        return [spread(case).truth.gradients for case in self.cases]

    @cached_property
    def slack(self) -> list[dict[str, Any]]:
        """How far the gradients of right programs may be from them."""
        return [{name: SLACK * spread(case).gradients[name] for name in case.parameters}
                for case in self.cases]

    def led(self, change: Change, gradients: Sequence[Arrays] | None = None) -> list[Arrays]:
        """Where each step leads by the rule, from the parameters that the program had."""
        memory: Memory | None = None
        found: list[Arrays] = []
        for case, g in zip(self.cases, gradients or self.gradients, strict=True):
            old = {name: _wide(p) for name, p in case.parameters.items()}
            new, memory = update(change.rule, old, g, memory, change.rows)
            found.append(new)
        return found

    def allowed(self, change: Change, led: Sequence[Arrays]) -> list[dict[str, Any]]:
        """How far from there right programs may come.

        What the errors of gradients make of the rule, all of them upwards, downwards and at random,
        and the roundings of parameters and steps.
        """
        rng = np.random.default_rng(0)
        found = [self._rounded(case, new) for case, new in zip(self.cases, led, strict=True)]
        for sample in range(SAMPLES):
            moved = self.led(change, [self._moved(i, sample, rng) for i in range(len(self.cases))])
            for allowed, new, other in zip(found, led, moved, strict=True):
                for name in allowed:
                    allowed[name] = np.maximum(allowed[name], np.abs(new[name] - other[name]))
        return [{name: 2.0 * a for name, a in allowed.items()} for allowed in found]

    def _rounded(self, case: Case, new: Arrays) -> dict[str, Any]:
        unit = UNIT[case.dtype]
        sums = SLACK * math.sqrt(case.batch)
        return {name: unit * (sums * np.maximum(np.abs(_wide(p)), np.abs(new[name]))
                              + ROUNDINGS * self._largest[name])
                for name, p in case.parameters.items()}

    @cached_property
    def _largest(self) -> dict[str, float]:
        """By parameter, the largest step that the program made."""
        return {name: max(float(np.abs(_wide(after[name]) - _wide(case.parameters[name]))
                                .max(initial=0.0))
                          for case, after in zip(self.cases, self.after, strict=True))
                for name in (self.cases[0].parameters if self.cases else ())}

    def _moved(self, i: int, sample: int, rng: Any) -> Arrays:
        """The gradients before step i, off by all that they may be."""
        def sign(array: Any) -> Any:
            return (1.0, -1.0)[sample] if sample < 2 else rng.choice([-1.0, 1.0], np.shape(array))

        return {name: g + sign(g) * self.slack[i][name] for name, g in self.gradients[i].items()
                if name in self.slack[i]}

    def compared(self, change: Change) -> Iterator[Compared]:
        """Every parameter after every step, beside where the rule leads."""
        led = self.led(change)
        for i, (new, allowed) in enumerate(zip(led, self.allowed(change, led), strict=True)):
            for name in new:
                old, after = (_wide(each[name]) for each in (self.cases[i].parameters,
                                                             self.after[i]))
                yield Compared(i + 1, name, after, new[name], allowed[name],
                               float(np.abs(new[name] - old).max()))

    def broken(self, change: Change) -> Iterator[tuple[int, Disagreement]]:
        """The step, from 1 on, and the worst entry, wherever the rule does not lead there."""
        yield from ((each.step, each.found) for each in self.compared(change) if each.found)


def under(case: Case, reduction: str, scale: float) -> Case:
    """The case with another reduction and scale of its loss."""
    loss = replace(case.network.loss, reduction=reduction, scale=scale)
    return replace(case, network=replace(case.network, loss=loss))


def _valid(case: Case) -> bool:
    """Whether right programs agree on the case: it is on no kink, and has not run away.

    Numbers above the fourth root of the largest may overflow on the way in one program and not in
    another, which multiplies in another order.
    """
    largest = float(np.finfo(case.dtype).max) ** 0.25
    if not all((np.abs(p) < largest).all() for p in case.parameters.values()):
        return False
    s = spread(case)
    return s.finite and not s.unclear and all(
        (np.abs(g) < largest).all() for g in s.truth.gradients.values())


def batches(case: Case) -> list[tuple[Any, Any]]:
    """Inputs and targets for some steps: those of the case, and others of the same shapes."""
    by = [1.0, -0.5, 1.0, 0.5] if case.network.real else [1.0] * STEPS
    return [(case.inputs if each == 1.0 else case.inputs * case.inputs.dtype.type(each),
             case.targets) for each in by]
