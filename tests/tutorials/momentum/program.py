import numpy as np


class MomentumNet:
    """Fully connected sigmoid network trained by gradient descent with momentum."""

    def __init__(self, layers, lr=0.1, momentum=0.9):
        self.lr = lr
        self.momentum = momentum
        self.W = [np.random.randn(m, n) * np.sqrt(1.0 / m) for m, n in zip(layers[:-1], layers[1:])]
        self.b = [np.zeros((1, n)) for n in layers[1:]]
        # velocities start at rest
        self.vW = [np.zeros_like(w) for w in self.W]
        self.vb = [np.zeros_like(b) for b in self.b]

    @staticmethod
    def sigmoid(z):
        return 1.0 / (1.0 + np.exp(-z))

    def forward(self, X):
        self.a = [X]
        for W, b in zip(self.W, self.b):
            self.a.append(self.sigmoid(self.a[-1] @ W + b))
        return self.a[-1]

    def train_on_batch(self, X, y):
        """One update; returns the loss before the update."""
        out = self.forward(X)
        batch_size = X.shape[0]
        loss = 0.5 * np.sum((out - y) ** 2) / batch_size

        grads_W, grads_b = [], []
        delta = (out - y) * out * (1 - out) / batch_size
        for i in reversed(range(len(self.W))):
            grads_W.insert(0, self.a[i].T @ delta)
            grads_b.insert(0, delta.sum(axis=0, keepdims=True))
            if i > 0:
                delta = (delta @ self.W[i].T) * self.a[i] * (1 - self.a[i])

        for i in range(len(self.W)):
            self.vW[i] = self.momentum * self.vW[i] - self.lr * grads_W[i]
            self.vb[i] = self.momentum * self.vb[i] - self.lr * grads_b[i]
            self.W[i] += self.vW[i]
            self.b[i] += self.vb[i]
        return loss


if __name__ == "__main__":
    np.random.seed(7)
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
    y = np.array([[0], [1], [1], [0]], dtype=float)
    net = MomentumNet([2, 5, 1], lr=0.5, momentum=0.9)
    for epoch in range(3001):
        loss = net.train_on_batch(X, y)
        if epoch % 500 == 0:
            print("epoch", epoch, "loss", round(loss, 5))
