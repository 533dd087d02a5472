import numpy as np


def add_ones(A):
    """Glue a column of ones to the right, so that the last row of W is the bias."""
    return np.hstack([A, np.ones((A.shape[0], 1))])


class MLP:
    def __init__(self, sizes, alpha=0.1):
        self.alpha = alpha
        self.W = []
        for n_in, n_out in zip(sizes[:-1], sizes[1:]):
            w = np.random.randn(n_in + 1, n_out)
            self.W.append(w / np.sqrt(n_in))

    def sigmoid(self, x):
        return 1.0 / (1 + np.exp(-x))

    def sigmoid_deriv(self, a):
        # a has already been passed through the sigmoid
        return a * (1 - a)

    def predict(self, X):
        a = X
        for w in self.W:
            a = self.sigmoid(add_ones(a) @ w)
        return a

    def fit_batch(self, X, y):
        # forward: keep the output of every layer
        A = [X]
        for w in self.W:
            A.append(self.sigmoid(add_ones(A[-1]) @ w))

        # backward: the bias row passes nothing on to the layer below
        error = A[-1] - y
        D = [error * self.sigmoid_deriv(A[-1])]
        for i in range(len(self.W) - 1, 0, -1):
            delta = D[-1] @ self.W[i][:-1].T
            delta = delta * self.sigmoid_deriv(A[i])
            D.append(delta)
        D = D[::-1]

        # weight update
        for i in range(len(self.W)):
            self.W[i] += -self.alpha * add_ones(A[i]).T @ D[i]

    def calculate_loss(self, X, y):
        return 0.5 * np.sum((self.predict(X) - y) ** 2)


if __name__ == "__main__":
    np.random.seed(3)
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([[0], [1], [1], [0]])
    nn = MLP([2, 4, 1], alpha=0.5)
    for epoch in range(20000):
        nn.fit_batch(X, y)
        if epoch % 5000 == 0:
            print("[INFO] epoch={}, loss={:.7f}".format(epoch, nn.calculate_loss(X, y)))
    print(nn.predict(X).round(3))
