"""numpy-neural-network 0.1.8: `backward_propagate` of its DenseLayers, the step at a rate of 1."""

import shelf
from backproof import Head, implementation

shelf.use("numpy-neural-network")
shelf.without("h5py", "tqdm")
from numpy_neural_network import nn  # noqa: E402

RATE = 2.0**60  # the weights themselves are lost in the step, and so is their rounding


def run(network, parameters, inputs, targets):
    W, b = network.unpack(parameters)
    layers = [nn.DenseLayer(network.sizes[0], network.sizes[0], "none", is_input=True)]
    names = shelf.functions(network)
    for i, (w, c, name) in enumerate(zip(W, b, names, strict=True)):
        layer = nn.DenseLayer(w.shape[1], w.shape[0], name, is_output=i == len(W) - 1)
        layer.weights, layer.bias = w.T.copy(), c[:, None].copy()
        layers.append(layer)
    output, caches = nn.forward_propagate(layers, inputs)
    count = network.sizes[-1]
    loss = layers[-1].loss(output, targets, count, 0.0)
    nn.backward_propagate(layers, targets, RATE, 0.0, count, caches)
    return loss, network.pack(
        [(w - layer.weights.T) / RATE for layer, w in zip(layers[1:], W, strict=True)],
        [(c - layer.bias[:, 0]) / RATE for layer, c in zip(layers[1:], b, strict=True)])


@implementation(hidden=["sigmoid"],
                heads=[Head("sigmoid", "binary_cross_entropy", targets="binary",
                            outputs=(1, 1))])
def one_sigmoid(network, parameters, inputs, targets):
    """One output is the probability of label 0, as it counts labels."""
    return run(network, parameters, inputs, 1 - targets[:, 0])


@implementation(hidden=["sigmoid"],
                heads=[Head("softmax", "cross_entropy", targets="index", outputs=(2, None))])
def softmax(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets)
