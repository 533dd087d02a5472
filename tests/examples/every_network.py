"""Backpropagation in plain NumPy for every network: branches, shared parameters, sequences.

A layer is a function from x to its output and the way back: from dL/d(output) to dL/dx, adding the
gradients of its parameters to a dictionary by their names.
"""

from functools import reduce

import numpy as np

FUNCTIONS = {  # f(x), and its derivative from y = f(x)
    "identity": (lambda x: x, lambda y: 1.0),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda y: y * (1 - y)),
    "tanh": (np.tanh, lambda y: 1 - y**2),
}
COMBINE = {
    "add": (lambda ys: reduce(np.add, ys), lambda ys, dy: [dy] * len(ys)),
    "multiply": (lambda ys: reduce(np.multiply, ys),
                 lambda ys, dy: [reduce(np.multiply, ys[:i] + ys[i + 1:], dy)
                                 for i in range(len(ys))]),
    "concatenate": (lambda ys: np.concatenate(ys, axis=-1),
                    lambda ys, dy: np.split(
                        dy, np.cumsum([y.shape[-1] for y in ys])[:-1], axis=-1)),
}


def chain(layers, prefix, parameters, gradients, x):
    """Layers one after another."""
    ways = []
    for i, spec in enumerate(layers):
        x, back = KINDS[spec.kind](spec, f"{prefix}{i}", parameters, gradients, x)
        ways.append(back)
    return x, lambda dy: reduce(lambda d, back: back(d), reversed(ways), dy)


def activation(spec, name, parameters, gradients, x):
    f, df = FUNCTIONS[spec.options["function"]]
    y = f(x)
    return y, lambda dy: dy * df(y)


def parallel(spec, name, parameters, gradients, x):
    combine, apart = COMBINE[spec.options["combine"]]
    runs = [chain(branch, f"{name}.{b}.", parameters, gradients, x)
            for b, branch in enumerate(spec.branches)]
    ys = [y for y, _ in runs]
    return combine(ys), lambda dy: sum(
        back(each) for (_, back), each in zip(runs, apart(ys, dy), strict=True))


def dense(spec, name, parameters, gradients, x):
    weight, bias = (f"{name}.{local}" if f"{name}.{local}" in parameters else f"{spec.share}.{local}"
                    for local in ("weight", "bias"))
    W = parameters[weight].T if spec.transpose else parameters[weight]
    b = parameters[bias] if spec.options["bias"] else 0.0

    def back(dy):
        delta, inputs = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
        dW = inputs.T @ delta
        gradients[weight] += dW.T if spec.transpose else dW
        if spec.options["bias"]:
            gradients[bias] += delta.sum(axis=0)
        return dy @ W.T

    return x @ W + b, back


KINDS = {"dense": dense, "activation": activation, "parallel": parallel}


def backprop(network, parameters, inputs, targets):
    """The squared error, summed, and its gradients."""
    gradients = {name: np.zeros_like(value) for name, value in parameters.items()}
    p, back = chain(network.layers, "", parameters, gradients, inputs)
    dx = back(2 * network.loss.scale * (p - targets))
    return network.loss.scale * ((p - targets) ** 2).sum(), {**gradients, "inputs": dx}


def averaged(network, parameters, inputs, targets):
    """The bias averaged over the batch."""
    loss, gradients = backprop(network, parameters, inputs, targets)
    return loss, {name: g / len(inputs) if name.endswith("bias") else g
                  for name, g in gradients.items()}
