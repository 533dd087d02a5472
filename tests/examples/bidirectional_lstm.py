"""A stack of bidirectional LSTMs in plain NumPy, and its backpropagation through time.

Each level runs two LSTMs over the sequence, one of them backwards, and puts their states next to each other or adds
them. The gates stand in the order i, f, g, o.

    python -m backproof verify tests/examples/bidirectional_lstm.py:backprop --examples 20 --oracles torch,real_time,arbiter
"""

import numpy as np
from backproof import Head, implementation

PLAIN = {"kind": "lstm", "recurrent_bias": False, "initial_state": False, "initial_cell": False, "mask": False,
         "peephole": False, "coupled": False}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(x, W, U, b=0):
    """The states (N, T, m) of a sequence x (N, T, n), and the way back through time."""
    (N, T, _), m = x.shape, len(U)
    h, c, steps = np.zeros((N, m), x.dtype), np.zeros((N, m), x.dtype), []
    hs = np.zeros((N, T, m), x.dtype)
    for t in range(T):
        before = h, c
        z = x[:, t] @ W + h @ U + b
        i, f, o = (sigmoid(z[:, k * m:(k + 1) * m]) for k in (0, 1, 3))
        g = np.tanh(z[:, 2 * m:3 * m])
        c = f * c + i * g
        h = o * np.tanh(c)
        hs[:, t] = h
        steps.append((*before, i, f, g, o, np.tanh(c)))

    def back(dhs):
        dx, dW, dU, db, dh, dc = np.zeros_like(x), 0, 0, 0, 0, 0
        for t in reversed(range(T)):
            h, c, i, f, g, o, tanh_c = steps[t]
            dh = dhs[:, t] + dh
            dc = dc + dh * o * (1 - tanh_c**2)
            dz = np.concatenate([dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2),
                                 dh * tanh_c * o * (1 - o)], axis=1)
            dW, dU, db = dW + x[:, t].T @ dz, dU + h.T @ dz, db + dz.sum(axis=0)
            dx[:, t], dh, dc = dz @ W.T, dz @ U.T, dc * f
        return dx, {"weight": dW, "recurrent_weight": dU, "bias": db}

    return hs, back


def one_way(x, p, spec):
    """One direction: all states, or the last one alone."""
    turn = (lambda a: a[:, ::-1]) if spec["reverse"] else (lambda a: a)
    hs, back = lstm(turn(x), p["weight"], p["recurrent_weight"], p.get("bias", 0))
    if spec["returns"] == "sequence":
        hs, tell = turn(hs), turn
    else:
        shape, hs = hs.shape, hs[:, -1]

        def tell(dy):
            dhs = np.zeros(shape, dy.dtype)
            dhs[:, -1] = dy
            return dhs

    def backward(dy):
        dx, gradients = back(tell(dy))
        return turn(dx), {name: gradients[name] for name in p}

    return hs, backward


def two_ways(x, p, spec):
    """Both directions of a level, each with parameters of its own: "0.0.weight", "1.0.weight"."""
    runs = []
    for b, (branch,) in enumerate(spec["branches"]):
        own = {name.rpartition(".")[2]: value for name, value in p.items() if name.startswith(f"{b}.")}
        runs.append(one_way(x, own, branch))
    ys = [y for y, _ in runs]
    added = spec["combine"] == "add"

    def backward(dy):
        both = [dy, dy] if added else np.split(dy, 2, axis=-1)
        found = [back(d) for (_, back), d in zip(runs, both, strict=True)]
        gradients = {f"{b}.0.{name}": g for b, (_, own) in enumerate(found) for name, g in own.items()}
        return found[0][0] + found[1][0], gradients

    return (ys[0] + ys[1] if added else np.concatenate(ys, axis=-1)), backward


def dense(x, p, spec):
    def backward(dy):
        rows, d = (a.reshape(-1, a.shape[-1]) for a in (x, dy))
        gradients = {"weight": rows.T @ d, "bias": d.sum(axis=0)}
        return dy @ p["weight"].T, {name: gradients[name] for name in p}

    return x @ p["weight"] + p.get("bias", 0), backward


def tanh(x, p, spec):
    y = np.tanh(x)
    return y, lambda dy: (dy * (1 - y**2), {})


LAYERS = {"lstm": one_way, "parallel": two_ways, "dense": dense, "activation": tanh}


@implementation(layers=["stacked_recurrent", "bidirectional", PLAIN], hidden=["tanh"], bias="any", depth=(2, 4),
                heads=[Head("identity", "squared_error")], dtypes=["float64", "float32"])
def backprop(network, parameters, inputs, targets):
    y, ways_back = inputs, []
    for n, spec in enumerate(network.to_json()["layers"]):
        own = {name.partition(".")[2]: value for name, value in parameters.items() if name.startswith(f"{n}.")}
        y, back = LAYERS[spec["kind"]](y, own, spec)
        ways_back.append(back)
    d, gradients = 2 * (y - targets) / len(y), {}
    for n, back in reversed(list(enumerate(ways_back))):
        d, own = back(d)
        gradients |= {f"{n}.{name}": value for name, value in own.items()}
    return ((y - targets)**2).sum() / len(y), {**gradients, "inputs": d}
