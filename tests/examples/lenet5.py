"""LeNet-5 in plain NumPy, from scratch, with its backpropagation.

LeCun, Bottou, Bengio, Haffner, Gradient-Based Learning Applied to Document Recognition (1998),
section II.B: C1 (6 filters of 5 by 5), S2 (trainable sub-sampling), C3 (16 filters), S4, C5 (120),
F6 (84 units) and 10 outputs, for images of 32 by 32. In three things it is simpler than the paper:
every filter of C3 sees all six maps (the paper leaves some out, table I), tanh is not scaled by
1.7159 and 2/3, and the outputs are plain units with a squared error, no radial basis functions.
Sub-sampling takes the mean of four entries where the paper has their sum.

    python -m backproof verify tests/examples/lenet5.py:backprop --examples 4 --oracles torch
"""

import numpy as np
from backproof import implementation


def conv(filters):
    return {"kind": "conv2d", "filters": filters, "window": [5, 5]}


SUBSAMPLE = {"kind": "subsample2d", "window": [2, 2]}
TANH = {"kind": "activation", "function": "tanh"}
LENET5 = {
    "format": 1, "input_shape": [1, 32, 32], "input_kind": "real",
    "layers": [conv(6), TANH, SUBSAMPLE, TANH, conv(16), TANH, SUBSAMPLE, TANH, conv(120), TANH,
               {"kind": "flatten"}, {"kind": "dense", "units": 84}, TANH,
               {"kind": "dense", "units": 10}],
    "loss": {"kind": "squared_error", "reduction": "sum", "scale": 0.5},
}


def windows(x):
    """Every 5 by 5 part of every map: (batch, maps, height - 4, width - 4, 5, 5)."""
    return np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(2, 3))


def convolution(x, W, b):
    """y[f] = sum over the maps of x * W[f], plus b[f]; and its way back."""
    y = np.tensordot(windows(x), W, ([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)

    def back(dy):
        dW = np.tensordot(dy, windows(x), ([0, 2, 3], [0, 2, 3]))
        around = np.pad(dy, ((0, 0), (0, 0), (4, 4), (4, 4)))
        turned = W[:, :, ::-1, ::-1]
        dx = np.tensordot(windows(around), turned, ([1, 4, 5], [0, 2, 3])).transpose(0, 3, 1, 2)
        return dx, {"weight": dW, "bias": dy.sum(axis=(0, 2, 3))}

    return y + b[:, None, None], back


def subsampling(x, c, b):
    """y = c * (mean of each 2 by 2 block) + b, with c and b for each map."""
    mean = (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4

    def back(dy):
        dmean = dy * c[:, None, None]
        dx = np.repeat(np.repeat(dmean, 2, axis=2), 2, axis=3) / 4
        return dx, {"coefficient": (dy * mean).sum(axis=(0, 2, 3)), "bias": dy.sum(axis=(0, 2, 3))}

    return mean * c[:, None, None] + b[:, None, None], back


def dense(x, W, b):
    return x @ W + b, lambda dy: (dy @ W.T, {"weight": x.T @ dy, "bias": dy.sum(axis=0)})


def tanh(x):
    y = np.tanh(x)
    return y, lambda dy: (dy * (1 - y * y), {})


def flatten(x):
    return x.reshape(len(x), -1), lambda dy: (dy.reshape(x.shape), {})


LAYERS = {"conv2d": (convolution, ("weight", "bias")), "dense": (dense, ("weight", "bias")),
          "subsample2d": (subsampling, ("coefficient", "bias")),
          "activation": (tanh, ()), "flatten": (flatten, ())}


@implementation(networks=[LENET5], batch=(1, 2), dtypes=["float64", "float32"])
def backprop(network, parameters, inputs, targets):
    x, ways_back, gradients = inputs, [], {}
    for i, spec in enumerate(network.layers):
        layer, names = LAYERS[spec.kind]
        x, back = layer(x, *(parameters[f"{i}.{name}"] for name in names))
        ways_back.append(back)
    error = x - targets
    dy = error
    for i, back in reversed(list(enumerate(ways_back))):
        dy, own = back(dy)
        gradients |= {f"{i}.{name}": value for name, value in own.items()}
    return 0.5 * (error ** 2).sum(), {**gradients, "inputs": dy}
