"""mlxtend 0.25.0: one epoch of `fit` on the whole batch; the gradient is (old - new) / eta."""

import numpy as np
import shelf
from backproof import Head, implementation

shelf.use("mlxtend")
from mlxtend.classifier import (  # noqa: E402
    LogisticRegression,
    MultiLayerPerceptron,
    SoftmaxRegression,
)

ETA = 2.0**60  # the weights themselves are lost in the step, and so is their rounding


@implementation(hidden=["sigmoid"], depth=(2, 2),
                heads=[Head("softmax", "cross_entropy", targets="one_hot", outputs=(2, None))])
def perceptron(network, parameters, inputs, targets):
    W, b = network.unpack(parameters)
    labels = targets.argmax(axis=1)
    made = MultiLayerPerceptron(eta=ETA, epochs=1, minibatches=1, n_classes=network.sizes[-1],
                                hidden_layers=[network.sizes[1]])
    made.w_, made.b_ = {"1": W[0].copy(), "out": W[1].copy()}, {"1": b[0].copy(),
                                                                "out": b[1].copy()}
    made._decr_eta, made.cost_ = ETA, []
    output = made._feedforward(inputs)[-1]
    loss = made._compute_cost(made._cross_entropy(output, targets))
    made._fit(inputs, labels, init_params=False)
    return loss, network.pack([(W[0] - made.w_["1"]) / ETA, (W[1] - made.w_["out"]) / ETA],
                              [(b[0] - made.b_["1"]) / ETA, (b[1] - made.b_["out"]) / ETA])


@implementation(depth=(1, 1),
                heads=[Head("softmax", "cross_entropy", targets="one_hot", outputs=(2, None))])
def softmax_regression(network, parameters, inputs, targets):
    (W,), (b,) = network.unpack(parameters)
    made = SoftmaxRegression(eta=ETA, epochs=1, minibatches=1, n_classes=network.sizes[-1])
    made.w_, made.b_, made.cost_ = W.copy(), b.copy(), []
    loss = made._cost(made._cross_entropy(made._forward(inputs), targets))
    made._fit(inputs, targets.argmax(axis=1), init_params=False)
    return loss, network.pack([(W - made.w_) / ETA], [(b - made.b_) / ETA])


@implementation(depth=(1, 1),
                heads=[Head("sigmoid", "binary_cross_entropy", targets="binary", outputs=(1, 1))])
def logistic_regression(network, parameters, inputs, targets):
    (W,), (b,) = network.unpack(parameters)
    made = LogisticRegression(eta=ETA, epochs=1, minibatches=1)
    made.w_, made.b_, made.cost_ = W.copy(), b.copy(), []
    labels = targets[:, 0].astype(int)
    loss = made._logit_cost(labels, made._forward(inputs))
    made._check_target_array = lambda y, allowed=None: None  # it wants both classes in a batch
    made._fit(inputs, labels, init_params=False)
    return loss, network.pack([(W - made.w_) / ETA], [np.array((b - made.b_) / ETA)])
