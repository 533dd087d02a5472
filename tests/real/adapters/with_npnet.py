"""npnet 0.0.10: a Module of Dense layers. It counts in float32, so float32 is claimed."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("npnet")
shelf.old_names()
import npnet  # noqa: E402

ACT = {"identity": npnet.act.Linear, "tanh": npnet.act.Tanh, "sigmoid": npnet.act.Sigmoid,
       "relu": npnet.act.ReLU, "leaky_relu": npnet.act.LeakyReLU, "softplus": npnet.act.SoftPlus}
HIDDEN = ["tanh", "sigmoid", "relu", {"function": "leaky_relu", "slope": 0.01}]


def run(network, parameters, inputs, targets, loss):
    module = npnet.Module()
    dense = [npnet.layers.Dense(*w.shape, activation=ACT[name]()) for w, name in
             zip(network.unpack(parameters)[0], shelf.functions(network), strict=True)]
    net = module.sequential(*dense)
    for layer, w, b in zip(dense, *network.unpack(parameters), strict=True):
        layer.w[:], layer.b[:] = w, b
    value = loss(net(inputs), targets)
    module.backward(value)
    found = [module.params[layer.name]["grads"] for layer in dense]
    return value.data, network.pack([np.array(g["w"]) for g in found], [g["b"][0] for g in found])


@implementation(hidden=HIDDEN, dtypes=["float32"])
def mse(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, npnet.losses.MSE())


@implementation(hidden=HIDDEN)
def mse_in_float64(network, parameters, inputs, targets):
    """What a user claims who has not read that it casts to float32."""
    loss, gradients = run(network, parameters, inputs, targets, npnet.losses.MSE())
    return float(loss), {name: g.astype(np.float64) for name, g in gradients.items()}


@implementation(hidden=HIDDEN, dtypes=["float32"],
                heads=[Head("identity", "softmax_cross_entropy", targets="one_hot")])
def softmax_cross_entropy(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, npnet.losses.SoftMaxCrossEntropyWithLogits())


@implementation(hidden=HIDDEN, dtypes=["float32"],
                heads=[Head("sigmoid", "binary_cross_entropy", targets="binary")])
def sigmoid_cross_entropy(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, npnet.losses.SigmoidCrossEntropy())
