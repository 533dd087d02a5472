"""The convolution of convolution.py with one sign less: windows overwrite each other on the way back."""

import numpy as np
from backproof import Head, implementation


class Conv:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x, k = x, self.W.shape[2:]
        y = np.zeros((len(x), len(self.W), x.shape[2] - k[0] + 1, x.shape[3] - k[1] + 1), x.dtype)
        for i, j in np.ndindex(y.shape[2:]):
            window = x[:, :, i:i + k[0], j:j + k[1]]
            y[:, :, i, j] = np.tensordot(window, self.W, ([1, 2, 3], [1, 2, 3])) + self.b
        return y

    def backward(self, dy):
        k, dx, dW = self.W.shape[2:], np.zeros_like(self.x), np.zeros_like(self.W)
        for i, j in np.ndindex(dy.shape[2:]):
            window = self.x[:, :, i:i + k[0], j:j + k[1]]
            dW += np.tensordot(dy[:, :, i, j], window, (0, 0))
            dx[:, :, i:i + k[0], j:j + k[1]] = np.tensordot(dy[:, :, i, j], self.W, (1, 0))
        return dx, {"weight": dW, "bias": dy.sum(axis=(0, 2, 3))}


class MaxPool:
    """Windows of 2 by 2, side by side."""

    def forward(self, x):
        self.x = x
        n, c, h, w = x.shape
        whole = x[:, :, :h // 2 * 2, :w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2)
        self.windows = whole.transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
        self.largest = self.windows.argmax(axis=-1)
        return self.windows.max(axis=-1)

    def backward(self, dy):
        each = np.zeros_like(self.windows)
        np.put_along_axis(each, self.largest[..., None], dy[..., None], axis=-1)
        n, c, h, w = dy.shape
        dx = np.zeros_like(self.x)
        dx[:, :, :2 * h, :2 * w] = each.reshape(n, c, h, w, 2, 2).transpose(
            0, 1, 2, 4, 3, 5).reshape(n, c, 2 * h, 2 * w)
        return dx, {}


class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        return dy.reshape(self.shape), {}


class Dense:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        return dy @ self.W.T, {"weight": self.x.T @ dy, "bias": dy.sum(axis=0)}


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y**2), {}


LAYERS = {"conv2d": Conv, "pool2d": MaxPool, "flatten": Flatten, "dense": Dense, "activation": Tanh}
CONV = {"kind": "conv2d", "stride": [[1, 1]], "padding": [[0, 0]], "dilation": [[1, 1]], "groups": 1,
        "bias": "channel"}
POOL = {"kind": "pool2d", "function": "max", "window": [[2, 2]], "stride": [[2, 2]],
        "padding": [[0, 0]], "ceil": False}


@implementation(hidden=["tanh"], heads=[Head("identity", "squared_error", reduction="sum")],
                layers=["dense", CONV, POOL])
def backprop(network, parameters, inputs, targets):
    layers, x, gradients = [], inputs, {}
    for i, spec in enumerate(network.layers):
        own = [parameters[f"{i}.{name}"] for name in ("weight", "bias") if f"{i}.{name}" in parameters]
        layers.append(LAYERS[spec.kind](*own))
        x = layers[-1].forward(x)
    dy = 2 * (x - targets)
    for i, layer in reversed(list(enumerate(layers))):
        dy, own = layer.backward(dy)
        gradients |= {f"{i}.{name}": value for name, value in own.items()}
    return ((x - targets) ** 2).sum(), {**gradients, "inputs": dy}
