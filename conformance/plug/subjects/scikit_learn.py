"""scikit-learn's multi-layer perceptrons: the library's own `_backprop`.

It runs on an estimator that holds the case's parameters; `alpha=0` turns the L2 penalty off. Both
divide the gradient by the number of examples. The classifier's log loss is that mean too, and clips
its probabilities to [eps, 1 - eps], which its gradient does not. The regressor's loss is half the
mean over examples *and outputs*, so its gradient is n_outputs times that of its loss
(scikit-learn#8349).
"""

from __future__ import annotations

import inspect
from typing import Any

from sklearn.neural_network import MLPClassifier, MLPRegressor

from ...properties.claims import Head
from ...reference import Network
from ..contract import Declined
from ..implementing import implementation
from ..subject import Subject, subject_of

Array = Any
Reply = tuple[Any, dict[str, Array]]
HIDDEN = {"identity": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
OUTPUT = {"identity": "identity", "sigmoid": "logistic", "softmax": "softmax"}
CHAINS: dict[str, Any] = {"hidden": list(HIDDEN), "same_hidden": True,
                          "dtypes": ("float64", "float32")}
LOG_LOSS: dict[str, Any] = {"reduction": "mean_over_batch", "log_floor": "eps"}


def estimator(make: Any, network: Network, weights: list[Array], biases: list[Array]) -> Any:
    """An estimator as `fit` would leave it, with these weights (in, units) and biases (units,)."""
    hidden = set(network.hidden)
    if len(hidden) > 1 or any(bias is None for bias in biases):
        raise Declined("one hidden activation per network, and always a bias")
    activation = HIDDEN[hidden.pop()] if hidden else "identity"
    made = make(hidden_layer_sizes=network.sizes[1:-1], activation=activation, alpha=0.0)
    made.n_layers_, made.n_outputs_ = len(network.sizes), network.sizes[-1]
    made.out_activation_ = OUTPUT[network.head[0]]
    made.coefs_, made.intercepts_ = weights, biases
    return made


def run(make: Any, network: Network, parameters: dict[str, Array], inputs: Array,
        targets: Array) -> Reply:
    """`_backprop` works in place on four lists; scikit-learn below 1.7 has no sample_weight."""
    made = estimator(make, network, *network.unpack(parameters))
    n = len(made.coefs_)
    given = {"X": inputs, "y": targets, "sample_weight": None, "activations": [inputs, *[None] * n],
             "deltas": [None] * n, "coef_grads": [None] * n, "intercept_grads": [None] * n}
    wanted = inspect.signature(made._backprop).parameters
    loss, weights, biases = made._backprop(**{name: given[name] for name in wanted})
    return loss, network.pack(weights, biases)


@implementation(**CHAINS, heads=[
    Head("softmax", "cross_entropy", targets="one_hot", outputs=(3, None), **LOG_LOSS),
    Head("sigmoid", "binary_cross_entropy", targets="binary", outputs=(1, 1), **LOG_LOSS),
    # multilabel
    Head("sigmoid", "binary_cross_entropy", targets="binary", outputs=(2, None), **LOG_LOSS),
])
def backprop_classifier(network: Network, parameters: dict[str, Array], inputs: Array,
                        targets: Array) -> Reply:
    return run(MLPClassifier, network, parameters, inputs, targets)


@implementation(**CHAINS, heads=[Head("identity", "squared_error", reduction="mean", scale=0.5)])
def backprop_regressor(network: Network, parameters: dict[str, Array], inputs: Array,
                       targets: Array) -> Reply:
    return run(MLPRegressor, network, parameters, inputs, targets)


def classifier() -> Subject:
    return subject_of(backprop_classifier, "scikit-learn-classifier", made_of=["scikit-learn"],
                      stateless=True)


def regressor() -> Subject:
    return subject_of(backprop_regressor, "scikit-learn-regressor", made_of=["scikit-learn"],
                      stateless=True)
