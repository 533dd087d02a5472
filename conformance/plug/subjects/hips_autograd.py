"""HIPS autograd: forwards in autograd.numpy, as its users write them, and `value_and_grad`."""

from __future__ import annotations

from typing import Any

import autograd.numpy as np
from autograd import value_and_grad
from autograd.scipy.special import erf, expit, logsumexp
from autograd.tracer import getval
from numpy import errstate

from ...properties.claims import Head
from ...reference import LayerSpec, Network
from ...reference.network import REDUCTIONS
from ..implementing import implementation
from ..subject import Subject, subject_of

Array = Any


def softmax(z: Array) -> Array:
    """exp(z) / Σ exp(z) over the last axis, where the shift is a constant to the gradient.

    exp(log_softmax) would lose the digits of 1 - p.
    """
    e = np.exp(z - np.max(getval(z), axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def log_softmax(z: Array) -> Array:
    return z - logsumexp(z, axis=-1, keepdims=True)


def values(p: Array, t: Array) -> Array:
    """Class indices as one-hot rows."""
    return np.eye(p.shape[-1], dtype=p.dtype)[t] if t.ndim < p.ndim else t


ACTIVATIONS: dict[str, Any] = {
    "identity": lambda x: x,
    "sigmoid": expit,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "leaky_relu": lambda x, slope: np.where(x > 0, x, slope * x),
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "gelu": lambda x: 0.5 * x * (1.0 + erf(x / 2.0**0.5)),
    "gelu_tanh": lambda x: 0.5 * x * (1.0 + np.tanh(
        (2 / 3.141592653589793) ** 0.5 * (x + 0.044715 * x * x * x))),
    "silu": lambda x: x * expit(x),
    "softmax": softmax,
}

LOSSES: dict[str, Any] = {
    "squared_error": lambda p, t: (p - t) ** 2,
    "absolute_error": lambda p, t: np.abs(p - t),
    "cross_entropy": lambda p, t: -np.sum(values(p, t) * np.log(p), axis=-1),
    "softmax_cross_entropy": lambda z, t: -np.sum(values(z, t) * log_softmax(z), axis=-1),
    "binary_cross_entropy": lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)),
    "sigmoid_cross_entropy": lambda z, t: np.logaddexp(z, 0.0) - t * z,
    "inner_product": lambda p, t: p * t,
}

REDUCE: dict[str, Any] = {
    "sum": np.sum,
    "mean_over_batch": lambda loss: np.sum(loss) / loss.shape[0],
    "mean": np.mean,
}

HEADS = [
    Head(activation, loss, reduction=reduction)
    for activation, loss in (
        ("identity", "squared_error"), ("tanh", "squared_error"), ("sigmoid", "squared_error"),
        ("softmax", "squared_error"), ("identity", "absolute_error"), ("softmax", "cross_entropy"),
        ("identity", "softmax_cross_entropy"), ("sigmoid", "binary_cross_entropy"),
        ("identity", "sigmoid_cross_entropy"), ("identity", "inner_product"),
    )
    for reduction in REDUCTIONS
]


def layer(spec: LayerSpec, name: str, parameters: dict[str, Array], x: Array) -> Array:
    if spec.kind == "dense":
        y = np.dot(x, parameters[f"{name}.weight"])
        return y + parameters[f"{name}.bias"] if spec.options["bias"] else y
    options = {key: value for key, value in spec.options.items() if key != "function"}
    return ACTIVATIONS[spec.options["function"]](x, **options)


def loss(leaves: dict[str, Array], network: Network, targets: Array) -> Array:
    x = leaves["inputs"]
    for i, spec in enumerate(network.layers):
        x = layer(spec, str(i), leaves, x)
    reduce = REDUCE[network.loss.reduction]
    return network.loss.scale * reduce(LOSSES[network.loss.kind](x, targets))


differentiated: Any = value_and_grad(loss)


@implementation(hidden=[name for name in ACTIVATIONS if name != "softmax"], heads=HEADS, bias="any",
                dtypes=("float64", "float32"))
def backprop(network: Network, parameters: dict[str, Array], inputs: Array,
             targets: Array) -> tuple[Any, Any]:
    # its derivative of tanh is 1 / cosh(x)², rightly 0 where that overflows
    with errstate(over="ignore"):
        answer: tuple[Any, Any] = differentiated({**parameters, "inputs": inputs}, network, targets)
    return answer


def subject() -> Subject:
    return subject_of(backprop, "hips-autograd", made_of=["autograd"], stateless=True)
