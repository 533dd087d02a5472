import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class TinyNet:
    """Two layers, each with ONE bias (a plain float) shared by all its neurons."""

    def __init__(self, n_inputs, n_hidden, n_outputs):
        self.w1 = np.random.normal(size=(n_inputs, n_hidden))
        self.b1 = 0.35
        self.w2 = np.random.normal(size=(n_hidden, n_outputs))
        self.b2 = 0.60

    def feedforward(self, X):
        self.h = sigmoid(np.dot(X, self.w1) + self.b1)
        self.out = sigmoid(np.dot(self.h, self.w2) + self.b2)
        return self.out

    def error(self, X, y):
        return np.sum(0.5 * (y - self.feedforward(X)) ** 2) / len(X)

    def train_step(self, X, y, learning_rate=0.5):
        n = len(X)
        out = self.feedforward(X)

        # output layer
        delta_out = -(y - out) * out * (1 - out)
        grad_w2 = np.dot(self.h.T, delta_out) / n
        grad_b2 = np.sum(delta_out) / n      # every output neuron pulls on the same bias

        # hidden layer
        delta_h = np.dot(delta_out, self.w2.T) * self.h * (1 - self.h)
        grad_w1 = np.dot(X.T, delta_h) / n
        grad_b1 = np.sum(delta_h) / n

        self.w1 -= learning_rate * grad_w1
        self.b1 -= learning_rate * grad_b1
        self.w2 -= learning_rate * grad_w2
        self.b2 -= learning_rate * grad_b2


if __name__ == "__main__":
    np.random.seed(0)
    X = np.array([[0.05, 0.10], [0.9, 0.2], [0.3, 0.8]])
    y = np.array([[0.01, 0.99], [0.99, 0.01], [0.5, 0.5]])
    net = TinyNet(2, 3, 2)
    for i in range(10001):
        net.train_step(X, y)
        if i % 2000 == 0:
            print(i, net.error(X, y))
