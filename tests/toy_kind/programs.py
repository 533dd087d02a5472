"""A user's programs with scale layers: a right one, and three with one wrong line."""

import numpy as np
from backproof import Head, implementation
from backproof.reference import Case, evaluate

CLAIMED = implementation(hidden=["tanh"], layers=["dense", "scale"], dtypes=["float64", "float32"],
                         heads=[Head("identity", "squared_error", reduction="sum")])


def dense(x, w, b):
    """y = x w + b, and its way back."""
    return x @ w + b, lambda dy: (dy @ w.T, {"weight": x.T @ dy, "bias": dy.sum(axis=0)})


def tanh(x):
    y = np.tanh(x)
    return y, lambda dy: (dy * (1 - y * y), {})


def scaled(gradient=lambda x, dy: (x * dy).sum(axis=0), handed_down=lambda s, dy: dy * s):
    """y = x s, and its way back by these two lines."""
    def scale(x, s):
        return x * s, lambda dy: (handed_down(s, dy), {"scale": gradient(x, dy)})

    return scale


LOCAL = {"dense": ("weight", "bias"), "activation": (), "scale": ("scale",)}


def program(scale):
    """A backprop with this scale layer."""
    layers = {"dense": dense, "activation": tanh, "scale": scale}

    @CLAIMED
    def backprop(network, parameters, inputs, targets):
        x, ways_back, gradients = inputs, [], {}
        for i, spec in enumerate(network.layers):
            values = [parameters[f"{i}.{name}"] for name in LOCAL[spec.kind]]
            x, back = layers[spec.kind](x, *values)
            ways_back.append(back)
        dy = 2 * (x - targets)
        for i, back in reversed(list(enumerate(ways_back))):
            dy, own = back(dy)
            gradients |= {f"{i}.{name}": value for name, value in own.items()}
        return ((x - targets) ** 2).sum(), {**gradients, "inputs": dy}

    return backprop


@CLAIMED
def by_reference(network, parameters, inputs, targets):
    """The reference's own answer."""
    answer = evaluate(Case(network, parameters, inputs, targets, str(inputs.dtype)))
    return answer.loss, answer.gradients


right = program(scaled())
forgotten = program(scaled(gradient=lambda x, dy: np.zeros_like(x[0])))
not_summed = program(scaled(gradient=lambda x, dy: x * dy))
not_handed_down = program(scaled(handed_down=lambda s, dy: dy))
