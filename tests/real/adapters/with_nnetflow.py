"""nnetflow 2.0.5: its Tensors and its losses."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("nnetflow")
from nnetflow import losses  # noqa: E402
from nnetflow.engine import Tensor  # noqa: E402

HIDDEN = ["tanh", "sigmoid", "relu", "gelu", {"function": "leaky_relu", "slope": 0.01}]


def run(network, parameters, inputs, targets, loss):
    leaves = {name: Tensor(value, requires_grad=True) for name, value in parameters.items()}
    x = given = Tensor(inputs, requires_grad=True)
    W, b = network.unpack(leaves)
    for w, c, name in zip(W, b, shelf.functions(network), strict=True):
        x = x @ w + c
        x = x if name == "identity" else getattr(x, name)()
    value = loss(x, Tensor(targets))
    value.backward()
    return value.data, {**{name: np.array(leaf.grad) for name, leaf in leaves.items()},
                        "inputs": np.array(given.grad)}


@implementation(hidden=HIDDEN)
def mse(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, losses.mse_loss)


@implementation(hidden=HIDDEN,
                heads=[Head("identity", "softmax_cross_entropy", targets="one_hot")])
def cross_entropy(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, losses.cross_entropy_loss)


@implementation(hidden=HIDDEN,
                heads=[Head("sigmoid", "binary_cross_entropy", targets="binary")])
def binary(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, losses.binary_cross_entropy_loss)
