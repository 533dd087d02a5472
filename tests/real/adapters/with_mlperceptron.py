"""mlperceptron 0.3: the cost and gradient that it hands to SciPy."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("mlperceptron")
from mlperceptron.mlperceptron import NeuralNetwork  # noqa: E402


@implementation(hidden=["sigmoid"], depth=(2, None),
                heads=[Head("sigmoid", "binary_cross_entropy", targets="binary")])
def cost(network, parameters, inputs, targets):
    W, b = network.unpack(parameters)
    net = NeuralNetwork(hidden_layers=tuple(network.sizes[1:-1]))
    net._one_hot_encoder = lambda y: y  # it is asked with rows of 0 and 1
    thetas = [np.hstack([c[:, None], w.T]) for w, c in zip(W, b, strict=True)]
    shapes = [theta.shape for theta in thetas]
    loss, flat = net._get_cost_and_gradient(net._flatten_thetas(thetas), 0.0, inputs, targets,
                                            shapes)
    flat, at, dW, db = np.asarray(flat).ravel(), 0, [], []
    for rows, columns in shapes:
        both = flat[at:at + rows * columns].reshape(rows, columns)
        dW.append(both[:, 1:].T.copy())
        db.append(both[:, 0].copy())
        at += rows * columns
    return loss, network.pack(dW, db)
