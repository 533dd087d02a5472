"""micrograd: its own layers of neurons over scalar `Value`s, and its own `backward`.

micrograd knows relu and no activation beside (0.1.0 has no tanh), counts in Python floats, and
walks the graph by recursion: small networks only. Its graph keeps children in sets, so sums may
come in another order when asked again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from micrograd.engine import Value
from micrograd.nn import Layer

from ...properties.claims import Head
from ...reference import Network
from ...reference.network import REDUCTIONS
from ..contract import Declined
from ..implementing import implementation
from ..subject import Subject, subject_of

Array = Any


@contextmanager
def same_random_state() -> Iterator[None]:
    """Leave Python's global random numbers as they were; micrograd's neurons start from them."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def values(array: Array) -> Any:
    """An array as nested lists of Values."""
    return [values(row) for row in array] if np.ndim(array) else Value(float(array))


def gradients(nested: Any) -> Array:
    """The gradients of nested lists of Values, as an array."""
    if isinstance(nested, list):
        return np.array([gradients(row) for row in nested])
    return float(nested.grad)


def build(network: Network, parameters: dict[str, Array]) -> list[Layer]:
    """One Layer per dense layer; a neuron holds its column of the weights (in, units)."""
    weights, biases = network.unpack(parameters)
    made = []
    for weight, bias, name in zip(weights, biases, [*network.hidden, network.head[0]], strict=True):
        if name not in ("relu", "identity") or bias is None:
            raise Declined("relu and identity only, and always a bias")
        layer = Layer(*weight.shape, nonlin=name == "relu")
        for neuron, column, b in zip(layer.neurons, weight.T, bias, strict=True):
            neuron.w, neuron.b = values(column), Value(float(b))
        made.append(layer)
    return made


def forward(made: list[Layer], x: list[Value]) -> list[Value]:
    for layer in made:
        x = layer(x)
        x = x if isinstance(x, list) else [x]  # a layer of one neuron returns it bare
    return x


@implementation(
    hidden=["relu", "identity"],
    heads=[Head("identity", "squared_error", reduction=name) for name in REDUCTIONS],
    batch=(1, 4), depth=(1, 12), max_parameters=60,
)
def backprop(network: Network, parameters: dict[str, Array], inputs: Array,
             targets: Array) -> tuple[float, Any]:
    with same_random_state():
        made = build(network, parameters)
    xs = values(inputs)
    outputs = [p for x in xs for p in forward(made, x)]
    errors = [(p - float(t)) ** 2 for p, t in zip(outputs, targets.ravel(), strict=True)]
    counts = {"sum": 1, "mean_over_batch": len(xs), "mean": len(errors)}
    loss = sum(errors) * (network.loss.scale / counts[network.loss.reduction])
    loss.backward()
    weights = [gradients([neuron.w for neuron in layer.neurons]).T for layer in made]
    biases = [gradients([neuron.b for neuron in layer.neurons]) for layer in made]
    return loss.data, {**network.pack(weights, biases), "inputs": gradients(xs)}


def subject() -> Subject:
    return subject_of(backprop, "micrograd", made_of=["micrograd"], stateless=True)
