"""@liquid-carrot/carrot 0.3.20: `propagate` without an update; what it has gathered."""

from backproof import Head, implementation
from node import Node

js = Node("@liquid-carrot/carrot", "carrot.cjs")
SMALL = {"batch": (1, 8), "max_parameters": 200}


@implementation(hidden=["tanh", "sigmoid"], heads=[Head("identity", "squared_error")], **SMALL)
def smooth(network, parameters, inputs, targets):
    return js.ask("half", network, parameters, inputs, targets)


@implementation(hidden=["relu"], heads=[Head("identity", "squared_error")], **SMALL)
def relu(network, parameters, inputs, targets):
    return js.ask("half", network, parameters, inputs, targets)


@implementation(hidden=["tanh", "sigmoid"], heads=[Head("sigmoid", "squared_error")], **SMALL)
def its_mse(network, parameters, inputs, targets):
    """Its cost MSE, the mean over the outputs, on its default output, the logistic."""
    return js.ask("mse", network, parameters, inputs, targets)
