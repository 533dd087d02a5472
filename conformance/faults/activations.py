"""The derivative of the activation: left out, taken at the wrong point, or another function's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..properties.membership import output_activation
from ..reference import ACTIVATIONS, Answer, Case, Engine, Network, Tables, evaluate
from ..reference.activations import gelu_tanh_derivative, sigmoid
from ..reference.kinds import Scope, Step
from .core import Fault, Faults, Make, derivative, with_derivatives

Backward = Callable[..., Any]
Layers = Callable[[Network], list[str]]


def output(network: Network) -> list[str]:
    """The activation that gives the network's output, by its name."""
    return [str(len(network.layers) - 1)] if output_activation(network) is not None else []


def first_hidden(network: Network) -> list[str]:
    """The first activation, where a layer with parameters comes after it."""
    layers = list(network.walk())
    at = next((i for i, (_, spec) in enumerate(layers) if spec.function is not None), len(layers))
    later = any(spec.units is not None for _, spec in layers[at + 1:])
    return [layers[at][0]] if later else []


def only_in(layers: Layers, lines: Mapping[str, Backward]) -> Make:
    """Wrong derivatives in some layers of a network: layers(network) names them."""
    def make(tables: Tables) -> Engine:
        wrong = with_derivatives(tables, lines)

        def engine(case: Case) -> Answer:
            names = layers(case.network)

            def sweep(tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
                scope, saved = tape[i]
                if scope.name not in names:
                    return tables.sweep(tape, i, dy)
                other = Scope(wrong, scope.values, scope.name, scope.spec)
                return scope.rule.backward(other, saved, dy)

            return evaluate(case, tables._replace(sweep=sweep))

        return engine

    return make


def backward(symptom: str, wrong: str, right: str, seen: str, lines: Mapping[str, Backward],
             layers: Layers | None = None) -> Fault:
    """A row: these wrong lines dx = lines[function](x, y, dy, **options), x is z and y is f(z).

    In every layer, or in those that layers(network) names.
    """
    make = derivative(lines) if layers is None else only_in(layers, lines)
    return Fault("activation", symptom, wrong, right, seen, make)


def passed_on(x: Any, y: Any, dy: Any, **options: Any) -> Any:
    """No derivative at all."""
    return dy


def of_output(name: str) -> Backward:
    """f'(y) for f'(z)."""
    row = ACTIVATIONS[name]
    df: Any = row.df
    return lambda x, y, dy, **options: dy * df(y, row.f(y, **options), **options)


def sloped(wrong: Callable[[float], float]) -> Backward:
    return lambda x, y, dy, slope: np.where(x > 0, dy, wrong(slope) * dy)


EVERY = tuple(ACTIVATIONS)
ELEMENTWISE = tuple(name for name, row in ACTIVATIONS.items() if row.df is not None)
gelu_derivative: Any = ACTIVATIONS["gelu"].df

FAULTS: Faults = {
    "derivative-missing": backward(
        "the activation's derivative is left out in every layer: the error is passed on as it is",
        "dz = da", "dz = da * f_prime(z)", "gophernet#6, libBrain#78, numpy_neural_network#3",
        dict.fromkeys(EVERY, passed_on)),
    "derivative-missing-in-output-layer": backward(
        "the derivative of the output layer's activation is left out; the hidden layers' are there",
        "dz = da  # in the last layer", "dz = da * f_prime(z)", "gophernet#6, libBrain#78, numpy_neural_network#3",
        dict.fromkeys(EVERY, passed_on), output),
    "derivative-missing-in-first-layer": backward(
        "the derivative of the first hidden layer's activation is left out; the later layers' are there",
        "dz = da  # in the first layer", "dz = da * f_prime(z)", "gophernet#6, libBrain#78, numpy_neural_network#3",
        dict.fromkeys(EVERY, passed_on), first_hidden),
    "derivative-at-output": backward(
        "the derivative is taken at the layer's output a = f(z), where the formula wants z",
        "dz = da * f_prime(a)", "dz = da * f_prime(z)",
        "nn-from-scratch answers, RNN classes that pass activated values",
        {name: of_output(name) for name in ELEMENTWISE}),
    "derivative-of-preactivation": backward(
        "the derivative is written for the layer's output a, but is given z",
        "dz = da * z * (1 - z)  # tanh: da * (1 - z**2)", "dz = da * a * (1 - a)  # tanh: da * (1 - a**2)",
        "nn-from-scratch answers, RNN classes",
        {"sigmoid": lambda x, y, dy: dy * x * (1.0 - x), "tanh": lambda x, y, dy: dy * (1.0 - x * x)}),
    "derivative-of-sigmoid-for-tanh": backward(
        "tanh is differentiated as if it were the sigmoid",
        "dz = da * a * (1 - a)", "dz = da * (1 - a**2)", "genann before its fix: the derivative of another function",
        {"tanh": lambda x, y, dy: dy * y * (1.0 - y)}),
    "derivative-one-for-all-but-sigmoid": backward(
        "only the sigmoid is differentiated; every other activation passes the error on as it is",
        "dz = da * a * (1 - a) if f == \"sigmoid\" else da", "dz = da * f_prime(z)", "genann before its fix",
        dict.fromkeys((name for name in EVERY if name != "sigmoid"), passed_on)),
    "relu-derivative-always-one": backward(
        "relu passes the error through units that are off; `a >= 0` is true of every clipped output",
        "dz = da * (a >= 0)", "dz = da * (z > 0)", "several repositories: relu' always 1",
        {"relu": passed_on}),
    "leaky-slope-twice": backward(
        "the slope of the leaky relu is applied twice: slope**2 where z is negative",
        "dz = np.where(z > 0, da, slope * slope * da)", "dz = np.where(z > 0, da, slope * da)", "brain.js 1.6",
        {"leaky_relu": sloped(lambda slope: slope * slope)}),
    "leaky-slope-100-times": backward(
        "the slope of the leaky relu is 100 times too large in the derivative: 1 where it is 0.01",
        "dz = np.where(z > 0, da, 100 * slope * da)", "dz = np.where(z > 0, da, slope * da)", "brain.js 1.6",
        {"leaky_relu": sloped(lambda slope: 100.0 * slope)}),
    "sigmoid-derivative-of-error": backward(
        "the sigmoid's derivative is taken of the error in place of the output: dh2 * (1 - dh2)",
        "dz = da * (1 - da)", "dz = da * a * (1 - a)",
        "the stack-exchange question on the gradient of bias terms: `dh2 * (1 - dh2)`",
        {"sigmoid": lambda x, y, dy: dy * (1.0 - dy)}),
    "sigmoid-derivative-half-of-preactivation": backward(
        "one of the two factors of the sigmoid's derivative is taken of z in place of the output",
        "dz = da * a * (1 - z)", "dz = da * a * (1 - a)",
        "the same question's answer: `1 - out_l1` taken of the pre-activation",
        {"sigmoid": lambda x, y, dy: dy * y * (1.0 - x)}),
    "tanh-derivative-not-squared": backward(
        "the square is left out of the derivative of tanh",
        "dz = da * (1 - a)", "dz = da * (1 - a**2)", "the derivative of another function: textbook code for tanh",
        {"tanh": lambda x, y, dy: dy * (1.0 - y)}),
    "gelu-derivative-of-other-form": backward(
        "gelu has two forms, exact (erf) and approximated (tanh): one forward, the other's derivative backward",
        "dz = da * gelu_tanh_prime(z)", "dz = da * gelu_prime(z)", "the derivative of another function",
        {"gelu": lambda x, y, dy: dy * gelu_tanh_derivative(x, y),
         "gelu_tanh": lambda x, y, dy: dy * gelu_derivative(x, y)}),
    "silu-derivative-first-term-only": backward(
        "the product rule is forgotten in silu = z * sigmoid(z): only the first term is there",
        "dz = da * sigmoid(z)", "dz = da * (sigmoid(z) + z * sigmoid(z) * (1 - sigmoid(z)))",
        "the derivative of another function",
        {"silu": lambda x, y, dy: dy * sigmoid(x)}),
    "softmax-diagonal-only": backward(
        "only the diagonal of softmax's Jacobian is there: right only with the cross-entropy folded in",
        "dz = da * a * (1 - a)", "dz = a * (da - (da * a).sum(axis=1, keepdims=True))", "libnd4j#440, neuroph#37",
        {"softmax": lambda x, y, dy: dy * y * (1.0 - y)}),
    "softmax-derivative-missing": backward(
        "the error is passed through softmax as it is, as if the loss were folded in",
        "dz = da", "dz = a * (da - (da * a).sum(axis=1, keepdims=True))", "libnd4j#440, neuroph#37",
        {"softmax": passed_on}),
}
