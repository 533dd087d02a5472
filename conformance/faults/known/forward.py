"""The forward pass: the activation itself is another function, or overflows where it need not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ...reference import Activation
from ...reference.activations import elementwise, sigmoid
from ...reference.kinds import Array
from .. import core
from ..core import Fault, Faults, Make, Number
from ..ways import Wrong, replaced, with_entries

row = partial(Fault, "forward")


def functions(rows: Mapping[str, Activation]) -> Make:
    """Other activations under the names of the right ones."""
    def instead(each: Activation) -> Callable[[Activation], Activation]:
        return lambda right: each

    return with_entries("activations", {name: instead(each) for name, each in rows.items()})


def textbook(f: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Activation:
    """A function with a derivative that is written in its value y."""
    return elementwise(f, lambda x, y: slope(y))


def of_sigmoid(y: Array) -> Array:
    return y * (1.0 - y)


def of_tanh(y: Array) -> Array:
    return 1.0 - y * y


# --- exponentials that overflow -----------------------------------------------------------------


def overflowing_sigmoid(x: Array) -> Array:
    """e / (1 + e): infinity over infinity where e = exp(x) overflows."""
    e = np.exp(x)
    return e / (1.0 + e)


def overflowing_tanh(x: Array) -> Array:
    return (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))


def overflowing_softplus(x: Array) -> Array:
    return np.log(1.0 + np.exp(x))


SOFTPLUS = elementwise(overflowing_softplus, lambda x, y: sigmoid(x))


def softplus_everywhere(tables: Any) -> Any:
    """log(1 + exp(x)) in the activation, and in the loss that is made of it."""
    wrong = replaced(tables, "activations", "softplus", lambda right: SOFTPLUS)
    return replaced(wrong, "losses", "sigmoid_cross_entropy", lambda right: right._replace(
        L=lambda z, t: overflowing_softplus(z) - t * z))


# --- tables of values ---------------------------------------------------------------------------

ENTRIES, REACH = 4096, 15.0


def looked_up(x: Array) -> Array:
    """The sigmoid at the nearest of 4096 points from -15 up to 15, as genann has it."""
    step = 2 * REACH / ENTRIES
    at = np.clip(np.floor((np.clip(x, -REACH, REACH) + REACH) / step + 0.5), 0, ENTRIES - 1)
    return sigmoid(-REACH + step * at).astype(x.dtype)


def knots(values: list[float]) -> tuple[Array, Array]:
    """Where the tanh has these values and their negatives, and the values; all of float32."""
    y = np.array([*(-v for v in reversed(values)), *values], dtype=np.float32).astype(float)
    return np.arctanh(y).astype(np.float32).astype(float), y


KNOTS, HEIGHTS = knots([0.5, 0.9, 0.99])


def stepwise_tanh(x: Array) -> Array:
    """Straight lines between six points of the tanh, and -1 or 1 beyond them."""
    inside = (x >= KNOTS[0]) & (x < KNOTS[-1])
    y = np.where(inside, np.interp(x, KNOTS, HEIGHTS), np.sign(x))
    return y.astype(x.dtype)


def stepwise_sigmoid(x: Array) -> Array:
    """The same for the sigmoid, (1 + tanh(x / 2)) / 2."""
    return (0.5 * (1.0 + stepwise_tanh(0.5 * x))).astype(x.dtype)


# --- another slope ------------------------------------------------------------------------------


def leaky(slope: float) -> Make:
    """A leaky relu of this slope, whatever the declared one is."""
    def other(x: Array, **options: Any) -> Array:
        return np.where(x > 0, x, slope * x)

    def derivative(x: Array, y: Array, **options: Any) -> Array:
        return np.where(x > 0, 1.0, slope + 0.0 * x)

    right = elementwise(other, derivative)
    return with_entries("activations", {"leaky_relu": lambda row: row._replace(
        f=right.f, df=right.df, backward=right.backward)})


# --- the table ----------------------------------------------------------------------------------

SIGMOID = "y = 1 / (1 + np.exp(-z))"
FAULTS: Faults = {
    "sigmoid-sign-lost": row(
        "the minus sign in the sigmoid's exponent is lost, so that it falls where it should rise",
        "y = 1 / (1 + np.exp(z)); dz = da * y * (1 - y)", f"{SIGMOID}; dz = da * y * (1 - y)",
        "sigmoids written from memory",
        functions({"sigmoid": textbook(lambda x: 1.0 / (1.0 + np.exp(x)), of_sigmoid)})),
    "sigmoid-overflow": row(
        "the sigmoid is right as long as exp(z) does not overflow, and NaN above that (710 in "
        "float64, 89 in float32)",
        "y = np.exp(z) / (1 + np.exp(z))", SIGMOID, "everywhere",
        functions({"sigmoid": textbook(overflowing_sigmoid, of_sigmoid)})),
    "tanh-overflow": row(
        "the tanh is right as long as its exponentials do not overflow, and NaN beyond that (|z| "
        "above 710 in float64, 89 in float32)",
        "y = (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))", "y = np.tanh(z)", "everywhere",
        functions({"tanh": textbook(overflowing_tanh, of_tanh)})),
    "softplus-overflow": row(
        "log(1 + exp(z)) is right as long as exp(z) does not overflow, and infinite above that "
        "(710 in float64, 89 in float32)",
        "y = np.log(1 + np.exp(z))", "y = np.maximum(z, 0) + np.log1p(np.exp(-abs(z)))",
        "everywhere", Wrong(softplus_everywhere)),
    "sigmoid-from-table": row(
        "the sigmoid is looked up in a table of 4096 values from -15 to 15: loss and gradients are "
        "right to three digits",
        "y = table[int((z + 15) / 30 * 4096 + 0.5)]", SIGMOID, "genann",
        functions({"sigmoid": textbook(looked_up, of_sigmoid)})),
    "activation-of-straight-lines": row(
        "sigmoid and tanh are straight lines between six points, and constant beyond them",
        "y = np.interp(z, points, tanh(points))", "y = np.tanh(z)",
        "FANN's stepwise activations",
        functions({"sigmoid": textbook(stepwise_sigmoid, of_sigmoid),
                   "tanh": textbook(stepwise_tanh, of_tanh)})),
    "leaky-slope-of-another": core.numbered(
        "forward",
        "the leaky relu has another slope than the declared one, in the function and in its "
        "derivative",
        "y = np.where(z > 0, z, other * z)", "y = np.where(z > 0, z, slope * z)",
        "libraries whose default slope is 0.2, 0.3 or 1/5.5",
        Number("other", 0.2, leaky, 1e-5, 1.0)),
}
