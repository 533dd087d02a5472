import numpy as np


class Parameter:
    def __init__(self, value):
        self.value = value
        self.grad = np.zeros_like(value)

    def zero_grad(self):
        self.grad = np.zeros_like(self.value)


class Module:
    def parameters(self):
        return [each for each in vars(self).values() if isinstance(each, Parameter)]

    def zero_grad(self):
        for each in self.parameters():
            each.zero_grad()


class Linear(Module):
    def __init__(self, n_in, n_out):
        self.weight = Parameter(np.random.randn(n_out, n_in) / np.sqrt(n_in))
        self.bias = Parameter(np.zeros(n_out))

    def __call__(self, x):
        self.x = x
        return x @ self.weight.value.T + self.bias.value

    def backward(self, grad):
        self.weight.grad += grad.T @ self.x
        self.bias.grad += grad.sum(0)
        return grad @ self.weight.value


class LeakyReLU(Module):
    def __init__(self, slope=0.01):
        self.slope = slope

    def __call__(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, grad):
        return np.where(self.x > 0, grad, self.slope * grad)


class BCEWithLogits:
    def __call__(self, z, t):
        self.z, self.t = z, t
        return np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))

    def backward(self):
        return (1 / (1 + np.exp(-self.z)) - self.t) / self.t.size
