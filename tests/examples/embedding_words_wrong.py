"""Word vectors in plain NumPy: a word that is there twice counts once."""

import numpy as np
from backproof import Head, implementation


@implementation(hidden=["tanh"], heads=[Head("identity", "softmax_cross_entropy", reduction="mean_over_batch")],
                layers=[{"kind": "embedding", "padding_index": None}, "dense"])
def backprop(network, parameters, inputs, targets):
    x, cache = inputs, []
    for i, layer in enumerate(network.layers):
        cache.append(x)
        if layer.kind == "embedding":
            x = parameters[f"{i}.weight"][x]
        elif layer.kind == "dense":
            x = x @ parameters[f"{i}.weight"] + parameters[f"{i}.bias"]
        else:
            x = np.tanh(x)

    t = np.eye(x.shape[-1])[targets] if targets.ndim < x.ndim else targets
    x = x - x.max(axis=-1, keepdims=True)
    logs = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    loss = -(t * logs).sum() / len(inputs)

    d, gradients = (np.exp(logs) * t.sum(axis=-1, keepdims=True) - t) / len(inputs), {}
    for i, layer in reversed(list(enumerate(network.layers))):
        x = cache[i]
        if layer.kind == "embedding":
            dw = np.zeros_like(parameters[f"{i}.weight"])
            dw[x] += d
            gradients[f"{i}.weight"] = dw
        elif layer.kind == "dense":
            rows, drows = x.reshape(-1, x.shape[-1]), d.reshape(-1, d.shape[-1])
            gradients[f"{i}.weight"], gradients[f"{i}.bias"] = rows.T @ drows, drows.sum(axis=0)
            d = d @ parameters[f"{i}.weight"].T
        else:
            d = d * (1 - np.tanh(x) ** 2)
    return loss, gradients if network.input_kind != "real" else {**gradients, "inputs": d}
