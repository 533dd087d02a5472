"""neataptic 1.4.7: `propagate` without an update; what it has gathered is rate times the gradient.

And with an update after every example, at a learning rate that people use.
"""

from backproof import Head, implementation
from node import Node

js = Node("neataptic", "neataptic.cjs")
SMALL = {"batch": (1, 8), "max_parameters": 200}
HIDDEN = ["tanh", "sigmoid", "relu"]


@implementation(hidden=HIDDEN, heads=[Head("identity", "squared_error")], **SMALL)
def identity_mse(network, parameters, inputs, targets):
    """Its cost MSE, the mean over the outputs."""
    return js.ask("mse", network, parameters, inputs, targets, update=False, rate=1.0)


@implementation(hidden=HIDDEN, heads=[Head("identity", "squared_error")], **SMALL)
def identity_half(network, parameters, inputs, targets):
    return js.ask("half", network, parameters, inputs, targets, update=False, rate=1.0)


@implementation(hidden=HIDDEN, heads=[Head("tanh", "squared_error"),
                                      Head("sigmoid", "squared_error")], **SMALL)
def squashed_half(network, parameters, inputs, targets):
    return js.ask("half", network, parameters, inputs, targets, update=False, rate=1.0)


@implementation(hidden=HIDDEN,
                heads=[Head("sigmoid", "binary_cross_entropy", targets="binary")], **SMALL)
def cross_entropy(network, parameters, inputs, targets):
    return js.ask("crossEntropy", network, parameters, inputs, targets, update=False, rate=1.0)


@implementation(hidden=HIDDEN, heads=[Head("identity", "squared_error")], depth=(2, None),
                rate=0.25, **{**SMALL, "batch": (1, 1)})
def online(network, parameters, inputs, targets):
    return js.ask("half", network, parameters, inputs, targets, update=True, rate=0.25)
