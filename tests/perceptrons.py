"""A perceptron in plain NumPy, as somebody would write it, that is wrong where a condition holds."""

import numpy as np
from backproof import Head, implementation

HEADS = [Head("identity", "squared_error", reduction="mean"),
         Head("softmax", "cross_entropy", reduction="mean_over_batch")]
F = {"tanh": (np.tanh, lambda z, a: 1 - a * a),
     "relu": (lambda z: np.maximum(z, 0), lambda z, a: (z > 0).astype(z.dtype)),
     "sigmoid": (lambda z: np.exp(-np.logaddexp(0, -z)), lambda z, a: a * (1 - a))}
DTYPES = ("float64", "float32")
CALLS = 10**9


class Network:
    """What a condition may look at: the batch, the weights and biases, z of every layer, the number of the call."""

    def __init__(self, network, parameters, x, calls):
        self.x, self.calls = x, calls
        self.weights, self.biases = network.unpack(parameters)
        self.hidden, self.head = network.hidden, network.head
        self.z, self.a = [], [x]
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            self.z.append(self.a[-1] @ w + b)
            last = i == len(self.weights) - 1
            self.a.append(self.z[-1] if last else F[self.hidden[i]][0](self.z[-1]))

    batch = property(lambda self: len(self.x))
    units = property(lambda self: max(w.shape[1] for w in self.weights))
    depth = property(lambda self: len(self.weights))


def perceptron(condition, wrong="bias", hidden=tuple(F), heads=HEADS, **claims):
    """Where the condition holds, wrong: "bias" or "weight" gradients, or the "delta" that is handed down."""
    calls = 0

    @implementation(hidden=list(hidden), heads=heads, **claims)
    def backprop(network, parameters, inputs, targets):
        nonlocal calls
        calls += 1
        n = Network(network, parameters, inputs, calls)
        here, p = condition(n), n.a[-1]
        if n.head[0] == "softmax":
            p = np.exp(p - p.max(axis=1, keepdims=True))
            p = p / p.sum(axis=1, keepdims=True)
            hot = np.eye(p.shape[1], dtype=p.dtype)[targets] if targets.dtype.kind == "i" else targets
            z = n.a[-1] - n.a[-1].max(axis=1, keepdims=True)
            loss = -(hot * (z - np.log(np.exp(z).sum(axis=1, keepdims=True)))).sum() / n.batch
            delta = (p - hot) / n.batch
        else:
            loss, delta = ((p - targets) ** 2).mean(), 2 * (p - targets) / p.size
        if here and wrong == "delta":
            delta = delta * np.asarray(1.25, delta.dtype)
        dw, db = [None] * n.depth, [None] * n.depth
        for i in reversed(range(n.depth)):
            dw[i], db[i] = n.a[i].T @ delta, delta.sum(axis=0)
            if i:
                delta = delta @ n.weights[i].T * F[n.hidden[i - 1]][1](n.z[i - 1], n.a[i])
        if here and wrong == "weight":
            dw = [-w for w in dw]
        if here and wrong == "bias":
            db = [b + b * b for b in db]
        return loss, network.pack(dw, db)

    return backprop
