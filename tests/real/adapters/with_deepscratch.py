"""deepscratch 0.0.4: its layer classes, plugged in as layers, and its loss."""

import shelf
from backproof import Head, implementation

shelf.use("deepscratch")
from deepscratch.layers import Linear, ReLU, Sigmoid  # noqa: E402
from deepscratch.losses import mse_loss  # noqa: E402

ACT = {"relu": ReLU, "sigmoid": Sigmoid}


def run(network, parameters, inputs, targets):
    dense, stack = [], []
    for w, b, name in zip(*network.unpack(parameters), shelf.functions(network), strict=True):
        layer = Linear(*w.shape)
        layer.W, layer.b = w, b.reshape(1, -1)
        dense.append(layer)
        stack += [layer] if name == "identity" else [layer, ACT[name]()]
    x = inputs
    for layer in stack:
        x = layer(x)
    loss = mse_loss(targets, x)
    grad = loss.grad
    for layer in reversed(stack):
        grad = layer.backward(grad)
    return loss.value, {**network.pack([layer.dparameters()[0] for layer in dense],
                                       [layer.dparameters()[1][0] for layer in dense]),
                        "inputs": grad}


@implementation(hidden=["sigmoid"], heads=[Head("identity", "squared_error")])
def sigmoid(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets)


@implementation(hidden=["relu"], heads=[Head("identity", "squared_error")])
def relu(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets)
