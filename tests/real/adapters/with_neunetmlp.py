"""NeuNetMlp 0.0.4: two layers of sigmoids without biases; the step it adds to its weights."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("neunetmlp")
from NeuNetMlp import Network  # noqa: E402


@implementation(hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")], bias="never",
                depth=(2, 2))
def two_layers(network, parameters, inputs, targets):
    W, _ = network.unpack(parameters)
    net = Network(*network.sizes)
    net.W1, net.W2 = W[0].copy(), W[1].copy()
    output = net.run(inputs)
    net.W1, net.W2 = np.zeros_like(W[0]), Kept(W[1])
    net.backward(inputs, targets, output)
    return 0.5 * np.sum((targets - output) ** 2), network.pack([-net.W1, -net.W2.change],
                                                               [None, None])


class Kept:
    """The output weights: they are asked for on the way down, so only their change is kept."""

    def __init__(self, value):
        self.value, self.change = value, 0.0

    @property
    def T(self):  # noqa: N802 - NumPy's name
        return self.value.T

    def __iadd__(self, step):
        self.change = step
        return self
