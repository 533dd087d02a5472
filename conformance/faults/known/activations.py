"""The derivative of the activation: left out, taken at the wrong point, or another function's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ...reference import ACTIVATIONS, Case, Network, Tables
from ...reference.activations import gelu_tanh_derivative, sigmoid
from ...reference.kinds import Step
from ...reference.wiring import wired
from .. import core
from ..core import Fault, Faults, Make, Number
from ..ways import Backward, derivative, per_case

row = partial(Fault, "activation")


def wrong_lines(symptom: str, wrong: str, right: str, seen: str,
                lines: Mapping[str, Backward]) -> Fault:
    """A row: dx = lines[function](x, y, dy, **options) in every layer; x is z and y is f(z)."""
    return row(symptom, wrong, right, seen, derivative(lines))


# --- left out in one layer ----------------------------------------------------------------------


def left_out(symptom: str, wrong: str, chosen: Callable[[Network], set[str]]) -> Fault:
    """A row: the layers of these names, functions all, hand the error down as it comes."""

    def change(case: Case, tables: Tables) -> Tables:
        names = chosen(case.network)

        def sweep(tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
            return (dy, {}) if tape[i].scope.name in names else tables.sweep(tape, i, dy)

        return tables._replace(sweep=sweep)

    return row(symptom, wrong, MULTIPLIED, NEVER_MULTIPLIED, per_case(change))


def output(network: Network) -> set[str]:
    """The activation that gives the network's output, where one does."""
    last = network.layers[-1:]
    return {str(len(network.layers) - 1) for layer in last if layer.function is not None}


def first_hidden(network: Network) -> set[str]:
    """The first activation that has layers with weights before and after it, where one has."""
    names = [name for name, _ in network.walk()]
    affine = [names.index(place.layer) for place in wired(network).places]
    found = [name for i, (name, layer) in enumerate(network.walk())
             if layer.function is not None and affine and affine[0] < i < affine[-1]]
    return set(found[:1])


# --- another line -------------------------------------------------------------------------------


def handed_down(x: Any, y: Any, dy: Any, **options: Any) -> Any:
    """No derivative at all."""
    return dy


def at_output(name: str) -> Backward:
    """f'(y) for f'(z)."""
    right = ACTIVATIONS[name]
    df: Any = right.df
    return lambda x, y, dy, **options: dy * df(y, right.f(y, **options), **options)


def times_value(x: Any, y: Any, dy: Any, **options: Any) -> Any:
    """f(z) for f'(z)."""
    return dy * y


def sloped(wrong: Callable[[float], float]) -> Backward:
    return lambda x, y, dy, slope: np.where(x > 0, dy, wrong(slope) * dy)


def slope_in_derivative(other: float) -> Make:
    return derivative({"leaky_relu": sloped(lambda slope: other)})


def of_clipped_output(clip: float) -> Make:
    """sigmoid' and tanh' of an output that is kept off both ends of its range.

    By a share of that range: a sigmoid is in [clip, 1 - clip], tanh in [2 clip - 1, 1 - 2 clip].
    """
    return derivative({"sigmoid": at_least("sigmoid", clip * (1.0 - clip)),
                       "tanh": at_least("tanh", 4.0 * clip * (1.0 - clip))})


def at_least(name: str, least: float) -> Backward:
    df: Any = ACTIVATIONS[name].df
    return lambda x, y, dy: dy * np.maximum(df(x, y), least)


def constant(value: float) -> Make:
    """The same derivative everywhere."""
    return derivative(dict.fromkeys(CURVED, lambda x, y, dy, **options: value * dy))


ELEMENTWISE = [name for name, right in ACTIVATIONS.items() if right.df is not None]
CURVED = [name for name in ELEMENTWISE if name != "identity"]
gelu_derivative: Any = ACTIVATIONS["gelu"].df
MULTIPLIED = "dz = da * f_prime(z)"
NEVER_MULTIPLIED = "gophernet#6, libBrain#78, numpy_neural_network#3"
ANOTHER = "programs that differentiate another function than the one they compute"
JACOBIAN = "dz = a * (da - (da * a).sum(axis=1, keepdims=True))"
QUESTION = "the stack-exchange question on the gradient of bias terms"

FAULTS: Faults = {
    "derivative-missing": wrong_lines(
        "the activation's derivative is left out, and the error is handed down as it comes",
        "dz = da", MULTIPLIED, NEVER_MULTIPLIED, dict.fromkeys(ACTIVATIONS, handed_down)),
    "derivative-missing-in-output-layer": left_out(
        "the derivative of the output layer's activation is left out, while those of the hidden "
        "layers are there",
        "dz = da  # in the last layer", output),
    "derivative-missing-in-first-layer": left_out(
        "the derivative of the first hidden layer's activation is left out, while those of the "
        "later layers are there",
        "dz = da  # in the first layer", first_hidden),
    "derivative-at-output": wrong_lines(
        "the derivative is taken at the layer's output a = f(z), where the formula wants z",
        "dz = da * f_prime(a)", MULTIPLIED,
        "neural networks written from scratch, and classes for recurrent networks that pass on "
        "activated values",
        {name: at_output(name) for name in ELEMENTWISE}),
    "derivative-of-preactivation": wrong_lines(
        "the derivative is written for the layer's output a, but it is given z",
        "dz = da * z * (1 - z)  # tanh: da * (1 - z**2)",
        "dz = da * a * (1 - a)  # tanh: da * (1 - a**2)",
        "neural networks written from scratch, and classes for recurrent networks",
        {"sigmoid": lambda x, y, dy: dy * x * (1.0 - x),
         "tanh": lambda x, y, dy: dy * (1.0 - x * x)}),
    "derivative-is-the-function": wrong_lines(
        "the activation's own value is used as its derivative: f(z) where f'(z) is wanted",
        "dz = da * a", MULTIPLIED,
        "programs that call the function a second time, where its derivative was meant",
        dict.fromkeys(CURVED, times_value)),
    "derivative-of-sigmoid-for-tanh": wrong_lines(
        "tanh is differentiated as if it were the sigmoid",
        "dz = da * a * (1 - a)", "dz = da * (1 - a**2)", "genann before its fix",
        {"tanh": lambda x, y, dy: dy * y * (1.0 - y)}),
    "derivative-one-for-all-but-sigmoid": wrong_lines(
        "only the sigmoid is differentiated, and every other activation hands the error down as it "
        "comes",
        "dz = da * a * (1 - a) if f == \"sigmoid\" else da", MULTIPLIED, "genann before its fix",
        dict.fromkeys((name for name in ACTIVATIONS if name != "sigmoid"), handed_down)),
    "relu-derivative-always-one": wrong_lines(
        "the relu hands the error down through units that are off, because `a >= 0` is true of "
        "every output of a relu",
        "dz = da * (a >= 0)", "dz = da * (z > 0)", "several repositories with a relu of their own",
        {"relu": handed_down}),
    "leaky-slope-twice": wrong_lines(
        "the slope of the leaky relu is applied twice, so that it is slope**2 where z is negative",
        "dz = np.where(z > 0, da, slope * slope * da)", "dz = np.where(z > 0, da, slope * da)",
        "brain.js 1.6",
        {"leaky_relu": sloped(lambda slope: slope * slope)}),
    "leaky-slope-100-times": wrong_lines(
        "the slope of the leaky relu is 100 times too large in the derivative: it is 1 where it "
        "should be 0.01",
        "dz = np.where(z > 0, da, 100 * slope * da)", "dz = np.where(z > 0, da, slope * da)",
        "brain.js 1.6",
        {"leaky_relu": sloped(lambda slope: 100.0 * slope)}),
    "leaky-slope-in-derivative": core.numbered(
        "activation",
        "the slope of the leaky relu is another one in the derivative than in the function",
        "dz = np.where(z > 0, da, other * da)", "dz = np.where(z > 0, da, slope * da)",
        "programs that write the slope down twice",
        Number("other", 0.2, slope_in_derivative, 1e-5, 1.0)),
    "sigmoid-derivative-of-error": wrong_lines(
        "the sigmoid's derivative is taken of the error that comes down, in place of the output",
        "dz = da * (1 - da)", "dz = da * a * (1 - a)", f"{QUESTION}: `dh2 * (1 - dh2)`",
        {"sigmoid": lambda x, y, dy: dy * (1.0 - dy)}),
    "sigmoid-derivative-half-of-preactivation": wrong_lines(
        "one of the two factors of the sigmoid's derivative is taken of z in place of the output",
        "dz = da * a * (1 - z)", "dz = da * a * (1 - a)",
        f"an answer to {QUESTION}: `1 - out_l1`, with out_l1 the pre-activation",
        {"sigmoid": lambda x, y, dy: dy * y * (1.0 - x)}),
    "tanh-derivative-not-squared": wrong_lines(
        "the square is left out of the derivative of tanh",
        "dz = da * (1 - a)", "dz = da * (1 - a**2)", "code after a textbook",
        {"tanh": lambda x, y, dy: dy * (1.0 - y)}),
    "gelu-derivative-of-other-form": wrong_lines(
        "gelu has two forms, the exact one with erf and the approximated one with tanh, and the "
        "forward pass takes one while the derivative is the other's",
        "dz = da * gelu_tanh_prime(z)", "dz = da * gelu_prime(z)", ANOTHER,
        {"gelu": lambda x, y, dy: dy * gelu_tanh_derivative(x, y),
         "gelu_tanh": lambda x, y, dy: dy * gelu_derivative(x, y)}),
    "silu-derivative-first-term-only": wrong_lines(
        "the product rule is forgotten in silu = z * sigmoid(z), and only the first term of the "
        "derivative is there",
        "dz = da * sigmoid(z)", "dz = da * (sigmoid(z) + z * sigmoid(z) * (1 - sigmoid(z)))",
        ANOTHER,
        {"silu": lambda x, y, dy: dy * sigmoid(x)}),
    "softmax-diagonal-only": wrong_lines(
        "only the diagonal of softmax's Jacobian is there, which is right only with the "
        "cross-entropy folded in",
        "dz = da * a * (1 - a)", JACOBIAN, "libnd4j#440, neuroph#37",
        {"softmax": lambda x, y, dy: dy * y * (1.0 - y)}),
    "softmax-derivative-missing": wrong_lines(
        "the error is handed down through softmax as it comes, as if the loss were folded in",
        "dz = da", JACOBIAN, "libnd4j#440, neuroph#37",
        {"softmax": handed_down}),
    "derivative-of-clipped-output": core.numbered(
        "activation",
        "the derivative is taken of an output that is kept off the ends of its range, so that "
        "saturated units hand down more than they should",
        "a = a.clip(clip, 1 - clip); dz = da * a * (1 - a)  # tanh: a.clip(2 * clip - 1, 1 - 2 * "
        "clip)", "dz = da * a * (1 - a)", "FANN",
        Number("clip", 0.01, of_clipped_output, 1e-12, 0.3)),
    "derivative-constant": core.numbered(
        "activation",
        "the derivative of the activation is a constant, whatever the unit's value",
        "dz = constant * da", MULTIPLIED,
        "programs with a slope in place of a derivative",
        Number("constant", 0.5, constant, 1e-4, 10.0)),
}
