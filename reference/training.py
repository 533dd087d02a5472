"""How is the bias updated? Exactly as a weight is, once its gradient is the sum over the rows.

A rule names the rows it uses and gives each its number, or its numbers by name:

    {"decay": 1e-4, "rate": 0.1, "momentum": 0.9}
    {"adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}, "decoupled_decay": 0.01, "rate": 1e-3}

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
from typing import Any, NamedTuple

import numpy as np

from .backprop import evaluate
from .case import Case, Engine
from .checks import DescriptionError, mapping, number, one_of, refuse_unknown

Arrays = Mapping[str, Any]
Rule = Mapping[str, Any]
Options = Mapping[str, Any]
OF = ("weights", "all")


class Kept(NamedTuple):
    """What a row keeps from one update to the next: how many there were, and arrays by parameter.

    At the start it is `Kept()`; a row that needs arrays begins with zeros.
    """

    updates: int = 0
    arrays: Mapping[str, tuple[Any, ...]] = {}


Memory = Mapping[str, Kept]
Line = Callable[[Arrays, Arrays, Kept, Options], tuple[Arrays, Kept]]


class Row(NamedTuple):
    """One row of the table of updates.

    line(d, p, kept, options) takes the gradients on their way to be the step, the parameters and
    what it kept, all by the parameter's name, and returns the first and the last anew. `options`
    are the numbers it has, with what they are where a rule leaves them out; None must be given. A
    number in place of options is the first of them.
    """

    line: Line
    options: Mapping[str, Any]

    def numbers(self, name: str, given: Any) -> Options:
        """The options that a rule gives to the row of this name; DescriptionError otherwise."""
        if not isinstance(given, Mapping):
            given = {next(iter(self.options)): given}
        refuse_unknown(f"update rule: {name}", mapping("update rule", given), tuple(self.options))
        whole = {**self.options, **given}
        return {key: one_of(f"update rule: {name}: {key}", value, OF) if key == "of"
                else number(f"update rule: {name}: {key}", value) for key, value in whole.items()}


def is_bias(name: str) -> bool:
    """Is the parameter of this name a bias?"""
    return name.endswith(".bias")


def is_weight(name: str) -> bool:
    """Is the parameter of this name anything else?"""
    return not is_bias(name)


# --- rows -----------------------------------------------------------------------------------------


def plain(formula: Callable[[Any, Any, Options], Any],
          chosen: Callable[[str], bool] = lambda name: True) -> Line:
    """Each array by itself: formula(d, p, options), of the chosen parameters."""
    def line(d: Arrays, p: Arrays, kept: Kept, o: Options) -> tuple[Arrays, Kept]:
        return {name: formula(d[name], p[name], o)
                if chosen(name) and (o.get("of") != "weights" or is_weight(name)) else d[name]
                for name in d}, kept

    return line


def keeping(count: int, formula: Callable[..., tuple[Any, ...]]) -> Line:
    """Each array by itself, with so many arrays kept.

    It is formula(d, t, options, *arrays) -> (d, *arrays); t counts the updates, 1 for the first.
    """
    def line(d: Arrays, p: Arrays, kept: Kept, o: Options) -> tuple[Arrays, Kept]:
        t = kept.updates + 1
        found = {name: formula(g, t, o, *kept.arrays.get(name, (np.zeros_like(g),) * count))
                 for name, g in d.items()}
        return ({name: each[0] for name, each in found.items()},
                Kept(t, {name: each[1:] for name, each in found.items()}))

    return line


def clip_norm(d: Arrays, p: Arrays, kept: Kept, o: Options) -> tuple[Arrays, Kept]:
    """Scale all gradients together, so that the norm over all of them is at most the limit.

    The direction is kept. Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural
    networks (2013), algorithm 1.

    Backpropagation through time multiplies an error by one Jacobian for each step that it goes
    back, so over many steps it grows or dies like a power, and now and then one gradient is as
    large as thousands of others. Clipping is the answer to that, and it is a rule for the step: it
    is applied to the whole gradient, once the sum over all steps of the sequence is complete.
    Errors that are clipped on their way back in time, or cut off after some steps, give the
    gradient of no loss.
    """
    limit, norm = o["limit"], math.sqrt(sum(float((g * g).sum()) for g in d.values()))
    return {name: g * (limit / norm) for name, g in d.items()} if norm > limit else d, kept


def heavy_ball(d: Any, t: int, o: Options, v: Any) -> tuple[Any, ...]:
    """v = momentum v - rate g and p = p + v. Polyak (1964), equation 9."""
    v = o["momentum"] * v + d
    return v, v


def nesterov(d: Any, t: int, o: Options, v: Any) -> tuple[Any, ...]:
    """v = momentum v - rate g and p = p + momentum v - rate g.

    Nesterov (1983) with the parameters where the gradient is taken: Bengio, Boulanger-Lewandowski,
    Pascanu, Advances in optimizing recurrent networks (2013), equation 7; PyTorch's `nesterov`.
    """
    v = o["momentum"] * v + d
    return o["momentum"] * v + d, v


def rmsprop(g: Any, t: int, o: Options, s: Any) -> tuple[Any, ...]:
    """s = rho s + (1 - rho) g² and d = g / (sqrt(s) + epsilon). Tieleman & Hinton (2012)."""
    s = o["rho"] * s + (1.0 - o["rho"]) * g * g
    return g / (np.sqrt(s) + o["epsilon"]), s


def adam(g: Any, t: int, o: Options, m: Any, s: Any) -> tuple[Any, ...]:
    """The mean of g over the root of the mean of g², both corrected for their start at zero.

    Kingma & Ba, Adam (2015), algorithm 1.
    """
    m = o["beta1"] * m + (1.0 - o["beta1"]) * g
    s = o["beta2"] * s + (1.0 - o["beta2"]) * g * g
    mean, square = m / (1.0 - o["beta1"]**t), s / (1.0 - o["beta2"]**t)
    return mean / (np.sqrt(square) + o["epsilon"]), m, s


ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
UPDATES: dict[str, Row] = {
    # d: the gradients on their way to be the step; p: the parameters.
    # Each entry by itself, which may change the direction; also of the finished gradient, and not
    # of the errors on their way back. Graves, Generating sequences with recurrent neural networks
    # (2013), section 2.1, clips the errors instead.
    "clip_value": Row(plain(lambda d, p, o: np.clip(d, -o["limit"], o["limit"])), {"limit": None}),
    "clip_norm": Row(clip_norm, {"limit": None}),
    # The gradient of decay / 2 ΣW²; biases are exempt. Goodfellow, Bengio, Courville (2016),
    # section 7.1.1.
    "decay": Row(plain(lambda d, p, o: d + o["decay"] * p), {"decay": None, "of": "weights"}),
    "rmsprop": Row(keeping(1, rmsprop), {"rho": 0.9, "epsilon": 1e-8}),
    "adam": Row(keeping(2, adam), ADAM),
    # Decay that goes past Adam. Loshchilov & Hutter, Decoupled weight decay regularization (2019).
    "decoupled_decay": Row(plain(lambda d, p, o: d + o["decay"] * p),
                           {"decay": None, "of": "weights"}),
    # The rate of the biases in multiples of `rate` (Caffe's lr_mult): 0 keeps them as they are.
    "bias_rate": Row(plain(lambda d, p, o: o["factor"] * d, is_bias), {"factor": None}),
    # Steepest descent. Robbins & Monro (1951) for single examples.
    "rate": Row(plain(lambda d, p, o: -o["rate"] * d), {"rate": None}),
    "momentum": Row(keeping(1, heavy_ball), {"momentum": None}),
    "nesterov": Row(keeping(1, nesterov), {"momentum": None}),
}


# --- updates --------------------------------------------------------------------------------------


def check_rule(rule: Rule, rows: Mapping[str, Row] = UPDATES) -> None:
    """DescriptionError for a row that is unknown, a number that is none, a rule without a rate."""
    refuse_unknown("update rule", rule, tuple(rows))
    for name, given in rule.items():
        rows[name].numbers(name, given)
    if "rate" not in rule:
        raise DescriptionError(f"update rule {dict(rule)}: rate is missing, wanted a number")


def update(rule: Rule, parameters: Arrays, gradients: Arrays, memory: Memory | None = None,
           rows: Mapping[str, Row] = UPDATES) -> tuple[Arrays, Memory]:
    """One update: the new parameters, and the memory that the next update takes.

    Raises DescriptionError where `check_rule` does.
    """
    check_rule(rule, rows)
    step: Arrays = {name: gradients[name] for name in parameters}
    kept: dict[str, Kept] = {}
    for name, row in rows.items():
        if name in rule:
            options = row.numbers(name, rule[name])
            step, kept[name] = row.line(step, parameters, (memory or {}).get(name, Kept()), options)
    return {name: p + step[name] for name, p in parameters.items()}, kept


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
    rule: Rule,
    iterations: int,
    *,
    batch_size: int | None = None,
    generator: np.random.Generator | None = None,
    engine: Engine | None = None,
    rows: Mapping[str, Row] = UPDATES,
) -> tuple[Case, list[float]]:
    """Train by so many updates; return the trained case and the losses.

    The losses are those of each update's batch before the update. The case's inputs and targets
    are the examples, `batch_size` of them a batch (None: all). With a reduction of "sum" the step
    grows with the batch, with "mean_over_batch" it does not.
    """
    losses, memory = [], None
    for batch in islice(batches(case.batch, batch_size, generator), iterations):
        batch_case = replace(case, inputs=case.inputs[batch], targets=case.targets[batch])
        answer = (engine or evaluate)(batch_case)
        losses.append(float(answer.loss))
        parameters, memory = update(rule, case.parameters, answer.gradients, memory, rows)
        case = replace(case, parameters=parameters)
    return case, losses
