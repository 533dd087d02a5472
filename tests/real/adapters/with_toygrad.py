"""toygrad 2.6.0: a NeuralNetwork of its layers, forward and backward. Its buffers are float32."""

import numpy as np
from backproof import Head, implementation
from node import Node

js = Node("toygrad", "toygrad.mjs")


def run(what, network, parameters, inputs, targets):
    loss, found = js.ask(what, network, parameters, inputs, targets)
    return loss, {name: g.astype(np.float32) for name, g in found.items()}


@implementation(hidden=["sigmoid", "relu"], heads=[Head("identity", "squared_error")],
                dtypes=["float32"])
def regression(network, parameters, inputs, targets):
    return run("regression", network, parameters, inputs, targets)


@implementation(hidden=["sigmoid", "relu"], dtypes=["float32"],
                heads=[Head("identity", "softmax_cross_entropy", targets="index",
                            outputs=(2, None))])
def softmax(network, parameters, inputs, targets):
    return run("softmax", network, parameters, inputs, targets)


@implementation(hidden=[{"function": "leaky_relu", "slope": 0.01}], dtypes=["float32"],
                heads=[Head("identity", "softmax_cross_entropy", targets="index",
                            outputs=(2, None))])
def leaky(network, parameters, inputs, targets):
    return run("softmax", network, parameters, inputs, targets)
