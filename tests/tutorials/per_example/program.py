import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


class SimpleNN:
    def __init__(self, n_in, n_hidden, n_out, lr=0.5, seed=42):
        rng = np.random.default_rng(seed)
        self.lr = lr
        self.W1 = rng.uniform(-1, 1, (n_in, n_hidden))
        self.b1 = np.zeros(n_hidden)
        self.W2 = rng.uniform(-1, 1, (n_hidden, n_out))
        self.b2 = np.zeros(n_out)

    def predict(self, x):
        return sigmoid(sigmoid(x @ self.W1 + self.b1) @ self.W2 + self.b2)

    def train_epoch(self, X, y):
        """One pass over the data, the weights move after every example."""
        for x, t in zip(X, y):
            # forward
            h = sigmoid(x @ self.W1 + self.b1)
            o = sigmoid(h @ self.W2 + self.b2)

            # output layer
            error = o - t
            delta_o = error * o * (1 - o)
            old_W2 = self.W2.copy()
            self.W2 -= self.lr * np.outer(h, delta_o)
            self.b2 -= self.lr * delta_o

            # hidden layer (with the weights used in the forward pass)
            delta_h = old_W2.dot(delta_o) * h * (1 - h)
            self.W1 -= self.lr * np.outer(x, delta_h)
            self.b1 -= self.lr * delta_h

    def train(self, X, y, epochs=1000):
        for _ in range(epochs):
            self.train_epoch(X, y)


if __name__ == "__main__":
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([[0], [1], [1], [0]])
    nn = SimpleNN(2, 4, 1)
    nn.train(X, y, epochs=10000)
    for x, t in zip(X, y):
        print(x, t, nn.predict(x).round(3))
