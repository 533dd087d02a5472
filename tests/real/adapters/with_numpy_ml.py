"""numpy-ml 0.1.2: its FullyConnected layers and its loss objects."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("numpy-ml")
shelf.old_names()
shelf.without("matplotlib", "matplotlib.pyplot", "seaborn")
from numpy_ml.neural_nets.activations import Identity, SoftPlus  # noqa: E402
from numpy_ml.neural_nets.layers import FullyConnected, Softmax  # noqa: E402
from numpy_ml.neural_nets.losses import CrossEntropy, SquaredError  # noqa: E402

ACTIVATION = {"identity": None, "tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "ReLU",
              "softplus": SoftPlus(), "leaky_relu": "Leaky ReLU(alpha=0.3)"}


def build(network, parameters):
    made = []
    for w, b, name in zip(*network.unpack(parameters), [*network.hidden, "identity"], strict=True):
        layer = FullyConnected(w.shape[1], act_fn=ACTIVATION[name])
        layer.n_in = w.shape[0]
        layer._init_params()
        layer.parameters["W"], layer.parameters["b"] = w.copy(), b.reshape(1, -1).copy()
        made.append(layer)
    return made


def backward(network, made, delta):
    for layer in reversed(made):
        delta = layer.backward(delta)
    return {**network.pack([np.array(layer.gradients["W"]) for layer in made],
                           [layer.gradients["b"][0] for layer in made]), "inputs": delta}


def forward(made, x):
    for layer in made:
        x = layer.forward(x)
    return x


def squares(network, parameters, inputs, targets):
    made = build(network, parameters)
    p = forward(made, inputs)
    return SquaredError.loss(targets, p), backward(
        network, made, SquaredError.grad(targets, p, p, Identity()))


@implementation(hidden=["tanh", "sigmoid", "relu", {"function": "leaky_relu", "slope": 0.3}])
def squared(network, parameters, inputs, targets):
    return squares(network, parameters, inputs, targets)


@implementation(hidden=["softplus"])
def softplus(network, parameters, inputs, targets):
    return squares(network, parameters, inputs, targets)


@implementation(hidden=["tanh", "relu"],
                heads=[Head("softmax", "cross_entropy", targets="one_hot")])
def cross_entropy(network, parameters, inputs, targets):
    made = build(network, parameters)
    p = Softmax().forward(forward(made, inputs))
    return CrossEntropy.loss(targets, p), backward(network, made, CrossEntropy.grad(targets, p))
