"""lightnn 0.0.7: its FullyConnected layers and its loss classes."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("lightnn")
shelf.old_names()
from lightnn.base import losses  # noqa: E402
from lightnn.layers.core import FullyConnected  # noqa: E402

HIDDEN = ["tanh", "sigmoid", "relu", {"function": "leaky_relu", "slope": 0.3}]


def run(network, parameters, inputs, targets, loss):
    made = []
    for w, b, name in zip(*network.unpack(parameters), shelf.functions(network), strict=True):
        layer = FullyConnected(w.shape[1], input_dim=w.shape[0], activator=name)
        layer.W, layer.b = w.T.copy(), b.copy()
        made.append(layer)
    x = inputs
    for layer in made:
        x = layer.forward(x)
    delta = loss.backward(x, targets)
    for layer in reversed(made):
        delta = layer.backward(delta)
    return loss.forward(x, targets), {
        **network.pack([np.array(layer.delta_W.T) for layer in made],
                       [np.array(layer.delta_b) for layer in made]), "inputs": delta}


@implementation(hidden=HIDDEN, heads=[Head("identity", "squared_error"),
                                      Head("sigmoid", "squared_error")])
def mse(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, losses.MeanSquareLoss)


@implementation(hidden=HIDDEN,
                heads=[Head("sigmoid", "binary_cross_entropy", targets="binary")])
def binary(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, losses.BinaryCategoryLoss)


@implementation(hidden=HIDDEN,
                heads=[Head("softmax", "cross_entropy", targets="one_hot", outputs=(2, None))])
def categorical(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, losses.LogLikelihoodLoss)
