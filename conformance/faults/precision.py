"""The right formulas with too few digits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..oracles.flat import flatten, pieces, stacked, unflatten
from ..properties.tolerance import SLACK
from ..reference import Answer, Case, Engine, Tables, evaluate
from ..reference.activations import elementwise
from ..reference.backprop import forward
from ..reference.backprop import loss as loss_of
from ..reference.chain import Step
from ..reference.stacked import Stacked
from .core import Fault, Faults, Look, Wrong, at_the_end, own, quiet, with_entry
from .propagation import DW, flat, forward_shows, layer

STEP = 1e-6


# --- a narrower number type -------------------------------------------------------------------------------------


def narrow(dtype: str) -> Wrong:
    """Everything computed in another dtype, and handed out in the case's."""
    def make(tables: Tables) -> Engine:
        def engine(case: Case) -> Answer:
            answer = evaluate(case.astype(dtype), tables)
            there_and_back = partial(through, dtype=dtype, back=case.dtype)
            return Answer(there_and_back(answer.loss), {k: there_and_back(g) for k, g in answer.gradients.items()})
        return engine

    def visible(look: Look) -> bool:
        """The true answer is not in numbers of the dtype, or that of the rounded arguments is another."""
        if np.finfo(dtype).eps <= np.finfo(look.case.dtype).eps:
            return False
        rounding = partial(through, dtype=dtype, back="float64")
        with np.errstate(all="ignore"):
            rounded = evaluate(look.wide.map(lambda a: rounding(a) if a.dtype.kind == "f" else a))
            return differs(look, look.spread.truth, rounding) or differs(look, rounded, np.asarray)

    return quiet(make), visible


def differs(look: Look, answer: Answer, change: Callable[[Any], Any]) -> bool:
    """Whether an answer, its numbers changed, shows."""
    return look.loss_apart(change(answer.loss)) or any(look.apart(k, change(g)) for k, g in answer.gradients.items())


def through(value: Any, dtype: str, back: str) -> Any:
    """The value rounded to a dtype."""
    return np.asarray(value).astype(dtype).astype(back)


# --- differences ------------------------------------------------------------------------------------------------


def forward_differences(tables: Tables) -> Engine:
    """(L(p + h) - L(p)) / h for every parameter and input."""
    def engine(case: Case) -> Answer:
        theta = flatten(case).astype(case.dtype)
        many = stacked(case, theta + np.eye(theta.size + 1, theta.size, -1, case.dtype) * STEP)
        losses = loss_of(many, forward(many, tables), tables).raw
        slopes = (losses[1:] - losses[0]) / np.asarray(STEP, case.dtype)
        return Answer(loss_of(case, forward(case, tables), tables), unflatten(case, slopes.astype(case.dtype)))

    return engine


def differences_show(look: Look) -> bool:
    """Whether the rounding of the loss, over h, drowns a gradient's last digits; or the gradient changes within h."""
    h = float(np.asarray(STEP, look.case.dtype))
    truth, s = look.spread.truth.gradients, look.spread.gradients
    noise = look.spread.loss / h
    if any(np.any((np.abs(g) > SLACK * s[name]) & (noise > 10 * SLACK * s[name])) for name, g in truth.items()):
        return True
    theta = flatten(look.wide)
    ahead = evaluate(stacked(look.wide, theta + h * np.eye(theta.size))).gradients
    there = np.diagonal(np.concatenate([each(ahead[name], theta.size) for name in pieces(look.wide)], axis=1))
    return any(look.apart(name, (truth[name] + g) / 2) for name, g in unflatten(look.wide, there).items())


def each(g: Any, count: int) -> Any:
    """The gradients of so many cases, one a row; a constant one is none of a stack."""
    raw = g.raw if isinstance(g, Stacked) else np.broadcast_to(g, (count, *g.shape))
    return raw.reshape(count, -1)


# --- a fast tanh ------------------------------------------------------------------------------------------------


def fast_tanh(x: Any) -> Any:
    """Lambert's continued fraction, cut after seven terms; off by 1e-4 at most, at |x| = 5."""
    s = x * x
    y = x * (135135.0 + s * (17325.0 + s * (378.0 + s))) / (135135.0 + s * (62370.0 + s * (3150.0 + s * 28.0)))
    return np.clip(y, -1.0, 1.0)


def fast_line(dtype: str, step: Step, x: Any, x0: Any) -> tuple[Any, Any]:
    """y, as it overflows in the dtype, and the z whose tanh it is: the derivative there is 1 - y²."""
    if step.scope.options.get("function") != "tanh":
        return layer(step, x)
    with np.errstate(all="ignore"):
        y = fast_tanh(x.astype(dtype)).astype("float64")
        return y, (np.arctanh(y), y)


# --- the table --------------------------------------------------------------------------------------------------


def rounded_inputs(tape: list[Step], i: int, dy: Any, right: dict[str, Any]) -> dict[str, Any]:
    scope, x = tape[i]
    return {"weight": flat(np.round(x, 3)).T @ flat(dy)} if scope.name == "0" else {}


def one_entry(case: Case, g: dict[str, Any]) -> dict[str, Any]:
    """dW of the first layer with a larger first entry."""
    wrong = np.array(g["0.weight"])
    wrong[0, 0] *= 1.0 + 1e-6
    return {"0.weight": wrong}


FAST = elementwise(fast_tanh, lambda x, y: 1.0 - y * y)


def row(symptom: str, wrong: str, right: str, seen: str, way: Wrong) -> Fault:
    """A row of this family."""
    return Fault("precision", symptom, wrong, right, seen, *way)


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
        (quiet(forward_differences), differences_show)),
    "fast-tanh": row(
        "loss and gradients are right to four digits wherever a tanh is not small: the tanh is an approximation",
        "y = x * (135135 + ...) / (135135 + ...)", "y = np.tanh(x)", "Lambert's continued fraction in audio code",
        (quiet(with_entry("activations", "tanh", lambda right: FAST)),
         lambda look: forward_shows(look, partial(fast_line, look.case.dtype)))),
    "truncated-inputs": row(
        "only the first layer's weights are wrong, by less than a thousandth: the inputs were rounded on the way",
        "dW = x.round(3).T @ delta", DW, "batches kept as text with three decimals", own(rounded_inputs)),
}
