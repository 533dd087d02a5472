"""A multi-layer perceptron in plain NumPy, trained on the exclusive or."""

import numpy as np
from backproof import Layer, Layout, layers


class Linear:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out) / np.sqrt(n_in)
        self.b = np.zeros((1, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dz):
        self.dW = self.x.T @ dz
        self.db = dz.sum(axis=0, keepdims=True)
        return dz @ self.W.T


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
    dense=Layer(Linear, parameters={"weight": "W", "bias": "b"}, gradients={"weight": "dW", "bias": "db"},
                layout=Layout(bias="row")),
    tanh=Layer(Tanh),
    squared_error=Layer(MSE),
)

if __name__ == "__main__":
    x, t = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])
    net, loss = [Linear(2, 8), Tanh(), Linear(8, 1)], MSE()
    for epoch in range(2001):
        p = x
        for layer in net:
            p = layer.forward(p)
        error, d = loss.forward(p, t), loss.backward()
        for layer in reversed(net):
            d = layer.backward(d)
        for layer in net[::2]:
            layer.W, layer.b = layer.W - 0.1 * layer.dW, layer.b - 0.1 * layer.db
        if epoch % 500 == 0:
            print(epoch, error)
