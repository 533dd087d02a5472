"""synaptic 1.1.4: `network.propagate` after `activate`, one example after the other.

The step is read off the weights, at a learning rate that people use.
"""

from backproof import Head, implementation
from node import Node

js = Node("synaptic", "synaptic.cjs")
RATE = 0.25
SMALL = {"batch": (1, 8), "max_parameters": 200}
ONE = {**SMALL, "batch": (1, 1)}  # its step is that of one example


@implementation(hidden=["tanh", "sigmoid", "relu"], heads=[Head("identity", "squared_error")],
                depth=(2, None), rate=RATE, **ONE)
def identity_mse(network, parameters, inputs, targets):
    """Its cost MSE, the mean over the outputs."""
    return js.ask("mse", network, parameters, inputs, targets, rate=RATE)


@implementation(hidden=["tanh", "sigmoid", "relu"], heads=[Head("identity", "squared_error")],
                depth=(2, None), rate=RATE, **ONE)
def identity_half(network, parameters, inputs, targets):
    return js.ask("half", network, parameters, inputs, targets, rate=RATE)


@implementation(hidden=["tanh", "sigmoid", "relu"], heads=[Head("identity", "squared_error")],
                depth=(1, 1), **SMALL)
def one_layer(network, parameters, inputs, targets):
    return js.ask("half", network, parameters, inputs, targets, rate=2.0**60)


@implementation(heads=[Head("sigmoid", "squared_error")], depth=(1, 1), **SMALL)
def sigmoid_half(network, parameters, inputs, targets):
    return js.ask("half", network, parameters, inputs, targets, rate=2.0**60)


@implementation(heads=[Head("sigmoid", "binary_cross_entropy", targets="binary")],
                depth=(1, 1), **SMALL)
def sigmoid_cross_entropy(network, parameters, inputs, targets):
    return js.ask("crossEntropy", network, parameters, inputs, targets, rate=2.0**60)
