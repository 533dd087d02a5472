"""convnetjs 0.3.0: a Net of fully connected layers, `forward` and `backward`."""

from backproof import Head, implementation
from node import Node

js = Node("convnetjs", "convnet.cjs")


@implementation(hidden=["sigmoid", "relu"], heads=[Head("identity", "squared_error")])
def regression(network, parameters, inputs, targets):
    """The loss that its RegressionLayer reports."""
    return js.ask("regression", network, parameters, inputs, targets)


@implementation(hidden=["sigmoid", "relu"],
                heads=[Head("identity", "softmax_cross_entropy", targets="index",
                            outputs=(2, None))])
def softmax(network, parameters, inputs, targets):
    return js.ask("softmax", network, parameters, inputs, targets)


@implementation(hidden=["tanh"],
                heads=[Head("identity", "softmax_cross_entropy", targets="index",
                            outputs=(2, None))])
def tanh(network, parameters, inputs, targets):
    return js.ask("softmax", network, parameters, inputs, targets)
