"""pyfit 1.0.2: its MLP of Scalars, number by number."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("pyfit")
from pyfit.engine import Scalar  # noqa: E402
from pyfit.metrics import mean_squared_error  # noqa: E402
from pyfit.nn import MLP  # noqa: E402


@implementation(hidden=["relu"], heads=[Head("identity", "squared_error", outputs=(1, 1))],
                batch=(1, 4), depth=(1, 8), max_parameters=60)
def mlp(network, parameters, inputs, targets):
    net = MLP(network.sizes[0], list(network.sizes[1:]))
    for layer, w, b in zip(net.layers, *network.unpack(parameters), strict=True):
        for neuron, column, c in zip(layer.neurons, w.T, b, strict=True):
            neuron.w, neuron.b = [Scalar(v) for v in column.tolist()], Scalar(float(c))
    outputs = [net([Scalar(v) for v in x])[0] for x in inputs.tolist()]
    loss = mean_squared_error([Scalar(t) for t in targets[:, 0].tolist()], outputs)
    loss.backward()
    return loss.data, network.pack(
        [np.array([[w.grad for w in neuron.w] for neuron in layer.neurons]).T
         for layer in net.layers],
        [np.array([neuron.b.grad for neuron in layer.neurons]) for layer in net.layers])
