"""neograd 0.0.4: its Linear layers, its activations and its losses."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("neograd")
shelf.old_names()
shelf.without("dill", "graphviz")
import neograd as ng  # noqa: E402
from neograd.nn import activations  # noqa: E402
from neograd.nn import loss as losses  # noqa: E402
from neograd.nn.layers import Linear  # noqa: E402

ACT = {"tanh": activations.Tanh, "sigmoid": activations.Sigmoid, "relu": activations.ReLU}


def run(network, parameters, inputs, targets, loss, last=None):
    x, dense = ng.tensor(inputs), []
    W, b = network.unpack(parameters)
    for i, (w, c) in enumerate(zip(W, b, strict=True)):
        layer = Linear(*w.shape)
        layer.weights.data, layer.bias.data = w, c.reshape(1, -1)
        dense.append(layer)
        x = layer(x)
        if i < len(W) - 1:
            x = ACT[network.hidden[i]]()(x)
    value = loss(last(x) if last else x, ng.tensor(targets))
    value.backward()
    return value.data, network.pack([np.array(layer.weights.grad) for layer in dense],
                                    [np.array(layer.bias.grad).reshape(-1) for layer in dense])


@implementation(hidden=["tanh", "sigmoid", "relu"])
def mse(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, losses.MSE())


@implementation(hidden=["tanh", "sigmoid", "relu"],
                heads=[Head("identity", "softmax_cross_entropy", targets="one_hot")])
def softmax_ce(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, losses.SoftmaxCE(axis=1))


@implementation(hidden=["tanh", "sigmoid", "relu"],
                heads=[Head("softmax", "cross_entropy", targets="one_hot")])
def ce(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, losses.CE(), activations.Softmax(axis=1))


@implementation(hidden=["tanh", "sigmoid", "relu"],
                heads=[Head("sigmoid", "binary_cross_entropy", targets="soft")])
def bce(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, losses.BCE(), activations.Sigmoid())
