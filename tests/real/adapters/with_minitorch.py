"""minitorch 0.1.0: its Linear layers, its activations, `backward`."""

import shelf
from backproof import Head, implementation


def load():
    """The package calls itself torch; it is loaded by its file, and PyTorch left alone."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(
        "minitorch_library", shelf.folder("minitorch") / "torch" / "minitorch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mt = load()
ACT = {"tanh": mt.Tanh, "sigmoid": mt.Sigmoid, "relu": mt.ReLU, "leaky_relu": mt.LeakyReLU,
       "softmax": mt.Softmax}
HIDDEN = ["tanh", "sigmoid", "relu", {"function": "leaky_relu", "slope": 0.01}]


def run(network, parameters, inputs, targets, loss):
    x = given = mt.Tensor(inputs, requires_grad=True)
    dense = []
    for w, b, name in zip(*network.unpack(parameters), shelf.functions(network), strict=True):
        layer = mt.Linear(*w.shape)
        layer.W, layer.b = mt.Tensor(w, requires_grad=True), mt.Tensor(b, requires_grad=True)
        dense.append(layer)
        x = layer(x)
        x = x if name == "identity" else ACT[name]()(x)
    value = loss(x, mt.Tensor(targets))
    value.backward()
    return value.data, {**network.pack([layer.W.grad for layer in dense],
                                       [layer.b.grad for layer in dense]), "inputs": given.grad}


@implementation(hidden=HIDDEN)
def mse(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, mt.mse)


@implementation(hidden=HIDDEN, heads=[Head("softmax", "squared_error")])
def softmax_mse(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, mt.mse)


@implementation(hidden=HIDDEN, heads=[Head("softmax", "cross_entropy", targets="one_hot")])
def cross_entropy(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, mt.cross_entropy)


@implementation(hidden=HIDDEN,
                heads=[Head("sigmoid", "binary_cross_entropy", targets="binary")])
def bce(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, mt.bce)
