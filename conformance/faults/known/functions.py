"""Functions in pieces, or made of exponentials: a piece or a factor of the derivative is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from ...reference.activations import SELU_ALPHA, softmax, softplus
from ..core import Fault, Faults
from ..ways import Backward, derivative

row = partial(Fault, "activation")


def wrong_lines(symptom: str, wrong: str, right: str, seen: str,
                lines: Mapping[str, Backward]) -> Fault:
    """A row: dx = lines[function](x, y, dy, **options) in every layer; x is z and y is f(z)."""
    return row(symptom, wrong, right, seen, derivative(lines))


def below(x: Any) -> Any:
    """exp(x) where x is below zero, 1 elsewhere."""
    return np.exp(np.where(x > 0, 0.0 * x, x))


def elu_of_z(x: Any, y: Any, dy: Any, alpha: float) -> Any:
    return np.where(x > 0, dy, dy * (x + alpha))


def selu_unscaled(x: Any, y: Any, dy: Any) -> Any:
    return np.where(x > 0, dy, dy * SELU_ALPHA * below(x))


def without_first(x: Any, y: Any, dy: Any) -> Any:
    """-p Σ dy: the sum over the classes alone."""
    return -softmax(x) * dy.sum(axis=-1, keepdims=True)


PIECES = "dz = np.where(z > 0, da, da * (a + alpha))"
LOG_SOFTMAX = "dz = da - np.exp(a) * da.sum(axis=-1, keepdims=True)"
SCRATCH = "layers written from scratch"
LAYERS = f"{SCRATCH}, whose classes keep z or a, and not the one that the formula wants"

FAULTS: Faults = {
    "elu-derivative-of-preactivation": wrong_lines(
        "the derivative of elu is written for the layer's output a, but it is given z",
        "dz = np.where(z > 0, da, da * (z + alpha))", PIECES, LAYERS, {"elu": elu_of_z}),
    "selu-scale-left-out": wrong_lines(
        "the scale of selu, 1.0507, is left out of its derivative",
        "dz = np.where(z > 0, da, da * alpha * np.exp(z))",
        "dz = scale * np.where(z > 0, da, da * alpha * np.exp(z))",
        f"{SCRATCH}: elu's derivative for selu", {"selu": selu_unscaled}),
    "relu6-not-cut-on-the-way-back": wrong_lines(
        "the relu6 hands the error down through units that are cut at 6",
        "dz = da * (z > 0)", "dz = da * ((z > 0) & (z < 6))",
        "programs that take relu's derivative for relu6",
        {"relu6": lambda x, y, dy: np.where(x > 0, dy, 0.0 * dy)}),
    "hard-tanh-not-cut-on-the-way-back": wrong_lines(
        "the hard tanh hands the error down through units that are cut, because `abs(a) <= 1` is "
        "true of every output",
        "dz = da * (abs(a) <= 1)", "dz = da * (abs(z) < 1)", LAYERS,
        {"hard_tanh": lambda x, y, dy: dy}),
    "hard-sigmoid-derivative-one": wrong_lines(
        "the derivative of the hard sigmoid is 1 between its ends, where it should be its slope",
        "dz = da * ((0 < a) & (a < 1))", "dz = da * slope * ((0 < a) & (a < 1))", SCRATCH,
        {"hard_sigmoid": lambda x, y, dy, slope: np.where(y > 0, np.where(y < 1, dy, 0.0 * dy),
                                                          0.0 * dy)}),
    "hard-sigmoid-not-cut-on-the-way-back": wrong_lines(
        "the hard sigmoid hands the error down through units that are cut at 0 and at 1",
        "dz = da * slope", "dz = da * slope * ((0 < a) & (a < 1))", SCRATCH,
        {"hard_sigmoid": lambda x, y, dy, slope: slope * dy}),
    "abs-derivative-one": wrong_lines(
        "the derivative of |z| is 1 on both sides of zero",
        "dz = da", "dz = da * np.sign(z)", SCRATCH, {"abs": lambda x, y, dy: dy}),
    "softsign-derivative-not-squared": wrong_lines(
        "the square is left out of the derivative of softsign",
        "dz = da / (1 + abs(z))", "dz = da / (1 + abs(z))**2", SCRATCH,
        {"softsign": lambda x, y, dy: dy / (1.0 + np.where(x > 0, x, -x))}),
    "mish-derivative-first-term-only": wrong_lines(
        "the product rule is forgotten in mish = z * tanh(softplus(z)), and only the first term of "
        "the derivative is there",
        "dz = da * np.tanh(softplus(z))",
        "dz = da * (t + z * (1 - t**2) * sigmoid(z))  # t = np.tanh(softplus(z))", SCRATCH,
        {"mish": lambda x, y, dy: dy * np.tanh(softplus(x))}),
    "mish-inner-derivative-left-out": wrong_lines(
        "the derivative of softplus is left out of that of mish",
        "dz = da * (t + z * (1 - t**2))  # t = np.tanh(softplus(z))",
        "dz = da * (t + z * (1 - t**2) * sigmoid(z))", SCRATCH,
        {"mish": lambda x, y, dy: dy * (np.tanh(softplus(x)) + x * (
            1.0 - np.tanh(softplus(x)) ** 2))}),
    "log-softmax-error-not-summed": wrong_lines(
        "the log-softmax takes each unit's own error in place of the sum over all of them",
        "dz = da * (1 - np.exp(a))", LOG_SOFTMAX,
        "programs that know the gradient for one class: 1 - p",
        {"log_softmax": lambda x, y, dy: dy * (1.0 - softmax(x))}),
    "log-softmax-own-term-left-out": wrong_lines(
        "the error of the unit itself is left out of the log-softmax, and only the sum over all "
        "units is there",
        "dz = -np.exp(a) * da.sum(axis=-1, keepdims=True)", LOG_SOFTMAX, SCRATCH,
        {"log_softmax": without_first}),
    "log-softmax-not-exponentiated": wrong_lines(
        "the log-softmax is differentiated with its output in the place of the probabilities",
        "dz = da - a * da.sum(axis=-1, keepdims=True)", LOG_SOFTMAX, LAYERS,
        {"log_softmax": lambda x, y, dy: dy - y * dy.sum(axis=-1, keepdims=True)}),
    "log-softmax-as-softmax": wrong_lines(
        "the log-softmax is differentiated as if it were the softmax",
        "dz = p * (da - (da * p).sum(axis=-1, keepdims=True))", LOG_SOFTMAX, SCRATCH,
        {"log_softmax": lambda x, y, dy: softmax(x) * (
            dy - (dy * softmax(x)).sum(axis=-1, keepdims=True))}),
}
