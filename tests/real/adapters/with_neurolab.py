"""neurolab 0.3.5: `tool.ff_grad`, as its gradient descent calls it."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("neurolab")
shelf.old_names()
import neurolab as nl  # noqa: E402

TRANSFER = {"tanh": nl.trans.TanSig, "sigmoid": nl.trans.LogSig, "identity": nl.trans.PureLin,
            "softmax": nl.trans.SoftMax}
SQUARED = [Head(name, "squared_error") for name in ("identity", "tanh", "sigmoid")]


def run(network, parameters, inputs, targets, error):
    weights, biases = network.unpack(parameters)
    net = nl.net.newff([[-1, 1]] * network.sizes[0], list(network.sizes[1:]),
                       transf=[TRANSFER[name]() for name in shelf.functions(network)])
    for layer, w, b in zip(net.layers, weights, biases, strict=True):
        layer.np["w"][:], layer.np["b"][:] = w.T, b
    net.errorf = error
    grad, _, output = nl.tool.ff_grad(net, inputs, targets)
    return error(targets, output), network.pack([np.array(g["w"].T) for g in grad],
                                                [np.array(g["b"]) for g in grad])


@implementation(hidden=["tanh", "sigmoid"], heads=SQUARED)
def mse(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, nl.error.MSE())


@implementation(hidden=["tanh", "sigmoid"], heads=SQUARED)
def sse(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, nl.error.SSE())


@implementation(hidden=["tanh", "sigmoid"], heads=[Head("identity", "absolute_error")])
def sae(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, nl.error.SAE())


@implementation(hidden=["tanh", "sigmoid"], heads=[Head("identity", "absolute_error")])
def mae(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, nl.error.MAE())


@implementation(hidden=["tanh", "sigmoid"],
                heads=[Head("sigmoid", "binary_cross_entropy", targets="binary")])
def cee(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, nl.error.CEE())


@implementation(hidden=["tanh", "sigmoid"], heads=[Head("softmax", "squared_error")])
def softmax(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, nl.error.SSE())
