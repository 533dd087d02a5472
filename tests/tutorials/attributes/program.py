import numpy as np


def softmax(z):
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


class NeuralNetwork:
    """Two layer network: tanh hidden layer, softmax output, cross-entropy loss."""

    def __init__(self, input_size, hidden_size, output_size):
        self.W1 = np.random.randn(input_size, hidden_size) / np.sqrt(input_size)
        self.b1 = np.zeros(hidden_size)
        self.W2 = np.random.randn(hidden_size, output_size) / np.sqrt(hidden_size)
        self.b2 = np.zeros(output_size)

    def forward(self, X):
        self.z1 = X @ self.W1 + self.b1
        self.a1 = np.tanh(self.z1)
        self.z2 = self.a1 @ self.W2 + self.b2
        self.y_hat = softmax(self.z2)
        return self.y_hat

    def loss(self, X, y):
        y_hat = self.forward(X)
        return -np.mean(np.sum(y * np.log(y_hat + 1e-12), axis=1))

    def train(self, X, y, lr):
        n = X.shape[0]
        y_hat = self.forward(X)

        # backward
        dz2 = (y_hat - y) / n
        dW2 = self.a1.T @ dz2
        db2 = dz2.sum(axis=0)
        da1 = dz2 @ self.W2.T
        dz1 = da1 * (1 - self.a1 ** 2)
        dW1 = X.T @ dz1
        db1 = dz1.sum(axis=0)

        # update
        self.W1 -= lr * dW1
        self.b1 -= lr * db1
        self.W2 -= lr * dW2
        self.b2 -= lr * db2


if __name__ == "__main__":
    np.random.seed(0)
    X = np.random.randn(200, 2)
    y = np.eye(2)[(X[:, 0] * X[:, 1] > 0).astype(int)]
    net = NeuralNetwork(2, 16, 2)
    for epoch in range(2001):
        net.train(X, y, lr=0.5)
        if epoch % 500 == 0:
            acc = np.mean(net.forward(X).argmax(axis=1) == y.argmax(axis=1))
            print(f"epoch {epoch}: loss {net.loss(X, y):.4f}, accuracy {acc:.3f}")
