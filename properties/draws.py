"""Several cases of one structure in one pass: their truths, and how far right answers lie apart.

A pass through the reference's own lines costs little more for sixty cases than for one, since its
cost is that of NumPy's calls (`Stacked`). So it is with the samples of the tolerance. They are not
even needed for most: no sample makes the spread s smaller than u|g| and 64 underflow units, which
are the rounding of the answer itself, so an answer that is within 16 times that is right by any
number of samples. Nor are all eight: s is the largest deviation of any sample, and an answer that
is within 16 times the largest of two is right by eight as well. What two samples do not settle is
not settled here, but as any other case is, by itself.

Every array here has the draws on its first axis, in front of its own: (K, ...).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..reference import Answer, Case, Trace, backprop, forward
from ..reference.stacked import Stacked
from .perturbed import Perturbed
from .strategies.mending import allowed_logits, of_logits
from .tolerance import SLACK, TEXTBOOK, deviation, least, resting

FEW = 2    # samples
LOSS = "loss"
Numbers = Mapping[str, Any]


class Draws:
    """Cases of one network, batch and dtype, with the same indices, and what is true of them.

    largest: of the logits, where it is claimed.
    """

    def __init__(self, cases: Sequence[Case], largest: float | None = None):
        self.cases, self.largest = cases, largest

    @property
    def dtype(self) -> str:
        return self.cases[0].dtype

    @cached_property
    def stack(self) -> Case:
        """All of them as one case of stacked arrays, in float64."""
        return side_by_side([case.astype("float64") for case in self.cases])

    @cached_property
    def trace(self) -> Trace:
        return forward(self.stack)

    @cached_property
    def truth(self) -> Numbers:
        """The loss (K,), under "loss", and every gradient (K, ...) by name."""
        return numbers(self.stack, self.trace)

    @cached_property
    def finite(self) -> Any:
        """Whether each case has finite answers in its dtype; a mask (K,)."""
        most = float(np.finfo(self.dtype).max)
        return np.logical_and.reduce([
            flat(np.abs(g) < most).all(axis=1) for g in self.truth.values()])

    @cached_property
    def ready(self) -> Any:
        """Whether each is finite and has logits as large as may be; kinks are not looked at."""
        network = self.stack.network
        most = allowed_logits(network, self.trace, self.dtype, self.largest)
        logits = raw(of_logits(network, self.trace), len(self.cases))
        return self.finite & (flat(np.abs(logits)).max(axis=1) <= most)

    def near(self, answers: Numbers, chosen: Any) -> Any:
        """Which answers to the chosen draws are within the rounding of a right one."""
        truth = {name: g[chosen] for name, g in self.truth.items()}
        s = {name: least(g, self.dtype) for name, g in truth.items()}
        return self._within(answers, truth, s)

    def agreeing(self, answers: Numbers, chosen: Any) -> Any:
        """Which answers to the chosen draws are within the spread of few samples."""
        truth = {name: g[chosen] for name, g in self.truth.items()}
        return self._within(answers, truth, self.spreads(chosen))

    def spreads(self, chosen: Any, samples: int = FEW) -> Numbers:
        """s of the loss and of every gradient of the chosen draws, from so many samples."""
        noise = resting(self.dtype)
        lifted = self.stack.map(lambda a: Perturbed(np.repeat(a.raw[chosen], samples, 0), noise)
                                if isinstance(a, Stacked) else a)
        with np.errstate(all="ignore"):
            runs = numbers(lifted, forward(lifted, TEXTBOOK), TEXTBOOK)
            return {name: deviation(by_sample(runs[name], samples), g[chosen], self.dtype)
                    for name, g in self.truth.items()}

    def _within(self, answers: Numbers, truth: Numbers, s: Numbers) -> Any:
        """Whether every entry is: NaN is near nothing."""
        with np.errstate(all="ignore"):
            return np.logical_and.reduce([
                flat(np.abs(answer - truth[name]) <= SLACK * s[name]).all(axis=1)
                for name, answer in answers.items()])


# --- arrays with the draws in front ---------------------------------------------------------------


def side_by_side(cases: Sequence[Case]) -> Case:
    """One case of stacked arrays; indices are those of the first, which are everyone's."""
    def stacked(arrays: Sequence[Any]) -> Any:
        return Stacked(np.stack(arrays)) if arrays[0].dtype.kind == "f" else arrays[0]

    first = cases[0]
    return Case(
        first.network,
        {name: stacked([case.parameters[name] for case in cases]) for name in first.parameters},
        stacked([case.inputs for case in cases]), stacked([case.targets for case in cases]),
        first.dtype,
        {name: stacked([case.constants[name] for case in cases]) for name in first.constants})


def numbers(stack: Case, trace: Trace, *tables: Any) -> Numbers:
    """The loss and the gradients of a stack of cases, as plain arrays."""
    count = next(len(a.raw) for a in (*stack.parameters.values(), stack.inputs, stack.targets)
                 if isinstance(a, Stacked))
    answer = Answer(backprop.loss(stack, trace, *tables), backprop.backward(stack, trace, *tables))
    return {LOSS: raw(answer.loss, count),
            **{name: raw(g, count) for name, g in answer.gradients.items()}}


def raw(array: Any, count: int) -> Any:
    """The plain array (K, ...); what is the same for all draws may be no stack."""
    if isinstance(array, Stacked):
        return array.raw
    return np.broadcast_to(array, (count, *np.shape(array)))


def flat(array: Any) -> Any:
    """(K, entries)."""
    return array.reshape(len(array), -1)


def by_sample(runs: Any, samples: int) -> Any:
    """(K * samples, ...) as (samples, K, ...)."""
    return runs.reshape(-1, samples, *runs.shape[1:]).swapaxes(0, 1)


def stacked_answers(answers: Sequence[Answer]) -> Numbers:
    """Loss and gradients of several answers with like names, in float64."""
    first = answers[0]
    return {LOSS: np.array([float(answer.loss) for answer in answers]),
            **{name: np.stack([answer.gradients[name] for answer in answers]).astype(float)
               for name in first.gradients}}
