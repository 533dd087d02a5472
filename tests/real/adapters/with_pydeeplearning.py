"""pydeeplearning 0.2.0: its deltas at a learning rate of 1, one example after the other."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("pydeeplearning")
from pydl.network import Network  # noqa: E402


def one(network, W, b, x, t):
    net = Network(list(network.sizes))
    for layer, w, c in zip(net.layers, W, b, strict=True):
        layer.weights, layer.bias = w.T, c[:, None]
    deltas = net.compute_weight_and_bias_deltas(x[:, None], t[:, None], 1.0)
    return net, [w.T for w, _ in deltas], [c[:, 0] for _, c in deltas]


def gradients(network, parameters, inputs, targets):
    W, b = network.unpack(parameters)
    found = [one(network, W, b, x, t) for x, t in zip(inputs, targets, strict=True)]
    return [net for net, _, _ in found], network.pack(
        [np.sum(each, axis=0) for each in zip(*(dw for _, dw, _ in found), strict=True)],
        [np.sum(each, axis=0) for each in zip(*(dc for _, _, dc in found), strict=True)])


@implementation(hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")])
def its_error(network, parameters, inputs, targets):
    """The mean over the examples, as its error is a mean over the outputs."""
    nets, found = gradients(network, parameters, inputs, targets)
    errors = [net.compute_error(x[:, None], t[:, None])
              for net, x, t in zip(nets, inputs, targets, strict=True)]
    return np.mean(errors), {name: g / len(errors) for name, g in found.items()}


@implementation(hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")])
def half_squares(network, parameters, inputs, targets):
    nets, found = gradients(network, parameters, inputs, targets)
    return sum(0.5 * np.sum((net.compute_outputs(x[:, None])[-1][:, 0] - t) ** 2)
               for net, x, t in zip(nets, inputs, targets, strict=True)), found
