"""DeZero 0.0.13: functions of its Variables, and `backward`."""

import shelf
from backproof import Head, implementation

shelf.use("dezero")
shelf.old_names()
shelf.without("PIL", "PIL.Image", "matplotlib", "matplotlib.pyplot")
import dezero.functions as F  # noqa: E402
from dezero import Variable  # noqa: E402

FUNCTION = {"identity": lambda x: x, "tanh": F.tanh, "sigmoid": F.sigmoid, "relu": F.relu,
            "leaky_relu": F.leaky_relu, "softmax": F.softmax}
HIDDEN = ["tanh", "sigmoid", "relu", {"function": "leaky_relu", "slope": 0.2}]


def run(network, parameters, inputs, targets, loss):
    leaves = {name: Variable(value) for name, value in parameters.items()}
    x = given = Variable(inputs)
    W, b = network.unpack(leaves)
    for w, c, name in zip(W, b, shelf.functions(network), strict=True):
        x = FUNCTION[name](F.linear(x, w, c))
    value = loss(x, targets)
    value.backward()
    return value.data, {**{name: leaf.grad.data for name, leaf in leaves.items()},
                        "inputs": given.grad.data}


@implementation(hidden=HIDDEN, heads=[Head(name, "squared_error")
                                      for name in ("identity", "tanh", "sigmoid", "softmax")])
def mean_squared_error(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, F.mean_squared_error)


@implementation(hidden=HIDDEN, heads=[Head("identity", "softmax_cross_entropy", targets="index")])
def softmax_cross_entropy(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, F.softmax_cross_entropy)


@implementation(hidden=HIDDEN,
                heads=[Head("sigmoid", "binary_cross_entropy", targets="binary")])
def binary_cross_entropy(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, F.binary_cross_entropy)


@implementation(hidden=HIDDEN,
                heads=[Head("identity", "sigmoid_cross_entropy", targets="binary")])
def sigmoid_cross_entropy(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, F.sigmoid_cross_entropy)
