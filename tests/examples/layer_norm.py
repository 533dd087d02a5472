"""A perceptron with layer normalisation in plain NumPy, layer classes as everybody writes them once."""

import numpy as np
from backproof import Layer, layers


class Linear:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out) / np.sqrt(n_in)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dz):
        self.dW = self.x.T @ dz
        self.db = dz.sum(axis=0)
        return dz @ self.W.T


class LayerNorm:
    def __init__(self, n, epsilon=1e-5):
        self.gamma, self.beta, self.epsilon = np.ones(n), np.zeros(n), epsilon

    def forward(self, x):
        self.x = x
        self.std = np.sqrt(x.var(axis=1, keepdims=True) + self.epsilon)
        self.xhat = (x - x.mean(axis=1, keepdims=True)) / self.std
        return self.xhat * self.gamma + self.beta

    def backward(self, dy):
        self.dgamma = (dy * self.xhat).sum(axis=0)
        self.dbeta = dy.sum(axis=0)
        g = dy * self.gamma
        along = self.xhat * (g * self.xhat).mean(axis=1, keepdims=True)
        return (g - g.mean(axis=1, keepdims=True) - along) / self.std


class Tanh:
    def forward(self, z):
        self.a = np.tanh(z)
        return self.a

    def backward(self, da):
        return da * (1 - self.a**2)


class MSE:
    def forward(self, p, t):
        self.p, self.t = p, t
        return np.mean((p - t) ** 2)

    def backward(self):
        return 2 * (self.p - self.t) / self.p.size


mlp = layers(
    dense=Layer(Linear, parameters={"weight": "W", "bias": "b"}, gradients={"weight": "dW", "bias": "db"}),
    layer_norm=Layer(LayerNorm, parameters={"scale": "gamma", "bias": "beta"},
                     gradients={"scale": "dgamma", "bias": "dbeta"}, arguments=("in", "epsilon")),
    tanh=Layer(Tanh),
    squared_error=Layer(MSE),
)
