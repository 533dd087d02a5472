"""A transformer in plain NumPy: blocks of causal attention and two dense layers, x + f(norm(x)), and a dense head.

Every function gives its output and a way back, from the gradient of the output to that of the input, which adds
the gradients of its parameters to `g`.
"""

import numpy as np
from backproof import implementation

STEPS, WIDTH, HEADS, CLASSES = 4, 6, 2, 3


def dense(x, p, g, name):
    W, b = p[name + "weight"], p[name + "bias"]

    def back(dy):
        g[name + "weight"] = np.einsum("bti,bto->io", x, dy)
        g[name + "bias"] = dy.sum(axis=(0, 1))
        return dy @ W.T

    return x @ W + b, back


def layer_norm(x, p, g, name):
    c = x - x.mean(axis=-1, keepdims=True)
    std = np.sqrt((c**2).mean(axis=-1, keepdims=True) + 1e-5)
    xhat = c / std

    def back(dy):
        g[name + "scale"], g[name + "bias"] = (dy * xhat).sum(axis=(0, 1)), dy.sum(axis=(0, 1))
        d = dy * p[name + "scale"]
        return (d - d.mean(axis=-1, keepdims=True) - xhat * (d * xhat).mean(axis=-1, keepdims=True)) / std

    return xhat * p[name + "scale"] + p[name + "bias"], back


def tanh(x, p, g, name):
    y = np.tanh(x)
    return y, lambda dy: dy * (1 - y**2)


def attention(x, p, g, name):
    B, T, n = x.shape
    d = n // HEADS

    def split(a):
        return a.reshape(B, T, HEADS, d).transpose(0, 2, 1, 3)

    def merge(a):
        return a.transpose(0, 2, 1, 3).reshape(B, T, n)

    (q, back_q), (k, back_k), (v, back_v) = (dense(x, p, g, f"{name}{part}_") for part in ("query", "key", "value"))
    Q, K, V = split(q), split(k), split(v)
    S = np.where(np.tri(T) == 1, Q @ K.swapaxes(2, 3) / np.sqrt(d).astype(x.dtype), -np.inf)
    P = np.exp(S - S.max(axis=-1, keepdims=True))
    P /= P.sum(axis=-1, keepdims=True)
    y, back_y = dense(merge(P @ V), p, g, f"{name}output_")

    def back(dy):
        dO = split(back_y(dy))
        dP = dO @ V.swapaxes(2, 3)
        dS = P * (dP - (dP * P).sum(axis=-1, keepdims=True)) / np.sqrt(d).astype(x.dtype)
        dQ, dK, dV = dS @ K, dS.swapaxes(2, 3) @ Q, P.swapaxes(2, 3) @ dO
        return back_q(merge(dQ)) + back_k(merge(dK)) + back_v(merge(dV))

    return y, back


def chain(x, functions):
    backs = []
    for function, *arguments in functions:
        x, back = function(x, *arguments)
        backs.append(back)

    def back(dy):
        for way in reversed(backs):
            dy = way(dy)
        return dy

    return x, back


def residual(x, inside):
    y, back = chain(x, inside)
    return x + y, lambda dy: back(dy)


def cross_entropy(z, t):
    """The mean over the batch of the sum over the steps; t: the right classes, or what each of them should have."""
    t = t if t.ndim == z.ndim else np.eye(CLASSES, dtype=z.dtype)[t]
    z = z - z.max(axis=-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return -(log_p * t).sum() / len(z), (np.exp(log_p) - t) / len(z)


# --- what it is, for backproof ----------------------------------------------------------------------------------------

NORM = {"kind": "layer_norm", "epsilon": 1e-5}
BLOCK = [
    {"kind": "parallel", "combine": "add",
     "branches": [[], [NORM, {"kind": "attention", "heads": HEADS, "causal": True}]]},
    {"kind": "parallel", "combine": "add",
     "branches": [[], [NORM, {"kind": "dense", "units": 4 * WIDTH}, {"kind": "activation", "function": "tanh"},
                       {"kind": "dense", "units": WIDTH}]]},
]


def transformer(blocks):
    return {"format": 1, "input_shape": [STEPS, WIDTH], "input_kind": "real",
            "layers": [*(blocks * BLOCK), {"kind": "dense", "units": CLASSES}],
            "loss": {"kind": "softmax_cross_entropy", "reduction": "mean_over_batch"}}


@implementation(networks=[transformer(1), transformer(2)], dtypes=["float64", "float32"])
def backprop(network, parameters, inputs, targets):
    p, g, last = parameters, {}, len(network.layers) - 1
    halves = [(residual, [(layer_norm, p, g, f"{i}.1.0."), (attention, p, g, f"{i}.1.1.")]) if i % 2 == 0 else
              (residual, [(layer_norm, p, g, f"{i}.1.0."), (dense, p, g, f"{i}.1.1."), (tanh, p, g, ""),
                          (dense, p, g, f"{i}.1.3.")]) for i in range(last)]
    z, back = chain(inputs, [*halves, (dense, p, g, f"{last}.")])
    loss, dz = cross_entropy(z, targets)
    return loss, {"inputs": back(dz), **g}
