import numpy as np


class RegularizedNet:
    """ReLU hidden layers, softmax output, L2 weight decay on the weights (not the biases)."""

    def __init__(self, dims, learning_rate=0.1, weight_decay=1e-3):
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.weights = []
        self.biases = []
        for d_in, d_out in zip(dims[:-1], dims[1:]):
            self.weights.append(np.random.randn(d_in, d_out) * np.sqrt(2.0 / d_in))
            self.biases.append(np.zeros(d_out))

    def forward(self, X):
        self.inputs = []
        for i, (W, b) in enumerate(zip(self.weights, self.biases)):
            self.inputs.append(X)
            X = X @ W + b
            if i < len(self.weights) - 1:
                X = np.maximum(X, 0)
        exps = np.exp(X - X.max(axis=1, keepdims=True))
        return exps / exps.sum(axis=1, keepdims=True)

    def compute_loss(self, X, Y):
        probs = self.forward(X)
        data_loss = -np.sum(Y * np.log(probs)) / len(X)
        reg_loss = 0.5 * self.weight_decay * sum(np.sum(W * W) for W in self.weights)
        return data_loss + reg_loss

    def train_step(self, X, Y):
        probs = self.forward(X)
        grad = (probs - Y) / len(X)
        for i in range(len(self.weights) - 1, -1, -1):
            dW = self.inputs[i].T @ grad
            db = grad.sum(axis=0)
            grad = grad @ self.weights[i].T
            grad[self.inputs[i] <= 0] = 0  # relu (of no consequence for the input layer)
            self.weights[i] -= self.learning_rate * (dW + self.weight_decay * self.weights[i])
            self.biases[i] -= self.learning_rate * db


if __name__ == "__main__":
    np.random.seed(0)
    X = np.random.randn(300, 2)
    labels = (X[:, 0] > 0).astype(int) + (X[:, 1] > X[:, 0]).astype(int)
    Y = np.eye(3)[labels]
    net = RegularizedNet([2, 20, 3])
    for step in range(1001):
        net.train_step(X, Y)
        if step % 200 == 0:
            print(step, net.compute_loss(X, Y), np.mean(net.forward(X).argmax(1) == labels))
