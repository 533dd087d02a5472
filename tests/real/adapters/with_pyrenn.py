"""pyrenn 0.1: `BPTT` of a network without delays."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("pyrenn")
shelf.without("pandas")
import pyrenn  # noqa: E402


@implementation(hidden=["tanh"], heads=[Head("identity", "squared_error")], batch=(1, 8),
                depth=(2, None), max_parameters=200)
def bptt(network, parameters, inputs, targets):
    W, b = network.unpack(parameters)
    net = pyrenn.CreateNN(list(network.sizes))
    net["normP"], net["normY"] = np.ones(network.sizes[0]), np.ones(network.sizes[-1])
    data, net = pyrenn.prepare_data(inputs.T, targets.T, net)
    IW = {(1, 1, 0): W[0].T.copy()}
    LW = {(i + 1, i, 0): w.T.copy() for i, w in enumerate(W[1:], 1)}
    net["w"] = pyrenn.Wb2w(net, IW, LW, {i: c.copy() for i, c in enumerate(b, 1)})
    gradient, error = pyrenn.BPTT(net, data)
    found = pyrenn.w2Wb({**net, "w": gradient})
    dW = [found[0][1, 1, 0], *(found[1][i + 1, i, 0] for i in range(1, len(W)))]
    return error, network.pack([np.array(w).T for w in dW],
                               [np.array(found[2][i]).ravel() for i in range(1, len(W) + 1)])
