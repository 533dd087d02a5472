"""numpyneuron 0.6: one step of its NN; the gradient is (old - new) / learning_rate.

It counts in float32 where it makes its own weights; here they are the ones asked for.
"""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("numpyneuron")
shelf.without("gradio", "tqdm")
from numpyneuron.activation import Relu, Sigmoid, TanH  # noqa: E402
from numpyneuron.loss import MSE, CrossEntropyWithLogits  # noqa: E402
from numpyneuron.nn import NN  # noqa: E402

RATE = 2.0**-60  # far below where it clips its steps; the old weights are zero in the difference
ACT = {"tanh": TanH, "sigmoid": Sigmoid, "relu": Relu}


def run(network, parameters, inputs, targets, output, loss, rate):
    W, b = network.unpack(parameters)
    net = NN(epochs=1, learning_rate=rate, hidden_size=network.sizes[1],
             input_size=network.sizes[0], batch_size=1.0, output_size=network.sizes[2],
             hidden_activation_fn=ACT[network.hidden[0]](), output_activation_fn=output,
             loss_fn=loss, seed=0)
    net._wh, net._wo, net._bh, net._bo = W[0], W[1], b[0][None], b[1][None]
    p, hidden = net._forward_fn(X_train=inputs)
    value = loss.forward(p, targets)
    net._wh, net._bh, net._bo = (np.zeros_like(a) for a in (net._wh, net._bh, net._bo))
    net._wo = Kept(W[1])
    net._backward(inputs, p, targets, hidden)
    return value, network.pack([-net._wh / rate, -net._wo.change / rate],
                               [-net._bh[0] / rate, -net._bo[0] / rate])


class Kept:
    """The output weights: they are asked for on the way down, so only their change is kept."""

    def __init__(self, value):
        self.value, self.change = value, 0.0

    @property
    def T(self):  # noqa: N802 - NumPy's name
        return self.value.T

    def __isub__(self, step):
        self.change = -step
        return self


@implementation(hidden=["tanh", "sigmoid", "relu"], depth=(2, 2),
                heads=[Head("sigmoid", "squared_error")])
def mse_sigmoid(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, Sigmoid(), MSE(), RATE)


@implementation(hidden=["tanh"], depth=(2, 2), heads=[Head("tanh", "squared_error")])
def mse_tanh(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, TanH(), MSE(), RATE)


@implementation(hidden=["relu"], depth=(2, 2),
                heads=[Head("identity", "softmax_cross_entropy", targets="one_hot")])
def relu_logits(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, Relu(), CrossEntropyWithLogits(), RATE)


@implementation(hidden=["relu"], depth=(2, 2),
                heads=[Head("identity", "softmax_cross_entropy", targets="one_hot")])
def clipped(network, parameters, inputs, targets):
    """At a learning rate of 1 its clipping at 1 is in the gradient."""
    return run(network, parameters, inputs, targets, Relu(), CrossEntropyWithLogits(), 1.0)
