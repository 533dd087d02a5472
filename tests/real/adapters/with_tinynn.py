"""tinynn 0.1.1: its Net, its layers and its losses."""

import shelf
from backproof import Head, implementation

shelf.use("tinynn")
shelf.without("tinynn.utils.dataset")
from tinynn.core import layer as layers  # noqa: E402
from tinynn.core.loss import MAE, MSE, SigmoidCrossEntropy, SoftmaxCrossEntropy  # noqa: E402
from tinynn.core.net import Net  # noqa: E402

ACTIVATION = {"tanh": layers.Tanh, "sigmoid": layers.Sigmoid, "relu": layers.ReLU,
              "softplus": layers.Softplus, "leaky_relu": layers.LeakyReLU, "gelu": layers.GELU}
HIDDEN = ["tanh", "sigmoid", "relu", "softplus", {"function": "leaky_relu", "slope": 0.2}]


def run(network, parameters, inputs, targets, loss):
    dense, stack = [], []
    for w, b, name in zip(*network.unpack(parameters), shelf.functions(network), strict=True):
        layer = layers.Dense(w.shape[1])
        layer.shapes["w"][0] = w.shape[0]
        layer._init_params()
        layer.params["w"], layer.params["b"] = w, b
        dense.append(layer)
        stack += [layer] if name == "identity" else [layer, ACTIVATION[name]()]
    net = Net(stack)
    p = net.forward(inputs)
    found = net.backward(loss.grad(p, targets))
    return loss.loss(p, targets), {
        **network.pack([layer.grads["w"] for layer in dense],
                       [layer.grads["b"] for layer in dense]), "inputs": found.wrt_input}


@implementation(hidden=HIDDEN, heads=[Head("identity", "squared_error"),
                                      Head("tanh", "squared_error")])
def mse(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, MSE())


@implementation(hidden=HIDDEN, heads=[Head("identity", "absolute_error")])
def mae(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, MAE())


@implementation(hidden=HIDDEN,
                heads=[Head("identity", "softmax_cross_entropy", targets="one_hot")])
def softmax_cross_entropy(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, SoftmaxCrossEntropy())


@implementation(hidden=HIDDEN,
                heads=[Head("identity", "sigmoid_cross_entropy", targets="binary")])
def sigmoid_cross_entropy(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, SigmoidCrossEntropy())


@implementation(hidden=["gelu"])
def gelu(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, MSE())
