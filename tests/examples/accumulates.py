"""Gradients that are added to and never set to zero."""

import numpy as np
from backproof import Head, implementation


class Network:
    def __init__(self):
        self.gradients = {}

    def add(self, name, gradient):
        same = name in self.gradients and self.gradients[name].shape == gradient.shape
        self.gradients[name] = self.gradients[name] + gradient if same else gradient

    def backprop(self, network, parameters, inputs, targets):
        W, b = network.unpack(parameters)
        a = [inputs]
        for w, c in zip(W[:-1], b[:-1], strict=True):
            a.append(np.tanh(a[-1] @ w + c))
        p = a[-1] @ W[-1] + b[-1]
        delta = 2 * (p - targets) / len(targets)
        for i in reversed(range(len(W))):
            self.add(f"{2 * i}.weight", a[i].T @ delta)
            self.add(f"{2 * i}.bias", delta.sum(axis=0))
            delta = delta @ W[i].T * (1 - a[i] ** 2)
        return ((p - targets) ** 2).sum() / len(targets), {name: self.gradients[name] for name in parameters}


net = Network()


@implementation(hidden=["tanh"], heads=[Head("identity", "squared_error")])
def backprop(*case):
    return net.backprop(*case)
