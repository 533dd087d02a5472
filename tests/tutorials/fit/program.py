import numpy as np


class MLP:
    """Multi-layer perceptron regressor: relu hidden layers, identity output, squared loss."""

    def __init__(self, hidden_layer_sizes=(10,), learning_rate=0.01, n_iter=200, random_state=None):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.n_iter = n_iter
        self.random_state = random_state
        self.coefs_ = None
        self.intercepts_ = None

    def _initialize(self, n_features, n_outputs):
        rng = np.random.RandomState(self.random_state)
        units = [n_features] + list(self.hidden_layer_sizes) + [n_outputs]
        self.coefs_, self.intercepts_ = [], []
        for fan_in, fan_out in zip(units[:-1], units[1:]):
            bound = np.sqrt(6.0 / (fan_in + fan_out))
            self.coefs_.append(rng.uniform(-bound, bound, (fan_in, fan_out)))
            self.intercepts_.append(rng.uniform(-bound, bound, fan_out))

    def _forward_pass(self, X):
        activations = [X]
        last = len(self.coefs_) - 1
        for i, (coef, intercept) in enumerate(zip(self.coefs_, self.intercepts_)):
            z = activations[-1] @ coef + intercept
            activations.append(z if i == last else np.maximum(z, 0))
        return activations

    def fit(self, X, y):
        X = np.asarray(X, dtype=float)
        y = np.asarray(y, dtype=float).reshape(len(X), -1)
        n_samples = X.shape[0]
        if self.coefs_ is None:
            self._initialize(X.shape[1], y.shape[1])
        for _ in range(self.n_iter):
            activations = self._forward_pass(X)
            diff = activations[-1] - y
            self.loss_ = np.sum(diff ** 2) / (2 * n_samples)
            delta = diff / n_samples
            for i in range(len(self.coefs_) - 1, -1, -1):
                coef_grad = activations[i].T @ delta
                intercept_grad = delta.sum(axis=0)
                if i > 0:
                    delta = (delta @ self.coefs_[i].T) * (activations[i] > 0)
                self.coefs_[i] -= self.learning_rate * coef_grad
                self.intercepts_[i] -= self.learning_rate * intercept_grad
        return self

    def predict(self, X):
        out = self._forward_pass(np.asarray(X, dtype=float))[-1]
        return out.ravel() if out.shape[1] == 1 else out


if __name__ == "__main__":
    X = np.linspace(-2, 2, 100).reshape(-1, 1)
    model = MLP(hidden_layer_sizes=(20, 10), learning_rate=0.05, n_iter=2000, random_state=0)
    model.fit(X, np.sin(2 * X).ravel())
    print("loss: %.5f, predict(0.5): %.3f" % (model.loss_, model.predict([[0.5]])[0]))
