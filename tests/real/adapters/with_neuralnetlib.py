"""neuralnetlib 5.0.0: `Sequential.train_on_batch`, and the gradients its layers keep."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("neuralnetlib")
shelf.without("matplotlib", "matplotlib.pyplot")
from neuralnetlib.activations import GELU, LeakyReLU  # noqa: E402
from neuralnetlib.layers import Activation, Dense, Input  # noqa: E402
from neuralnetlib.models import Sequential  # noqa: E402
from neuralnetlib.optimizers import SGD  # noqa: E402

ACT = {"gelu_tanh": GELU, "leaky_relu": LeakyReLU}
HIDDEN = ["tanh", "sigmoid", "relu", "gelu_tanh", {"function": "leaky_relu", "slope": 0.01}]


def run(network, parameters, inputs, targets, loss, clip=1e300):
    model, dense = Sequential(gradient_clip_threshold=clip, enable_padding=False), []
    model.add(Input(network.sizes[0]))
    for w, b, name in zip(*network.unpack(parameters), shelf.functions(network), strict=True):
        layer = Dense(w.shape[1], input_dim=w.shape[0])
        model.add(layer)
        layer.initialize_weights(w.shape[0])
        layer.weights, layer.bias = w.copy(), b.reshape(1, -1).copy()
        dense.append(layer)
        if name != "identity":
            model.add(Activation(ACT[name]() if name in ACT else name))
    model.compile(loss, SGD(learning_rate=0.01))
    value = model.train_on_batch(inputs, targets)
    return value, network.pack([np.array(layer.d_weights) for layer in dense],
                               [np.array(layer.d_bias[0]) for layer in dense])


@implementation(hidden=HIDDEN)
def mse(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, "mse")


@implementation(hidden=HIDDEN, heads=[Head("sigmoid", "squared_error"),
                                      Head("softmax", "squared_error")])
def mse_squashed(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, "mse")


@implementation(hidden=HIDDEN)
def mse_clipped(network, parameters, inputs, targets):
    """As the constructor makes it: gradient_clip_threshold=1."""
    return run(network, parameters, inputs, targets, "mse", clip=1.0)


@implementation(hidden=HIDDEN,
                heads=[Head("softmax", "cross_entropy", targets="one_hot")])
def categorical(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, "cce")


@implementation(hidden=HIDDEN,
                heads=[Head("sigmoid", "binary_cross_entropy", targets="binary")])
def binary(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, "bce")
