"""numpynet 0.1.0: the mean over examples, one after the other, of a step by its learning rate."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("numpynet")
shelf.without("numba", "tqdm")
from numpynet.layers import ActivationLayer, BiasLayer, DenseLayer, InputLayer  # noqa: E402
from numpynet.network import Sequential  # noqa: E402

RATE = 2.0**60  # the weights themselves are lost in the step, and so is their rounding
ACT = {"tanh": "tanh", "sigmoid": "sigmoid", "relu": "relu"}


def one(network, W, b, x, t):
    layers = [InputLayer((network.sizes[0],))]
    for w, name in zip(W, shelf.functions(network), strict=True):
        layers += [DenseLayer(w.shape[1]), BiasLayer()]
        layers += [] if name == "identity" else [ActivationLayer(ACT[name])]
    net = Sequential(layers)
    net.compile(loss="mse")
    net.learning_rate = RATE
    dense = [layer for layer in layers if isinstance(layer, DenseLayer)]
    bias = [layer for layer in layers if isinstance(layer, BiasLayer)]
    for layer, w in zip(dense, W, strict=True):
        layer.connections = w.T.copy()
    for layer, c in zip(bias, b, strict=True):
        layer.bias = c.copy()
    _, loss = net._Sequential__learn_single(x, t)
    return (loss, [(w - layer.connections.T) / RATE for layer, w in zip(dense, W, strict=True)],
            [(c - layer.bias) / RATE for layer, c in zip(bias, b, strict=True)])


def run(network, parameters, inputs, targets):
    W, b = network.unpack(parameters)
    found = [one(network, W, b, x, t) for x, t in zip(inputs, targets, strict=True)]
    losses, dW, db = zip(*found, strict=True)
    return np.mean(losses), network.pack([np.mean(each, axis=0) for each in zip(*dW, strict=True)],
                                         [np.mean(each, axis=0) for each in zip(*db, strict=True)])


@implementation(hidden=["sigmoid"], heads=[Head("identity", "squared_error"),
                                           Head("sigmoid", "squared_error")])
def sigmoid(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets)


@implementation(hidden=["tanh"], heads=[Head("identity", "squared_error"),
                                        Head("tanh", "squared_error")])
def tanh(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets)


@implementation(hidden=["relu"], heads=[Head("identity", "squared_error")])
def relu(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets)
