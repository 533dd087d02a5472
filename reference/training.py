"""How is the bias updated? Exactly as a weight is, once its gradient is the sum over the rows.

A rule names the rows it uses and gives each its number:

    {"decay": 1e-4, "rate": 0.1, "momentum": 0.9}

The gradients go through those rows in the order of the table, and what comes out, the step, is
added to the parameters. How many examples stand behind one gradient is the batch size: 1 is
per-example (stochastic) descent, all of them full-batch descent, anything between mini-batch
descent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from .backprop import evaluate
from .case import Case, Engine
from .checks import DescriptionError, refuse_unknown

Arrays = Mapping[str, Any]
Update = Callable[[Arrays, Arrays, Arrays, float], Arrays]


def is_bias(name: str) -> bool:
    """Is the parameter of this name a bias?"""
    return name.endswith(".bias")


def is_weight(name: str) -> bool:
    """Is the parameter of this name anything else?"""
    return not is_bias(name)


def each(formula: Callable[[Any, Any, Any, float], Any],
         chosen: Callable[[str], bool] = lambda name: True) -> Update:
    """A row that changes the chosen parameters one by one.

    It is formula(d, p, v, number), where d, p and v are arrays of one shape: the gradient on its
    way to be the step, the parameter and the last step.
    """

    def row(d: Arrays, p: Arrays, v: Arrays, number: float) -> Arrays:
        return {name: formula(d[name], p[name], v[name], number) if chosen(name) else d[name]
                for name in d}

    return row


def clip_norm(d: Arrays, p: Arrays, v: Arrays, limit: float) -> Arrays:
    """Scale all gradients together, so that the norm over all of them is at most `limit`.

    The direction is kept. Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural
    networks (2013), algorithm 1.

    Backpropagation through time multiplies an error by one Jacobian for each step that it goes
    back, so over many steps it grows or dies like a power, and now and then one gradient is as
    large as thousands of others. Clipping is the answer to that, and it is a rule for the step: it
    is applied to the whole gradient, once the sum over all steps of the sequence is complete.
    Errors that are clipped on their way back in time, or cut off after some steps, give the
    gradient of no loss.
    """
    norm = math.sqrt(sum(float((g * g).sum()) for g in d.values()))
    return {name: g * (limit / norm) for name, g in d.items()} if norm > limit else d


UPDATES: dict[str, Update] = {
    # d: the gradients on their way to be the step; p: the parameters; v: the last step, zero at
    # the start.
    # Each entry by itself, which may change the direction; also of the finished gradient, and not
    # of the errors on their way back. Graves, Generating sequences with recurrent neural networks
    # (2013), section 2.1, clips the errors instead.
    "clip_value": each(lambda d, p, v, limit: np.clip(d, -limit, limit)),
    "clip_norm": clip_norm,
    # The gradient of decay / 2 ΣW²; biases are exempt. Goodfellow, Bengio, Courville (2016),
    # section 7.1.1.
    "decay": each(lambda d, p, v, decay: d + decay * p, is_weight),
    # The rate of the biases in multiples of `rate` (Caffe's lr_mult): 0 keeps them as they are.
    "bias_rate": each(lambda d, p, v, factor: factor * d, is_bias),
    # Steepest descent. Robbins & Monro (1951) for single examples.
    "rate": each(lambda d, p, v, rate: -rate * d),
    # The heavy ball, v = momentum v - rate g and p = p + v. Polyak (1964), equation 9.
    "momentum": each(lambda d, p, v, momentum: d + momentum * v),
}


def update(
    rule: Mapping[str, float],
    parameters: Arrays,
    gradients: Arrays,
    last: Arrays | None = None,
    rows: Mapping[str, Update] = UPDATES,
) -> tuple[Arrays, Arrays]:
    """One update: the new parameters, and the step that led to them.

    The next update takes that step as `last`. Raises DescriptionError for a row that is unknown
    and for a rule without a rate.
    """
    refuse_unknown("update rule", rule, tuple(rows))
    if "rate" not in rule:
        raise DescriptionError(f"update rule {dict(rule)}: rate is missing, wanted a number")
    step: Arrays = {name: gradients[name] for name in parameters}
    last = last or {name: np.zeros_like(p) for name, p in parameters.items()}
    for name, row in rows.items():
        if name in rule:
            step = row(step, parameters, last, rule[name])
    return {name: p + step[name] for name, p in parameters.items()}, step


def batches(count: int, size: int | None = None,
            generator: np.random.Generator | None = None) -> Iterator[Any]:
    """The example numbers of one batch after another, without end.

    They come in order, or shuffled anew for every pass where there is a generator.
    """
    size = count if size is None else size
    while True:
        order = np.arange(count) if generator is None else generator.permutation(count)
        yield from (order[i : i + size] for i in range(0, count, size))


def train(
    case: Case,
    rule: Mapping[str, float],
    iterations: int,
    *,
    batch_size: int | None = None,
    generator: np.random.Generator | None = None,
    engine: Engine | None = None,
    rows: Mapping[str, Update] = UPDATES,
) -> tuple[Case, list[float]]:
    """Train by so many updates; return the trained case and the losses.

    The losses are those of each update's batch before the update. The case's inputs and targets
    are the examples, `batch_size` of them a batch (None: all). With a reduction of "sum" the step
    grows with the batch, with "mean_over_batch" it does not.
    """
    losses, last = [], None
    for batch in islice(batches(case.batch, batch_size, generator), iterations):
        batch_case = replace(case, inputs=case.inputs[batch], targets=case.targets[batch])
        answer = (engine or evaluate)(batch_case)
        losses.append(float(answer.loss))
        parameters, last = update(rule, case.parameters, answer.gradients, last, rows)
        case = replace(case, parameters=parameters)
    return case, losses
