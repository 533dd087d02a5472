"""The right formulas with too few digits."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..oracles.flat import flatten, stacked, unflatten
from ..reference import Answer, Case, Engine, Pass, Tables, evaluate
from ..reference.activations import elementwise
from ..reference.backprop import forward, unwarned
from ..reference.backprop import loss as loss_of
from ..reference.wiring import wired
from .core import Fault, Faults, Make, Way, at_sites, at_the_end, with_entry
from .propagation import DW

STEP = 1e-6


# --- a narrower number type ------------------------------------------------------------------------


def narrow(dtype: str) -> Make:
    """Everything computed in another dtype, and handed out in the case's."""
    def make(tables: Tables) -> Engine:
        @unwarned
        def engine(case: Case) -> Answer:
            answer = evaluate(case.astype(dtype), tables)
            back = partial(through, dtype=dtype, back=case.dtype)
            gradients = {name: back(g) for name, g in answer.gradients.items()}
            return Answer(back(answer.loss), gradients)

        return engine

    return make


def through(value: Any, dtype: str, back: str) -> Any:
    """The value rounded to a dtype."""
    return np.asarray(value).astype(dtype).astype(back)


# --- differences -----------------------------------------------------------------------------------


def forward_differences(tables: Tables) -> Engine:
    """(L(p + h) - L(p)) / h for every parameter and input."""
    def engine(case: Case) -> Answer:
        theta = flatten(case).astype(case.dtype)
        many = stacked(case, theta + np.eye(theta.size + 1, theta.size, -1, case.dtype) * STEP)
        losses = loss_of(many, forward(many, tables), tables).raw
        slopes = (losses[1:] - losses[0]) / np.asarray(STEP, case.dtype)
        return Answer(loss_of(case, forward(case, tables), tables), unflatten(case, slopes.astype(case.dtype)))

    return engine


# --- a fast tanh ------------------------------------------------------------------------------------------------


def fast_tanh(x: Any) -> Any:
    """Lambert's continued fraction, cut after seven terms; off by 1e-4 at most, at |x| = 5."""
    s = x * x
    y = x * (135135.0 + s * (17325.0 + s * (378.0 + s))) / (135135.0 + s * (62370.0 + s * (3150.0 + s * 28.0)))
    return np.clip(y, -1.0, 1.0)


# --- the table -------------------------------------------------------------------------------------


def rounded_inputs(s: Pass, dW: Any, way: Way) -> Any:
    """dW of the sites that read the inputs, from inputs of three decimals."""
    reads = {place.layer for place in way.places if place.reads_inputs}
    return np.round(s.x, 3).T @ s.delta if s.layer in reads else dW


def one_entry(case: Case, g: dict[str, Any]) -> dict[str, Any]:
    """dW of the first site with a larger first entry."""
    name = wired(case.network).places[0].weight
    wrong = np.array(g[name])
    wrong[0, 0] *= 1.0 + 1e-6
    return {name: wrong}


FAST = elementwise(fast_tanh, lambda x, y: 1.0 - y * y)


def row(symptom: str, wrong: str, right: str, seen: str, make: Make) -> Fault:
    """A row of this family."""
    return Fault("precision", symptom, wrong, right, seen, make)


FAULTS: Faults = {
    "float32-inside": row(
        "right to seven digits where sixteen were asked for: training does not notice, a tolerance of 1e-5 neither",
        "W = W.astype(np.float32)", "W stays float64", "torch, JAX and array libraries whose default is float32",
        narrow("float32")),
    "float16-inside": row(
        "right to three digits; large numbers come out as infinity or NaN, small ones as zero",
        "W = W.astype(np.float16)", "W keeps its dtype", "mixed precision without accumulation in float32",
        narrow("float16")),
    "one-entry-off": row(
        "a single weight's gradient is off by a millionth",
        "dW[0, 0] *= 1 + 1e-6", "dW = x.T @ delta", "planted: what every fixed tolerance lets through",
        at_the_end(one_entry)),
    "gradient-by-differences": row(
        "every gradient is right to five or ten digits and noise beyond: differences, not backpropagation",
        "dW = (loss(W + 1e-6) - loss(W)) / 1e-6", "dW = x.T @ delta", "gradient checks that stayed in the program",
        forward_differences),
    "fast-tanh": row(
        "loss and gradients are right to four digits wherever a tanh is not small: the tanh is an approximation",
        "y = x * (135135 + ...) / (135135 + ...)", "y = np.tanh(x)", "Lambert's continued fraction in audio code",
        with_entry("activations", "tanh", lambda right: FAST)),
    "truncated-inputs": row(
        "only the first layer's weights are wrong, by less than a thousandth: the inputs were rounded on the way",
        "dW = x.round(3).T @ delta", DW, "batches kept as text with three decimals", at_sites(dW=rounded_inputs)),
}
