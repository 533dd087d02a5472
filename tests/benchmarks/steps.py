"""Right training steps, as different people write them: how many alarms, at which rates.

`make bench ARGS="--only steps"`, or a few styles: `python tests/benchmarks/steps.py --only adam --count 200`. Every
style is asked so many networks in both precisions, a part of them at each rate; where a style has a rate of its own,
that is the rate it has.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from backproof import Head, Layout, training_step, verify

Row = tuple[str, str, str]
RATES = (1e-4, 1e-2, 1.0, 1e3)
HEADS = [Head("identity", "squared_error", "mean_over_batch", 0.5), Head("softmax", "cross_entropy", "mean_over_batch")]
CLAIMS: dict[str, Any] = {"hidden": ["tanh", "sigmoid", "relu"], "heads": HEADS, "dtypes": ["float64", "float32"]}
ONE: dict[str, Any] = {"hidden": ["tanh"], "heads": HEADS[:1], "dtypes": ["float64", "float32"]}


# --- the gradient, plainly --------------------------------------------------------------------------------------------


def sigmoid(z: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * z))


HIDDEN: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tanh": (np.tanh, lambda y: 1 - y * y), "sigmoid": (sigmoid, lambda y: y * (1 - y)),
    "relu": (lambda z: np.maximum(z, 0), lambda y: (y > 0).astype(y.dtype))}


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def gradients(functions: list[str], outputs: str, W: list[Any], b: list[Any], x: Any, t: Any) -> tuple[list[Any], list[Any]]:
    a = [x]
    for i, (w, c) in enumerate(zip(W, b, strict=True)):
        z = a[-1] @ w + c
        a.append(HIDDEN[functions[i]][0](z) if i < len(functions) else softmax(z) if outputs == "softmax" else z)
    n = x.dtype.type(len(x))
    t = np.eye(a[-1].shape[1], dtype=x.dtype)[t] if t.ndim < 2 else t
    # soft targets need not sum to 1
    delta = (a[-1] * t.sum(axis=1, keepdims=True) - t if outputs == "softmax" else a[-1] - t) / n
    dW, db = [], []
    for i in reversed(range(len(W))):
        dW.insert(0, a[i].T @ delta)
        db.insert(0, delta.sum(axis=0))
        if i:
            delta = delta @ W[i].T * HIDDEN[functions[i - 1]][1](a[i])
    return dW, db


def of(network: Any, W: list[Any], b: list[Any], x: Any, t: Any) -> tuple[list[Any], list[Any]]:
    functions = [spec.function for spec in network.layers if spec.function]
    count = len(W) - 1
    return gradients(functions[:count], (functions[count:] or ["identity"])[0], W, b, x, t)


Style = Callable[["float | None"], Any]
STYLES: dict[str, Style] = {}


def style(name: str) -> Callable[[Style], Style]:
    def keep(make: Style) -> Style:
        STYLES[name] = make
        return make

    return keep


# --- functions --------------------------------------------------------------------------------------------------------


@style("W - rate * dW")
def plainly(rate: float | None) -> Any:
    def step(network, parameters, inputs, targets, lr):  # type: ignore[no-untyped-def]
        W, b = network.unpack(parameters)
        dW, db = of(network, W, b, inputs, targets)
        return network.pack([w - lr * g for w, g in zip(W, dW, strict=True)],
                            [c - lr * g for c, g in zip(b, db, strict=True)])

    return training_step(rate=rate, **CLAIMS)(step)


@style("in place, error = target - output")
def in_place(rate: float | None) -> Any:
    def step(network, parameters, inputs, targets, lr):  # type: ignore[no-untyped-def]
        W, b = network.unpack(parameters)
        dW, db = of(network, W, b, inputs, targets)
        for w, g in zip(W, dW, strict=True):
            w += lr * -g
        for c, g in zip(b, db, strict=True):
            c += lr * -g

    return training_step(rate=rate, **CLAIMS)(step)


@style("one update after another into the new parameters, gradients of the old")
def summed_into(rate: float | None) -> Any:
    def step(network, parameters, inputs, targets, lr):  # type: ignore[no-untyped-def]
        W, b = network.unpack(parameters)
        new = {name: p.copy() for name, p in parameters.items()}
        for k in range(len(inputs)):
            g = network.pack(*of(network, W, b, inputs[k:k + 1], targets[k:k + 1]))
            for name in new:
                new[name] -= new[name].dtype.type(lr / len(inputs)) * g[name]
        return new

    return training_step(rate=rate, **CLAIMS)(step)


@style("one vector of all parameters")
def flat(rate: float | None) -> Any:
    def step(network, parameters, inputs, targets, lr):  # type: ignore[no-untyped-def]
        W, b = network.unpack(parameters)
        g = network.pack(*of(network, W, b, inputs, targets))
        theta = np.concatenate([p.ravel() for p in parameters.values()])
        theta = theta - np.multiply(np.concatenate([g[name].ravel() for name in parameters]), theta.dtype.type(lr))
        new, at = {}, 0
        for name, p in parameters.items():
            new[name] = theta[at:at + p.size].reshape(p.shape)
            at += p.size
        return new

    return training_step(rate=rate, **CLAIMS)(step)


@style("torch.optim.SGD")
def by_torch(rate: float | None) -> Any:
    def step(network, parameters, inputs, targets, lr):  # type: ignore[no-untyped-def]
        import torch

        mine = {name: torch.tensor(p, requires_grad=True) for name, p in parameters.items()}
        W, b = network.unpack(mine)
        x = torch.tensor(inputs)
        for i, (w, c) in enumerate(zip(W, b, strict=True)):
            x = x @ w + c
            x = torch.tanh(x) if i + 1 < len(W) else x
        (0.5 * ((x - torch.tensor(targets)) ** 2).sum() / len(inputs)).backward()
        torch.optim.SGD(mine.values(), lr).step()
        return mine

    return training_step(rate=rate, made_of=["torch"], **ONE)(step)


# --- classes ----------------------------------------------------------------------------------------------------------


class Lists:
    """Lists of matrices and vectors, tanh, a plain step."""

    momentum = decay = 0.0

    def __init__(self, sizes, lr):  # type: ignore[no-untyped-def]
        self.lr, self.weights, self.biases = lr, [None] * (len(sizes) - 1), [None] * (len(sizes) - 1)

    def fit(self, X, y):  # type: ignore[no-untyped-def]
        dW, db = gradients(["tanh"] * (len(self.weights) - 1), "identity", self.weights, self.biases, X, y)
        self.update(dW, db)

    def update(self, dW, db):  # type: ignore[no-untyped-def]
        for i in range(len(dW)):
            self.weights[i] = self.weights[i] - self.lr * dW[i]
            self.biases[i] = self.biases[i] - self.lr * db[i]


class Momentum(Lists):
    def update(self, dW, db):  # type: ignore[no-untyped-def]
        g = [*dW, *db]
        self.v = getattr(self, "v", [0 * each for each in g])
        self.v = [0.9 * v - self.lr * each for v, each in zip(self.v, g, strict=True)]
        for p, v in zip([*self.weights, *self.biases], self.moves(g), strict=True):
            p += v

    def moves(self, g):  # type: ignore[no-untyped-def]
        return self.v


class Nesterov(Momentum):
    def moves(self, g):  # type: ignore[no-untyped-def]
        return [0.9 * v - self.lr * each for v, each in zip(self.v, g, strict=True)]


class Decay(Lists):
    def update(self, dW, db):  # type: ignore[no-untyped-def]
        self.weights = [w * (1 - self.lr * 0.01) - self.lr * g for w, g in zip(self.weights, dW, strict=True)]
        self.biases = [c - self.lr * g for c, g in zip(self.biases, db, strict=True)]


class Adam(Lists):
    t = 0

    def update(self, dW, db):  # type: ignore[no-untyped-def]
        g = [*dW, *db]
        self.m = getattr(self, "m", [0 * each for each in g])
        self.s = getattr(self, "s", [0 * each for each in g])
        self.t += 1
        for k, p in enumerate([*self.weights, *self.biases]):
            self.m[k] = 0.9 * self.m[k] + 0.1 * g[k]
            self.s[k] = 0.999 * self.s[k] + 0.001 * g[k] ** 2
            rate = self.lr * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)  # the authors' other form
            p -= p.dtype.type(rate) * self.m[k] / (np.sqrt(self.s[k]) + 1e-8 * np.sqrt(1 - 0.999**self.t))


class Clipped(Lists):
    def update(self, dW, db):  # type: ignore[no-untyped-def]
        norm = np.sqrt(sum((g**2).sum() for g in [*dW, *db]))
        by = min(1.0, 1.0 / max(norm, 1e-30))
        super().update([g * g.dtype.type(by) for g in dW], [g * g.dtype.type(by) for g in db])


def lists(cls: type, rule: dict[str, Any] | None = None) -> Style:
    return lambda rate: training_step(cls, weights="weights", biases="biases", train="fit", rate=rate,
                                      make=lambda network, lr: cls([int(n) for n in network.sizes], lr), rule=rule, **ONE)


STYLES |= {"a class with lists": lists(Lists), "momentum": lists(Momentum, {"momentum": 0.9}),
           "nesterov": lists(Nesterov, {"nesterov": 0.9}), "decay, W * (1 - rate * decay)": lists(Decay, {"decay": 0.01}),
           "adam": lists(Adam, {"adam": {}}), "clipped by norm": lists(Clipped, {"clip_norm": 1.0})}


class Columns:
    """Columns, and sums over pairs."""

    def __init__(self, sizes):  # type: ignore[no-untyped-def]
        self.biases = [np.zeros((m, 1)) for m in sizes[1:]]
        self.weights = [np.zeros((m, n)) for n, m in pairwise(sizes)]

    def update_mini_batch(self, mini_batch, eta):  # type: ignore[no-untyped-def]
        nw, nb = [0 * w for w in self.weights], [0 * b for b in self.biases]
        for x, y in mini_batch:
            a = [x]
            for w, b in zip(self.weights, self.biases, strict=True):
                a.append(sigmoid(w @ a[-1] + b))
            delta = (a[-1] - y) * a[-1] * (1 - a[-1])
            for i in reversed(range(len(nw))):
                nw[i], nb[i] = nw[i] + delta @ a[i].T, nb[i] + delta
                delta = self.weights[i].T @ delta * a[i] * (1 - a[i])
        self.weights = [w - (eta / len(mini_batch)) * g for w, g in zip(self.weights, nw, strict=True)]
        self.biases = [b - (eta / len(mini_batch)) * g for b, g in zip(self.biases, nb, strict=True)]


@style("columns and pairs")
def columns(rate: float | None) -> Any:
    return training_step(Columns, weights="weights", biases="biases", train="update_mini_batch", rate=rate,
                         layout=Layout(weight="out_in", bias="column", batch="columns"),
                         make=None if rate is None else lambda network, lr: Columns([int(n) for n in network.sizes]),
                         hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error", "mean_over_batch", 0.5)],
                         dtypes=["float64", "float32"])


class Joined:
    """The bias is the last row of each matrix, with an input of -1."""

    def __init__(self, sizes):  # type: ignore[no-untyped-def]
        self.w = [np.zeros((n + 1, m)) for n, m in pairwise(sizes)]

    def train(self, inputs, targets, eta):  # type: ignore[no-untyped-def]
        a = [np.c_[inputs, -np.ones(len(inputs), inputs.dtype)]]
        for w in self.w[:-1]:
            a.append(np.c_[np.tanh(a[-1] @ w), -np.ones(len(inputs), inputs.dtype)])
        delta = (a[-1] @ self.w[-1] - targets) / len(inputs)
        for i in reversed(range(len(self.w))):
            g = a[i].T @ delta
            delta = (delta @ self.w[i].T * (1 - a[i] ** 2))[:, :-1]
            self.w[i] -= eta * g


@style("a bias row, with an input of -1")
def joined(rate: float | None) -> Any:
    return training_step(Joined, weights="w", bias_in_weight="last_row", layout=Layout(bias_sign=-1), train="train",
                         rate=rate, **ONE)


class Neurons:
    """Plain Python: one number after another."""

    def __init__(self, sizes):  # type: ignore[no-untyped-def]
        self.weights, self.biases = [[[0.0]]] * (len(sizes) - 1), [[0.0]] * (len(sizes) - 1)

    def learn(self, x, t, alpha):  # type: ignore[no-untyped-def]
        W, B, total = self.weights, self.biases, None
        for row, wanted in zip(x.tolist(), t.tolist(), strict=True):
            a = [row]
            for i, (w, b) in enumerate(zip(W, B, strict=True)):
                z = [sum(v * w[j][k] for j, v in enumerate(a[-1])) + b[k] for k in range(len(b))]
                a.append([float(np.tanh(v)) for v in z] if i + 1 < len(W) else z)
            delta, found = [(p - y) / len(x) for p, y in zip(a[-1], wanted, strict=True)], []
            for i in reversed(range(len(W))):
                found.insert(0, ([[v * d for d in delta] for v in a[i]], delta))
                delta = [sum(d * w for d, w in zip(delta, W[i][j], strict=True)) * (1 - v * v) for j, v in enumerate(a[i])]
            total = found if total is None else [
                ([[p + q for p, q in zip(r, s, strict=True)] for r, s in zip(dw, more, strict=True)],
                 [p + q for p, q in zip(db, mb, strict=True)]) for (dw, db), (more, mb) in zip(total, found, strict=True)]
        self.weights = [[[p - alpha * q for p, q in zip(r, s, strict=True)] for r, s in zip(w, dw, strict=True)]
                        for w, (dw, _) in zip(W, total, strict=True)]
        self.biases = [[p - alpha * q for p, q in zip(b, db, strict=True)] for b, (_, db) in zip(B, total, strict=True)]


@style("plain Python, neuron by neuron")
def neurons(rate: float | None) -> Any:
    return training_step(Neurons, weights="weights", biases="biases", train="learn", rate=rate, max_parameters=60, batch=(1, 8),
                         **ONE)


# --- the figures ------------------------------------------------------------------------------------------------------


def figures(count: int, only: str = "") -> Iterator[Row]:
    """For each style: networks, checks, failures and what was not decided, at all rates."""
    for name, make in STYLES.items():
        if only and only not in name:
            continue
        networks = passed = failed = open_ = 0
        for i, rate in enumerate(RATES):
            report = verify(make(rate), examples=max(1, count // len(RATES)), seconds=3600, seed=100 + i, oracles="torch")
            if report.verdict not in ("conforms", "incomplete"):
                print(report.text()[:2000], flush=True)
            networks += report.networks
            passed += report.total("passed")
            failed += report.total("failed") + report.total("errored")
            open_ += report.total("inconclusive")
        yield name, f"{networks} networks, {passed} checks, {failed} failed, {open_} not decided", "0 failed"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="styles whose name has this in it")
    parser.add_argument("--count", type=int, default=2000, help="networks for each style")
    options = parser.parse_args()
    for what, seen, bar in figures(options.count, options.only):
        print(f"{what:75s} {seen:70s} {bar}", flush=True)
