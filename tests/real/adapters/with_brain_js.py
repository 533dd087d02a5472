"""brain.js 1.6.1: `runInput` and `calculateDeltas` of its NeuralNetwork, one example at a time.

One activation serves every layer, the output too. The loss is the error it reports, its `mse`.
"""

import numpy as np
from backproof import Head, implementation
from node import Node

js = Node("brain.js", "brain.cjs")
SMALL = {"max_parameters": 400, "batch": (1, 16)}
SINGLE = {**SMALL, "dtypes": ["float32"]}  # its outputs and deltas are Float32Arrays


def ask(what, network, parameters, inputs, targets):
    loss, found = js.ask(what, network, parameters, inputs, targets)
    return loss, {name: g.astype(np.float32) for name, g in found.items()}


@implementation(hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")], **SMALL)
def in_float64(network, parameters, inputs, targets):
    """What a user claims of JavaScript's numbers."""
    return js.ask("half", network, parameters, inputs, targets)


@implementation(hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")], **SINGLE)
def sigmoid(network, parameters, inputs, targets):
    return ask("mse", network, parameters, inputs, targets)


@implementation(hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")], **SINGLE)
def sigmoid_half(network, parameters, inputs, targets):
    return ask("half", network, parameters, inputs, targets)


@implementation(hidden=["tanh"], heads=[Head("tanh", "squared_error")], **SINGLE)
def tanh_half(network, parameters, inputs, targets):
    return ask("half", network, parameters, inputs, targets)


@implementation(hidden=["relu"], heads=[Head("relu", "squared_error")], **SINGLE)
def relu_half(network, parameters, inputs, targets):
    return ask("half", network, parameters, inputs, targets)


@implementation(hidden=[{"function": "leaky_relu", "slope": 0.01}],
                heads=[Head("identity", "squared_error")], depth=(2, None), **SINGLE)
def leaky(network, parameters, inputs, targets):
    """Its output layer is another leaky relu; claimed is the nearest that can be."""
    return ask("half", network, parameters, inputs, targets)
