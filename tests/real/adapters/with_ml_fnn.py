"""ml-fnn 5.0.0: `propagate` and `backpropagation` of its network, with its `dW` and `db`.

Its option `activation` never arrives (it asks `Object.keys(...)` with `in`), so the hidden layers
are tanh unless the layers are told themselves; both are asked.
"""

from backproof import Head, implementation
from node import Node

js = Node("ml-fnn", "ml_fnn.cjs")
CLASSES = {"depth": (2, None), "heads": [Head("softmax", "cross_entropy", targets="one_hot",
                                              outputs=(2, None))]}


@implementation(hidden=["tanh"], **CLASSES)
def tanh(network, parameters, inputs, targets):
    return js.ask("run", network, parameters, inputs, targets)


@implementation(hidden=["sigmoid"], **CLASSES)
def option_sigmoid(network, parameters, inputs, targets):
    """As a user writes it: new FeedForwardNeuralNetwork({activation: "logistic"})."""
    return js.ask("run", network, parameters, inputs, targets)


@implementation(hidden=["sigmoid"], **CLASSES)
def layer_sigmoid(network, parameters, inputs, targets):
    return js.ask("told", network, parameters, inputs, targets)


@implementation(hidden=["softplus"], **CLASSES)
def layer_softplus(network, parameters, inputs, targets):
    return js.ask("told", network, parameters, inputs, targets)
