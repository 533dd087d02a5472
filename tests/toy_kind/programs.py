"""A user's programs with scale layers: a right one, and two with a wrong gradient."""

import numpy as np
from backproof import Head, implementation

CLAIMED = implementation(hidden=["tanh"], layers=["dense", "scale"], dtypes=["float64", "float32"],
                         heads=[Head("identity", "squared_error", reduction="sum")])


def dense(x, W, b):
    """y = x W + b, and its way back."""
    return x @ W + b, lambda dy: (dy @ W.T, {"weight": x.T @ dy, "bias": dy.sum(axis=0)})


def tanh(x):
    y = np.tanh(x)
    return y, lambda dy: (dy * (1 - y * y), {})


def scaled_with(gradient):
    """y = x s, its gradient by gradient(x, dy)."""
    def scale(x, s):
        return x * s, lambda dy: (dy * s, {"scale": gradient(x, dy)})

    return scale


def program(gradient):
    """A backprop whose scale layers have this gradient."""
    layers = {"dense": dense, "activation": tanh, "scale": scaled_with(gradient)}
    local = {"dense": ("weight", "bias"), "activation": (), "scale": ("scale",)}

    @CLAIMED
    def backprop(network, parameters, inputs, targets):
        x, ways_back, gradients = inputs, [], {}
        for i, spec in enumerate(network.layers):
            values = [parameters[f"{i}.{name}"] for name in local[spec.kind]]
            x, back = layers[spec.kind](x, *values)
            ways_back.append(back)
        dy = 2 * (x - targets)
        for i, back in reversed(list(enumerate(ways_back))):
            dy, own = back(dy)
            gradients |= {f"{i}.{name}": value for name, value in own.items()}
        return ((x - targets) ** 2).sum(), {**gradients, "inputs": dy}

    return backprop


right = program(lambda x, dy: (x * dy).sum(axis=0))
forgotten = program(lambda x, dy: np.zeros_like(x[0]))
not_summed = program(lambda x, dy: x * dy)
