"""Mistakes with one number in them, planted with random numbers: are they named, with the number right to 3 digits?

    python tests/benchmarks/fitted.py --seeds 10
    python tests/benchmarks/fitted.py --seeds 3 --only rate

The program they are planted in is a plain NumPy network, an example a row, that shares no code with the package. A row
for each number: in how many runs the mistake was caught, named by the headline, and named with its number; and what was
said where it was not.
"""

import argparse
import math
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from backproof import Head, implementation, verify  # noqa: E402


def sigmoid(z):
    return np.exp(-np.logaddexp(0, -z))


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


# --- the network ---------------------------------------------------------------------------------------------------


class Mlp:
    """A chain of dense layers. A mistake is a name with a number; none is right."""

    def __init__(self, mistake=None, number=0.0):
        self.mistake, self.number, self.velocity = mistake, number, {}

    def a(self, mistake):
        return self.mistake == mistake

    def activate(self, kind, z, leak):
        leak = self.number if self.a("slope, both") else leak
        return {"sigmoid": sigmoid, "tanh": np.tanh, "relu": lambda z: np.maximum(0, z), "softmax": softmax,
                "leaky_relu": lambda z: np.where(z > 0, z, leak * z), "identity": lambda z: z}[kind](z)

    def slope(self, kind, z, y, leak):
        if self.a("constant derivative") and kind != "identity":
            return np.full_like(z, self.number)
        leak = self.number if self.mistake in ("slope", "slope, both") else leak
        one = np.ones_like(z)
        return {"sigmoid": lambda: y * (1 - y), "tanh": lambda: 1 - y * y, "relu": lambda: one * (z > 0),
                "leaky_relu": lambda: np.where(z > 0, one, leak * one), "identity": lambda: one}[kind]()

    def __call__(self, network, parameters, inputs, targets):
        spec = network.to_json()
        weights, biases = network.unpack(parameters)
        weights, biases = [w.copy() for w in weights], [None if b is None else b.copy() for b in biases]
        kinds = self.functions(spec["layers"])
        zs, ys = [], [inputs]
        for w, b, (kind, leak) in zip(weights, biases, kinds, strict=True):
            zs.append(ys[-1] @ w + (0 if b is None else b))
            ys.append(self.activate(kind, zs[-1], leak))
        targets = self.target(targets, ys[-1], spec["loss"]["kind"])
        count = len(inputs) if spec["loss"]["reduction"] != "sum" else 1
        loss, error = self.loss(spec["loss"]["kind"], ys[-1], targets)
        loss, error = loss / count, error / count
        if self.a("penalty"):
            loss += self.number / 2 * sum((w**2).sum() for w in weights)
        if self.a("factor"):
            error = error * error.dtype.type(self.number)
        gradients = self.back(weights, biases, kinds, zs, ys, error)
        return loss, self.finished(network, parameters, *gradients)

    def functions(self, layers):
        """By dense layer the function after it, and its slope."""
        found = []
        for layer in layers:
            if layer["kind"] == "dense":
                found.append(("identity", 0.0))
            else:
                found[-1] = layer["function"], layer.get("slope", 0.0)
        return found

    def target(self, t, p, kind):
        t = np.eye(p.shape[1], dtype=p.dtype)[t] if t.ndim == 1 else t
        if self.a("smoothing") and kind != "squared_error":
            t = t * (1 - self.number) + self.number / (2 if kind.startswith("bin") else p.shape[1])
        return t.astype(p.dtype)

    def loss(self, kind, p, t):
        eps = self.number if self.a("epsilon") else 0
        log = {"epsilon in loss": lambda q: np.log(q + self.number),
               "floor in loss": lambda q: np.log(np.maximum(q, self.number))}.get(self.mistake, lambda q: np.log(q + eps))
        if kind == "squared_error":
            return ((p - t)**2).sum(), 2 * (p - t)
        if kind == "cross_entropy":
            return -(t * log(p)).sum(), -t / (p + eps)
        return -(t * log(p) + (1 - t) * log(1 - p)).sum(), (1 - t) / (1 - p + eps) - t / (p + eps)

    def back(self, weights, biases, kinds, zs, ys, error):
        d_weights, d_biases = [None] * len(weights), [None] * len(weights)
        for i in reversed(range(len(weights))):
            kind, leak = kinds[i]
            if kind == "softmax":
                delta = ys[i + 1] * (error - (error * ys[i + 1]).sum(1, keepdims=True))
            else:
                delta = error * self.slope(kind, zs[i], ys[i + 1], leak)
            if self.a("errors clipped"):
                delta = delta.clip(-self.number, self.number)
            d_weights[i], d_biases[i] = ys[i].T @ delta, delta.sum(0)
            if self.a("rate"):
                weights[i] -= weights[i].dtype.type(self.number) * d_weights[i]
            error = delta @ weights[i].T
            if self.a("decay"):
                d_weights[i] = d_weights[i] + d_weights[i].dtype.type(self.number) * weights[i]
            if self.a("decay of biases") and biases[i] is not None:
                d_biases[i] = d_biases[i] + d_biases[i].dtype.type(self.number) * biases[i]
            if self.a("factor of biases"):
                d_biases[i] = d_biases[i] * d_biases[i].dtype.type(self.number)
        return d_weights, d_biases

    def finished(self, network, parameters, d_weights, d_biases):
        packed, c = network.pack(d_weights, d_biases), self.number
        gradients = {name: packed[name] for name in parameters}
        if self.a("clipped"):
            return {name: g.clip(-c, c) for name, g in gradients.items()}
        if self.a("norm"):
            return {name: g * g.dtype.type(min(1.0, c / (np.linalg.norm(g) or 1))) for name, g in gradients.items()}
        if self.a("global norm"):
            norm = math.sqrt(sum(float((g.astype(float)**2).sum()) for g in gradients.values())) or 1
            return {name: g * g.dtype.type(min(1.0, c / norm)) for name, g in gradients.items()}
        if self.a("momentum"):
            for name, g in gradients.items():
                key = name, g.shape, str(g.dtype), str(network.to_json())
                self.velocity[key] = gradients[name] = g + g.dtype.type(c) * self.velocity.get(key, np.zeros_like(g))
        return gradients


# --- the mistakes --------------------------------------------------------------------------------------------------


class Planted(NamedTuple):
    """The mistake's name in the table, and the ends between which its number is drawn, evenly in the logarithm."""

    fault: str
    least: float
    most: float


MISTAKES = {
    "rate": Planted("weights-updated-before-delta", 1e-3, 1.0),
    "decay": Planted("decay-in-gradient-only", 1e-4, 0.1),
    "decay of biases": Planted("decay-on-biases-too", 1e-4, 0.1),
    "penalty": Planted("penalty-in-loss-only", 1e-4, 0.1),
    "errors clipped": Planted("delta-clipped", 0.1, 10.0),
    "clipped": Planted("gradient-clipped", 0.1, 10.0),
    "norm": Planted("gradient-clipped-by-norm", 0.1, 10.0),
    "global norm": Planted("gradient-clipped-by-global-norm", 0.1, 10.0),
    "epsilon": Planted("log-with-epsilon", 1e-12, 1e-3),
    "epsilon in loss": Planted("log-with-epsilon-in-loss", 1e-12, 1e-3),
    "floor in loss": Planted("log-clipped-in-loss", 1e-12, 1e-3),
    "smoothing": Planted("label-smoothing", 0.01, 0.3),
    "slope": Planted("leaky-slope-in-derivative", 0.001, 0.5),
    "slope, both": Planted("leaky-slope-of-another", 0.001, 0.5),
    "constant derivative": Planted("derivative-constant", 0.05, 0.8),
    "factor": Planted("gradient-times-factor", 1e-3, 10.0),
    "factor of biases": Planted("bias-times-factor", 1e-3, 10.0),
    "momentum": Planted("momentum-left-over", 0.3, 0.99),
}
CLAIMS = {
    "hidden": ["sigmoid", "tanh", "relu", {"function": "leaky_relu", "slope": 0.01}],
    "heads": [Head("identity", "squared_error", reduction="mean_over_batch"),
              Head("softmax", "cross_entropy", reduction="mean_over_batch"),
              Head("sigmoid", "binary_cross_entropy", reduction="sum")],
    "bias": "any",
    "dtypes": ("float64", "float32"),
}


def planted(mistake, number):
    net = implementation(**CLAIMS)(Mlp(mistake, number))
    net.__qualname__ = mistake or "right"
    return net


class Seen(NamedTuple):
    """One run: the number planted, whether it was caught, named, named with the number; the seconds; the headline."""

    number: float
    caught: bool
    named: bool
    told: bool
    seconds: float
    headline: str


def run(job):
    mistake, seed, stop_after = job
    row = MISTAKES[mistake]
    rng = np.random.default_rng([seed, list(MISTAKES).index(mistake)])
    number = math.exp(rng.uniform(math.log(row.least), math.log(row.most)))
    start = time.perf_counter()
    report = verify(planted(mistake, number), seed=seed, examples=300, oracles=("torch",), stop_after=stop_after)
    seconds = time.perf_counter() - start
    if not report.findings:
        return Seen(number, False, False, False, seconds, f"{report.verdict}: {report.reason}")
    finding = report.findings[0]
    named = finding.faults[:1] == (row.fault,)
    told = named and all(abs(value - number) <= 5e-4 * number for value in finding.numbers.values())
    return Seen(number, True, named, told, seconds, finding.headline)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="how many numbers for each mistake")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (default 0)")
    parser.add_argument("--only", action="append", choices=tuple(MISTAKES), help="one mistake (may be given again)")
    parser.add_argument("--stop-after", type=int, default=8, help="stop drawing once so many networks have failed")
    options = parser.parse_args()
    chosen = options.only or list(MISTAKES)
    jobs = [(mistake, seed, options.stop_after) for mistake in chosen
            for seed in range(options.first, options.first + options.seeds)]
    done = {mistake: [] for mistake in chosen}
    with ProcessPoolExecutor(2) as pool:
        for (mistake, seed, _), seen in zip(jobs, pool.map(run, jobs), strict=True):
            done[mistake].append(seen)
            if not seen.told:
                print(f"{mistake} = {seen.number:.6g}, seed {seed}: {seen.headline[:150]}", file=sys.stderr, flush=True)
    print(f"{'number':20s} {'caught':8s} {'named':8s} {'with its number':16s} seconds, worst")
    for mistake, each in done.items():
        shares = [f"{sum(getattr(seen, of) for seen in each)}/{len(each)}" for of in ("caught", "named", "told")]
        print(f"{mistake:20s} {shares[0]:8s} {shares[1]:8s} {shares[2]:16s} {max(s.seconds for s in each):.1f}")
    every = [seen for each in done.values() for seen in each]
    print(f"{len(every)} runs: {sum(s.caught for s in every)} caught, {sum(s.named for s in every)} named, "
          f"{sum(s.told for s in every)} with the number right to 3 digits")


if __name__ == "__main__":
    main()
