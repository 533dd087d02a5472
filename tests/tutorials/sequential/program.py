import numpy as np


class Linear:
    def __init__(self, in_features, out_features):
        self.W = np.random.randn(in_features, out_features) * 0.1
        self.b = np.zeros(out_features)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad_out):
        dW = self.x.T @ grad_out
        db = grad_out.sum(axis=0)
        dx = grad_out @ self.W.T
        self.grads = {"W": dW, "b": db}
        return dx


class Sigmoid:
    def forward(self, x):
        self.out = 1.0 / (1.0 + np.exp(-x))
        return self.out

    def backward(self, grad_out):
        return grad_out * self.out * (1.0 - self.out)


class Sequential:
    def __init__(self, layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        self.output = x
        return x

    def loss(self, y):
        return 0.5 * np.sum((self.output - y) ** 2) / len(y)

    def backward(self, y):
        grad = (self.output - y) / len(y)
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad
