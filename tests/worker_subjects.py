"""Subjects for a process of their own: each is asked in it and here, and must come to the same."""

import os

import numpy as np
from backproof import Head, Layer, implementation, layers, training_step

CLAIMS = {"hidden": ["tanh"], "heads": [Head("identity", "squared_error", "sum", 0.5)]}


def core(network, parameters, inputs, targets):
    W, b = network.unpack(parameters)
    a = [inputs]
    for i, (w, c) in enumerate(zip(W, b, strict=True)):
        z = a[-1] @ w + c
        a.append(np.tanh(z) if i < len(W) - 1 else z)
    delta = a[-1] - targets
    loss, dW, db = 0.5 * (delta**2).sum(), [], []
    for i in reversed(range(len(W))):
        dW.insert(0, a[i].T @ delta)
        db.insert(0, delta.sum(0))
        if i:
            delta = (delta @ W[i].T) * (1 - a[i] ** 2)
    return loss, dW, db


@implementation(**CLAIMS)
def right(network, parameters, inputs, targets):
    loss, dW, db = core(network, parameters, inputs, targets)
    return loss, network.pack(dW, db)


@implementation(**CLAIMS)
def averages(network, parameters, inputs, targets):
    loss, dW, db = core(network, parameters, inputs, targets)
    return loss, network.pack(dW, [each / len(inputs) for each in db])


@implementation(**CLAIMS)
def raises(network, parameters, inputs, targets):
    if len(inputs) > 1:
        raise ValueError("more than one")
    return right(network, parameters, inputs, targets)


class AdapterError(Exception):
    """One of their own, which has the name of one of backproof's."""


@implementation(**CLAIMS)
def raises_a_namesake(network, parameters, inputs, targets):
    if len(inputs) > 1:
        raise AdapterError("of mine")
    return right(network, parameters, inputs, targets)


@implementation(**CLAIMS)
def odd_shape(network, parameters, inputs, targets):
    loss, dW, db = core(network, parameters, inputs, targets)
    return loss, network.pack(dW, [each[None] for each in db])


@implementation(**CLAIMS)
def scribbles(network, parameters, inputs, targets):
    inputs *= 2
    return right(network, parameters, inputs, targets)


@implementation(**CLAIMS)
def declines(network, parameters, inputs, targets):
    raise NotImplementedError("not yet")


def bare(network, parameters, inputs, targets):
    return right(network, parameters, inputs, targets)


@training_step(**CLAIMS)
def step(network, parameters, inputs, targets, rate):
    _, dW, db = core(network, parameters, inputs, targets)
    W, b = network.unpack(parameters)
    return network.pack([w - rate * d for w, d in zip(W, dW, strict=True)],
                        [c - rate * d for c, d in zip(b, db, strict=True)])


@training_step(rule={"momentum": 0.9}, **CLAIMS)
def forgets_its_velocity(network, parameters, inputs, targets, rate):
    return step(network, parameters, inputs, targets, rate)


class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.zeros((n_in, n_out)), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW, self.db = self.x.T @ dy, dy.mean(0)
        return dy @ self.W.T


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y**2)


class SquaredError:
    def forward(self, y, t):
        self.y, self.t = y, t
        return 0.5 * ((y - t) ** 2).sum()

    def backward(self):
        return self.y - self.t


stack = layers(
    dense=Layer(Dense, parameters={"weight": "W", "bias": "b"}, gradients={"weight": "dW", "bias": "db"}),
    tanh=Layer(Tanh),
    squared_error=Layer(SquaredError),
)


@implementation(**CLAIMS)
def dies(network, parameters, inputs, targets):
    if len(inputs) > 2:
        print("three is too many", flush=True)
        os._exit(0)
    return right(network, parameters, inputs, targets)


@implementation(**CLAIMS)
def faults(network, parameters, inputs, targets):
    if len(inputs) > 2:
        import ctypes

        ctypes.string_at(0)
    return right(network, parameters, inputs, targets)
