import numpy as np


class MLP:
    """A tiny numpy network with a PyTorch-flavoured training loop:
    forward() -> backward() -> step()."""

    def __init__(self, in_features, hidden_features, out_features):
        k1, k2 = 1 / np.sqrt(in_features), 1 / np.sqrt(hidden_features)
        self.params = {
            "fc1.weight": np.random.uniform(-k1, k1, (hidden_features, in_features)),
            "fc1.bias": np.random.uniform(-k1, k1, hidden_features),
            "fc2.weight": np.random.uniform(-k2, k2, (out_features, hidden_features)),
            "fc2.bias": np.random.uniform(-k2, k2, out_features),
        }
        self.grads = {}
        self.zero_grad()

    def zero_grad(self):
        for name, p in self.params.items():
            self.grads[name] = np.zeros_like(p)

    def forward(self, x):
        self.x = x
        self.z1 = x @ self.params["fc1.weight"].T + self.params["fc1.bias"]
        self.a1 = np.maximum(self.z1, 0)
        self.out = self.a1 @ self.params["fc2.weight"].T + self.params["fc2.bias"]
        return self.out

    def loss(self, target):
        # MSELoss(reduction="mean"): mean over all elements
        return np.mean((self.out - target) ** 2)

    def backward(self, target):
        grad_out = 2 * (self.out - target) / target.size
        self.grads["fc2.weight"] = grad_out.T @ self.a1
        self.grads["fc2.bias"] = grad_out.sum(axis=0)
        grad_a1 = grad_out @ self.params["fc2.weight"]
        grad_z1 = grad_a1 * (self.z1 > 0)
        self.grads["fc1.weight"] = grad_z1.T @ self.x
        self.grads["fc1.bias"] = grad_z1.sum(axis=0)

    def step(self, lr):
        for name in self.params:
            self.params[name] -= lr * self.grads[name]


if __name__ == "__main__":
    np.random.seed(0)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float64)
    y = np.array([[0], [1], [1], [0]], dtype=np.float64)
    model = MLP(2, 16, 1)
    for epoch in range(2000):
        model.forward(x)
        loss = model.loss(y)
        model.backward(y)
        model.step(lr=0.1)
        if epoch % 400 == 0:
            print(f"epoch {epoch} loss {loss.item():.6f}")
    print(model.forward(x).round(3).ravel())
