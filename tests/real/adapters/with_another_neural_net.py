"""another-neural-net 0.1: `backpropagate` of its MLP; the step, divided by the learning rate."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("another-neural-net")
shelf.without("matplotlib", "matplotlib.pyplot", "seaborn")
from numpy_neural_nets import MLP  # noqa: E402

RATE = 2.0**60  # the weights themselves are lost in the step, and so is their rounding


def run(network, parameters, inputs, targets, activation):
    W, b = network.unpack(parameters)
    net = MLP(inputs, targets, nodes=tuple(network.sizes), learning_rate=RATE,
              activation_function=activation)
    net.weights = [np.vstack([c, w]) for w, c in zip(W, b, strict=True)]
    before = [w.copy() for w in net.weights]
    hypothesis = net.feedforward(inputs)
    loss = np.sum(0.5 * (targets - hypothesis) ** 2)
    net.backpropagate(hypothesis, targets)
    steps = [(old - new) / RATE for old, new in zip(before, net.weights, strict=True)]
    return loss, network.pack([s[1:] for s in steps], [s[0] for s in steps])


@implementation(hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")])
def sigmoid(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, "sigmoid")


@implementation(hidden=["tanh"], heads=[Head("tanh", "squared_error")])
def tanh(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, "tanh")


@implementation(hidden=["relu"], heads=[Head("relu", "squared_error")])
def relu(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, "relu")
