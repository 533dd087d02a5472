import numpy as np


class AdamNet:
    """tanh hidden layer, sigmoid output, binary cross-entropy, Adam written by hand."""

    def __init__(self, n_x, n_h, n_y, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.params = {
            "W1": np.random.randn(n_x, n_h) * np.sqrt(1 / n_x),
            "b1": np.zeros((1, n_h)),
            "W2": np.random.randn(n_h, n_y) * np.sqrt(1 / n_h),
            "b2": np.zeros((1, n_y)),
        }
        self.m = {k: np.zeros_like(p) for k, p in self.params.items()}
        self.v = {k: np.zeros_like(p) for k, p in self.params.items()}
        self.t = 0

    def forward(self, X):
        p = self.params
        self.h = np.tanh(X @ p["W1"] + p["b1"])
        return 1 / (1 + np.exp(-(self.h @ p["W2"] + p["b2"])))

    def loss(self, X, y):
        out = self.forward(X)
        return -np.sum(y * np.log(out) + (1 - y) * np.log(1 - out)) / len(X)

    def gradients(self, X, y):
        out = self.forward(X)
        dz2 = (out - y) / len(X)
        dz1 = (dz2 @ self.params["W2"].T) * (1 - self.h ** 2)
        return {
            "W1": X.T @ dz1, "b1": dz1.sum(axis=0, keepdims=True),
            "W2": self.h.T @ dz2, "b2": dz2.sum(axis=0, keepdims=True),
        }

    def train_step(self, X, y):
        grads = self.gradients(X, y)
        self.t += 1
        for k in self.params:
            g = grads[k]
            self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * g
            self.v[k] = self.beta2 * self.v[k] + (1 - self.beta2) * g ** 2
            m_hat = self.m[k] / (1 - self.beta1 ** self.t)
            v_hat = self.v[k] / (1 - self.beta2 ** self.t)
            self.params[k] -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


if __name__ == "__main__":
    np.random.seed(0)
    X = np.random.randn(200, 2)
    y = (X[:, :1] * X[:, 1:] > 0).astype(float)
    net = AdamNet(2, 16, 1, lr=0.01)
    for epoch in range(1001):
        net.train_step(X, y)
        if epoch % 200 == 0:
            print("epoch %d loss %.4f" % (epoch, net.loss(X, y)))
