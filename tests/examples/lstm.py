"""Long short-term memory in plain NumPy, from scratch, with backpropagation through time.

    python -m backproof verify tests/examples/lstm.py:backprop --examples 60
"""

import numpy as np
from backproof import Head, implementation


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class LSTM:
    def __init__(self, weight, recurrent_weight, bias):
        self.W, self.U, self.b = weight, recurrent_weight, bias

    def forward(self, x):
        (N, T, _), m = x.shape, len(self.U)
        self.x, self.h, self.c = x, np.zeros((T + 1, N, m), x.dtype), np.zeros((T + 1, N, m), x.dtype)
        self.gates = []
        for t in range(T):
            i, f, g, o = np.split(x[:, t] @ self.W + self.h[t - 1] @ self.U + self.b, 4, axis=1)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            self.c[t] = f * self.c[t - 1] + i * g
            self.h[t] = o * np.tanh(self.c[t])
            self.gates.append((i, f, g, o))
        return self.h[:T].transpose(1, 0, 2)

    def backward(self, dy):
        dx, dW, dU, db = (np.zeros_like(a) for a in (self.x, self.W, self.U, self.b))
        dh_next = dc_next = np.zeros_like(self.h[0])
        for t in reversed(range(len(self.gates))):
            i, f, g, o = self.gates[t]
            dh = dy[:, t] + dh_next
            dc = dc_next + dh * o * (1 - np.tanh(self.c[t])**2)
            dz = np.hstack([dc * g * i * (1 - i), dc * self.c[t - 1] * f * (1 - f),
                            dc * i * (1 - g**2), dh * np.tanh(self.c[t]) * o * (1 - o)])
            dW += self.x[:, t].T @ dz
            dU += self.h[t - 1].T @ dz
            db += dz.sum(axis=0)
            dx[:, t] = dz @ self.W.T
            dh_next, dc_next = dz @ self.U.T, dc * f
        return dx, {"weight": dW, "recurrent_weight": dU, "bias": db}


class Dense:
    def __init__(self, weight, bias):
        self.W, self.b = weight, bias

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        x, d = (a.reshape(-1, a.shape[-1]) for a in (self.x, dy))
        return dy @ self.W.T, {"weight": x.T @ d, "bias": d.sum(axis=0)}


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y**2), {}


LAYERS = {"lstm": LSTM, "dense": Dense, "activation": Tanh}
PLAIN = {"kind": "lstm", "returns": "sequence", "recurrent_bias": False, "reverse": False, "initial_state": False,
         "initial_cell": False, "mask": False, "peephole": False, "coupled": False}


@implementation(layers=["dense", PLAIN], hidden=["tanh"], heads=[Head("identity", "squared_error")], depth=(1, 3))
def backprop(network, parameters, inputs, targets):
    y, net = inputs, []
    for n, layer in enumerate(network.layers):
        own = {name.split(".")[1]: value for name, value in parameters.items() if name.startswith(f"{n}.")}
        net.append(LAYERS[layer.kind](**own))
        y = net[-1].forward(y)
    d, gradients = 2 * (y - targets), {}
    for n, layer in reversed(list(enumerate(net))):
        d, own = layer.backward(d)
        gradients |= {f"{n}.{name}": value for name, value in own.items()}
    return np.sum((y - targets)**2), {**gradients, "inputs": d}
