"""nn-without-frameworks 0.1.3: a Sequential of its Dense layers and its losses."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("nn-without-frameworks")
shelf.without("tabulate", "matplotlib", "matplotlib.pyplot", "tqdm")
from nn_without_frameworks import numpy_nn as nn  # noqa: E402

ACT = {"identity": nn.acts.Linear, "tanh": nn.acts.Tanh, "sigmoid": nn.acts.Sigmoid,
       "relu": nn.acts.ReLU}
HIDDEN = ["tanh", "sigmoid", "relu"]


def run(network, parameters, inputs, targets, loss, shape=lambda p: p):
    dense = []
    for w, b, name in zip(*network.unpack(parameters), shelf.functions(network), strict=True):
        layer = nn.layers.Dense(*w.shape, activation=ACT[name]())
        layer.vars["W"], layer.vars["b"] = w.copy(), b.reshape(1, -1).copy()
        dense.append(layer)
    net = nn.Sequential(*dense)
    value = loss.apply(shape(net(inputs)), shape(targets))
    net.backward(value)
    return np.sum(value.value), network.pack([layer.vars["dW"] for layer in dense],
                                             [layer.vars["db"][0] for layer in dense])


@implementation(hidden=HIDDEN)
def mse(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, nn.losses.MSE())


@implementation(hidden=HIDDEN,
                heads=[Head("sigmoid", "binary_cross_entropy", targets="binary",
                            outputs=(1, 1))])
def binary(network, parameters, inputs, targets):
    """Its BinaryCrossEntropy wants one number an example, without an axis."""
    return run(network, parameters, inputs, targets, nn.losses.BinaryCrossEntropy(),
               lambda p: p.squeeze(-1))
