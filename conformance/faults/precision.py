"""The right formulas with too few digits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..oracles.flat import flatten, stacked, unflatten
from ..reference import Answer, Case, Engine, Tables, evaluate
from ..reference.activations import elementwise
from ..reference.backprop import forward
from ..reference.backprop import loss as loss_of
from ..reference.chain import Step
from .core import Fault, Faults, Look, Wrong, at_the_end, own, quiet, with_entry

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
        """The true gradient is no number of the dtype, or that of the rounded arguments is another."""
        with np.errstate(all="ignore"):
            if np.finfo(dtype).eps <= np.finfo(look.case.dtype).eps:
                return False
            g = look.spread.truth.gradients
            if any(look.apart(name, through(value, dtype, "float64")) for name, value in g.items()):
                return True
            rounded = evaluate(look.wide.map(lambda a: through(a, dtype, "float64") if a.dtype.kind == "f" else a))
            return any(look.apart(name, value) for name, value in rounded.gradients.items())

    return quiet(make), visible


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


def off_the_grid(look: Look) -> bool:
    """Losses of so many digits differ by multiples of their last one: whether a true gradient is no such multiple / h."""
    h = float(np.asarray(STEP, look.case.dtype))
    grid = float(np.spacing(np.asarray(abs(look.spread.truth.loss), look.case.dtype))) / 2 / h
    return any(look.apart(name, np.round(g / grid) * grid) for name, g in look.spread.truth.gradients.items())


# --- a fast tanh ------------------------------------------------------------------------------------------------


def fast_tanh(x: Any) -> Any:
    """Lambert's continued fraction, cut after seven terms; off by 1e-4 at most, at |x| = 5."""
    s = x * x
    y = x * (135135.0 + s * (17325.0 + s * (378.0 + s))) / (135135.0 + s * (62370.0 + s * (3150.0 + s * 28.0)))
    return np.clip(y, -1.0, 1.0)


def fast_tanh_shows(look: Look) -> bool:
    return False


# --- the table --------------------------------------------------------------------------------------------------


def rounded_inputs(tape: list[Step], i: int, dy: Any, right: dict[str, Any]) -> dict[str, Any]:
    scope, x = tape[i]
    return {"weight": np.round(x, 3).reshape(-1, x.shape[-1]).T @ dy.reshape(-1, dy.shape[-1])} if scope.name == "0" else {}


def one_entry(case: Case, g: dict[str, Any]) -> dict[str, Any]:
    """dW of the first layer with a larger first entry."""
    wrong = g["0.weight"].copy()
    wrong[0, 0] *= 1.0 + 1e-6
    return {"0.weight": wrong}
