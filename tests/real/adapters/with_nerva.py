"""nerva-numpy 1.0.0: a MultilayerPerceptron of its layers."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("nerva-numpy")
from nerva_numpy import activation_functions as acts  # noqa: E402
from nerva_numpy import loss_functions as losses  # noqa: E402
from nerva_numpy.layers import ActivationLayer, LinearLayer  # noqa: E402

ACT = {"tanh": acts.HyperbolicTangentActivation, "sigmoid": acts.SigmoidActivation,
       "relu": acts.ReLUActivation, "leaky_relu": lambda: acts.LeakyReLUActivation(0.25)}
HIDDEN = ["tanh", "sigmoid", "relu", {"function": "leaky_relu", "slope": 0.25}]


def run(network, parameters, inputs, targets, loss):
    made = []
    for w, b, name in zip(*network.unpack(parameters), shelf.functions(network), strict=True):
        layer = (LinearLayer(*w.shape) if name == "identity"
                 else ActivationLayer(*w.shape, ACT[name]()))
        layer.W, layer.b = w.T.copy(), b.copy()
        layer.DW, layer.Db = np.zeros_like(layer.W), np.zeros_like(layer.b)
        made.append(layer)
    outputs = [inputs]
    for layer in made:
        outputs.append(layer.feedforward(outputs[-1]))
    delta = loss.gradient(outputs[-1], targets)
    for layer, output in zip(reversed(made), reversed(outputs), strict=False):
        layer.backpropagate(output, delta)
        delta = layer.DX
    return loss(outputs[-1], targets), {
        **network.pack([layer.DW.T for layer in made], [layer.Db for layer in made]),
        "inputs": delta}


@implementation(hidden=HIDDEN, heads=[Head("identity", "squared_error"),
                                      Head("sigmoid", "squared_error")])
def squared_error(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, losses.SquaredErrorLossFunction())


@implementation(hidden=HIDDEN,
                heads=[Head("identity", "softmax_cross_entropy", targets="one_hot")])
def softmax_cross_entropy(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets,
               losses.StableSoftmaxCrossEntropyLossFunction())


@implementation(hidden=HIDDEN,
                heads=[Head("identity", "sigmoid_cross_entropy", targets="binary")])
def logistic_cross_entropy(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, losses.LogisticCrossEntropyLossFunction())
