"""PyBrain (pybrain3 3.0.4): a network of its layers and the derivatives of BackpropTrainer."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("pybrain3")
shelf.old_names()
shelf.without("matplotlib", "matplotlib.pyplot", "pylab")
from pybrain3.structure import (  # noqa: E402
    BiasUnit,
    FeedForwardNetwork,
    FullConnection,
    LinearLayer,
    SigmoidLayer,
    SoftmaxLayer,
    TanhLayer,
)
from pybrain3.supervised.trainers import BackpropTrainer  # noqa: E402

LAYER = {"identity": LinearLayer, "tanh": TanhLayer, "sigmoid": SigmoidLayer,
         "softmax": SoftmaxLayer}
SMALL = {"batch": (1, 8), "max_parameters": 200, "hidden": ["tanh", "sigmoid"]}


def build(network, parameters):
    net, bias, below = FeedForwardNetwork(), BiasUnit(), LinearLayer(network.sizes[0])
    net.addInputModule(below)
    net.addModule(bias)
    names, pairs = shelf.functions(network), []
    for i, (w, b, name) in enumerate(zip(*network.unpack(parameters), names, strict=True)):
        layer = LAYER[name](w.shape[1])
        (net.addOutputModule if i == len(names) - 1 else net.addModule)(layer)
        pair = FullConnection(below, layer), FullConnection(bias, layer)
        net.addConnection(pair[0])
        net.addConnection(pair[1])
        pairs.append((*pair, w, b))
        below = layer
    net.sortModules()
    for weight, shift, w, b in pairs:
        weight.params[:], shift.params[:] = w.T.ravel(), b
    return net, pairs


def run(network, parameters, inputs, targets):
    net, pairs = build(network, parameters)
    net.resetDerivatives()
    trainer = BackpropTrainer(net)
    loss = sum(trainer._calcDerivs([(x, t)])[0] for x, t in zip(inputs, targets, strict=True))
    return loss, network.pack([-weight.derivs.reshape(w.T.shape).T for weight, _, w, _ in pairs],
                              [-np.array(shift.derivs) for _, shift, _, _ in pairs])


@implementation(heads=[Head("identity", "squared_error"), Head("tanh", "squared_error"),
                       Head("sigmoid", "squared_error")], **SMALL)
def squares(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets)


@implementation(heads=[Head("softmax", "squared_error", targets="one_hot", outputs=(2, None))],
                **SMALL)
def softmax(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets)
