"""The right formulas with too few digits."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...reference import Answer, Case, Engine, Pass, Tables, evaluate
from ...reference.activations import elementwise
from ...reference.backprop import forward, unwarned
from ...reference.backprop import loss as loss_of
from ...reference.kinds import Array
from ...reference.stacked import Stacked
from ..core import Fault, Faults, Make
from ..ways import at_some, with_entry

row = partial(Fault, "precision")


# --- a narrower number type ---------------------------------------------------------------------


def narrow(dtype: str) -> Make:
    """Everything computed in another dtype, and handed out in the case's."""

    def make(tables: Tables) -> Engine:
        def engine(case: Case) -> Answer:
            def out(value: Any) -> Array:
                return np.asarray(value).astype(dtype).astype(case.dtype)

            answer = evaluate(case.astype(dtype), tables)
            return Answer(out(answer.loss), {k: out(g) for k, g in answer.gradients.items()})

        return unwarned(engine)

    return make


# --- differences --------------------------------------------------------------------------------

STEP = 1e-6


def forward_differences(tables: Tables) -> Engine:
    """(L(p + h) - L(p)) / h for every entry of every parameter and of real inputs."""

    def engine(case: Case) -> Answer:
        def slope(name: str, array: Array) -> Array:
            stack = stepped(case, name, array)
            losses = loss_of(stack, forward(stack, tables), tables).raw
            return ((losses[1:] - losses[0]) / np.asarray(STEP, array.dtype)).reshape(array.shape)

        inputs = {"inputs": case.inputs} if case.network.real else {}
        arrays = {**case.parameters, **inputs}
        return Answer(loss_of(case, forward(case, tables), tables),
                      {name: slope(name, array) for name, array in arrays.items()})

    return unwarned(engine)


def stepped(case: Case, name: str, array: Array) -> Case:
    """Cases side by side: the case itself, then one with a step in each entry of one array."""
    steps = np.eye(array.size + 1, array.size, -1, array.dtype) * STEP
    stack = Stacked(array + steps.reshape(-1, *array.shape))
    return case.but(inputs=stack) if name == "inputs" else case.but(parameters={name: stack})


# --- a fast tanh --------------------------------------------------------------------------------


def fast_tanh(x: Array) -> Array:
    """Lambert's continued fraction, cut after seven terms; off by 1e-4 at most, at |x| = 5."""
    s = x * x
    above = 135135.0 + s * (17325.0 + s * (378.0 + s))
    below = 135135.0 + s * (62370.0 + s * (3150.0 + s * 28.0))
    return np.clip(x * above / below, -1.0, 1.0)


FAST_TANH = elementwise(fast_tanh, lambda x, y: 1.0 - y * y)


# --- digits lost in one place -------------------------------------------------------------------


def first_entry_off(s: Pass, dW: Array) -> Array:
    """dW with a first entry larger by a millionth."""
    wrong = np.array(dW)
    wrong[(0,) * wrong.ndim] *= 1.0 + 1e-6
    return wrong


def of_three_decimals(s: Pass, dW: Array) -> Array:
    return np.round(s.x, 3).T @ s.delta


# --- the table ----------------------------------------------------------------------------------

DW = "dW = x.T @ delta"
FAULTS: Faults = {
    "float32-inside": row(
        "seven digits are right where sixteen were asked for: training does not notice, nor does a "
        "tolerance of 1e-5",
        "W = W.astype(np.float32)", "W stays float64",
        "torch, JAX and array libraries whose default is float32",
        narrow("float32")),
    "float16-inside": row(
        "three digits are right, while large numbers come out as infinity or NaN and small ones as "
        "zero",
        "W = W.astype(np.float16)", "W keeps its dtype",
        "mixed precision without accumulation in float32",
        narrow("float16")),
    "one-entry-off": row(
        "the gradient of a single weight is off by a millionth",
        "dW[0, 0] *= 1 + 1e-6", DW, "planted, because every fixed tolerance lets it through",
        at_some(lambda places: places[:1], dW=first_entry_off)),
    "gradient-by-differences": row(
        "every gradient is right to five or ten digits and noise beyond them: it comes from "
        "differences and not from backpropagation",
        "dW = (loss(W + 1e-6) - loss(W)) / 1e-6", DW,
        "gradient checks that stayed in the program",
        forward_differences),
    "fast-tanh": row(
        "the loss and the gradients are right to four digits wherever a tanh is not small: the "
        "tanh is an approximation",
        "y = x * (135135 + ...) / (135135 + ...)", "y = np.tanh(x)",
        "Lambert's continued fraction, as audio code has it",
        with_entry("activations", "tanh", lambda right: FAST_TANH)),
    "truncated-inputs": row(
        "only the weights that multiply the inputs are wrong, by less than a thousandth: the "
        "inputs were rounded on the way",
        "dW = x.round(3).T @ delta", DW, "batches kept as text with three decimals",
        at_some(lambda places: [place for place in places if place.reads_inputs],
                dW=of_three_decimals)),
}
