"""Whether an adapter's gradient is right, found without backproof's oracles, judges or reference.

    python tests/real/establish.py with_neurolab.py:mse      or without a name: all of truth.toml

Three numbers for small random networks. `own`: the gradient against differences (with Richardson's
extrapolation) of the loss that the adapter itself reports. `loss`: that loss against the declared
one, written here in 40 digits, with the best of nine reductions. `declared`: the gradient against
differences of the declared loss in 40 digits. Each is the largest relative error met, at weights
of ordinary size, then at large ones where units saturate. Together with the library's source this
is what the truths in truth.toml stand on.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tomllib
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
from backproof.plug.implementing import claims_of
from backproof.reference import parse

HERE = Path(__file__).parent
REDUCTIONS = [(kind, scale) for kind in ("sum", "mean_over_batch", "mean")
              for scale in (1, mp.mpf(1) / 2, 2)]
mp.mp.dps = 40


def load(target: str) -> Any:
    """The function that `file.py:name` names, in tests/real/adapters."""
    file, name = target.split(":")
    adapters = str(HERE / "adapters")
    if adapters not in sys.path:
        sys.path.insert(0, adapters)
    spec = importlib.util.spec_from_file_location(f"adapter_{file[:-3]}", HERE / "adapters" / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


# --- the textbook, in 40 digits -------------------------------------------------------------------


def softmax(z: list[Any]) -> list[Any]:
    e = [mp.exp(v - max(z)) for v in z]
    return [v / sum(e) for v in e]


def activate(name: str, z: list[Any], slope: float) -> list[Any]:
    one = {
        "identity": lambda v: v, "tanh": mp.tanh, "sigmoid": lambda v: 1 / (1 + mp.exp(-v)),
        "relu": lambda v: max(v, 0 * v), "leaky_relu": lambda v: v if v > 0 else mp.mpf(slope) * v,
        "softplus": lambda v: mp.log1p(mp.exp(-abs(v))) + max(v, 0 * v),
        "gelu": lambda v: v * mp.ncdf(v),
        "gelu_tanh": lambda v: v / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (
            v + mp.mpf("0.044715") * v**3))),
        "silu": lambda v: v / (1 + mp.exp(-v)),
    }
    return softmax(z) if name == "softmax" else [one[name](v) for v in z]


def elements(loss: str, p: list[Any], t: list[Any]) -> list[Any]:
    """The unreduced loss of one example: a number an output, or one alone."""
    if loss == "squared_error":
        return [(a - b) ** 2 for a, b in zip(p, t, strict=True)]
    if loss == "absolute_error":
        return [abs(a - b) for a, b in zip(p, t, strict=True)]
    if loss == "sigmoid_cross_entropy":
        loss, p = "binary_cross_entropy", [1 / (1 + mp.exp(-v)) for v in p]
    if loss == "binary_cross_entropy":
        return [-(b * mp.log(a) if b else 0) - ((1 - b) * mp.log(1 - a) if b != 1 else 0)
                for a, b in zip(p, t, strict=True)]
    if loss == "softmax_cross_entropy":
        p = softmax(p)
    return [-sum(b * mp.log(a) for a, b in zip(p, t, strict=True) if b)]


def declared(case: dict[str, Any], flat: list[Any]) -> list[list[Any]]:
    """The unreduced loss of every example, with the parameters flat."""
    rows, at = [], 0
    layers = []
    for n, m in zip(case["sizes"], case["sizes"][1:], strict=False):
        w = [[flat[at + i * m + j] for j in range(m)] for i in range(n)]
        at += n * m
        b = flat[at:at + m] if case["bias"] else [mp.mpf(0)] * m
        at += m if case["bias"] else 0
        layers.append((w, b))
    for x, t in zip(case["x"], case["t"], strict=True):
        a = [mp.mpf(float(v)) for v in x]
        for (w, b), name in zip(layers, case["functions"], strict=True):
            z = [sum(a[i] * w[i][j] for i in range(len(a))) + b[j] for j in range(len(b))]
            a = activate(name, z, case["slope"])
        target = ([mp.mpf(int(k == t)) for k in range(len(a))] if np.ndim(t) == 0
                  else [mp.mpf(float(v)) for v in t])
        rows.append(elements(case["loss"], a, target))
    return rows


def reduced(rows: list[list[Any]], reduction: tuple[str, Any]) -> Any:
    count = {"sum": 1, "mean_over_batch": len(rows), "mean": len(rows) * len(rows[0])}
    return sum(map(sum, rows)) * reduction[1] / count[reduction[0]]


# --- cases inside the claims ----------------------------------------------------------------------


def targets_of(rng: Any, kind: str, n: int, m: int) -> Any:
    if kind == "index":
        return rng.integers(0, m, n)
    if kind in ("one_hot", "soft_classes"):
        return np.eye(m)[rng.integers(0, m, n)]
    if kind == "binary":
        return rng.integers(0, 2, (n, m)).astype(float)
    return rng.random((n, m)) if kind == "soft" else rng.normal(size=(n, m))


def rounded(a: Any, dtype: str) -> Any:
    return a.astype(dtype) if a is not None and a.dtype.kind == "f" else a


def draw(claims: Any, rng: Any, size: float) -> tuple[dict[str, Any], Any, dict[str, Any]]:
    """A case as my own dictionary, and as the adapter wants it."""
    head = claims.heads[rng.integers(len(claims.heads))]
    depth = int(np.clip(rng.integers(1, 4), claims.depth[0], claims.depth[1] or 3))
    least, most = head.outputs
    sizes = [int(rng.integers(1, 4)) for _ in range(depth)]
    sizes.append(int(rng.integers(max(least, 1), min(most or 3, 3) + 1)))
    hidden = [claims.hidden[rng.integers(len(claims.hidden))] for _ in range(depth - 1)]
    hidden = [hidden[0]] * len(hidden) if claims.same_hidden and hidden else hidden
    slope = next((h["slope"] for h in hidden if not isinstance(h, str)), 0.01)
    bias = claims.bias != "never"
    layers: list[dict[str, Any]] = []
    for i, units in enumerate(sizes[1:]):
        layers.append({"kind": "dense", "units": units, "bias": bias})
        spec = [*hidden, head.activation][i]
        if spec != "identity" or i < depth - 1:
            layers.append({"kind": "activation",
                           **({"function": spec} if isinstance(spec, str) else spec)})
    network = parse.network({
        "format": 1, "input_shape": [sizes[0]], "input_kind": "real", "layers": layers,
        "loss": {"kind": head.loss, "reduction": "sum", "scale": 1.0}})
    n = int(rng.integers(1, min(claims.batch[1] or 4, 4) + 1))
    kind = head.target_kinds[0]
    x, t = rng.normal(size=(n, sizes[0])), targets_of(rng, kind, n, sizes[-1])
    W = [rng.normal(size=pair) * size for pair in pairwise(sizes)]
    b = [rng.normal(size=m) * size if bias else None for m in sizes[1:]]
    dtype = claims.dtypes[0]
    W, b = [rounded(w, dtype) for w in W], [rounded(c, dtype) for c in b]
    x, t = rounded(x, dtype), rounded(t, dtype)
    names = [h if isinstance(h, str) else h["function"] for h in hidden]
    case = {"sizes": sizes, "functions": [*names, head.activation], "loss": head.loss,
            "slope": slope, "bias": bias, "x": x, "t": t}
    return case, network, {"parameters": network.pack(W, b), "inputs": x, "targets": t}


# --- the three numbers ----------------------------------------------------------------------------


def ordered(parameters: dict[str, Any]) -> list[str]:
    """The names, layer by layer, a weight before its bias."""
    return sorted(parameters, key=lambda name: (int(name.split(".")[0]), name.endswith("bias")))


def flatten(parameters: dict[str, Any]) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(parameters[name], dtype=float))
                           for name in ordered(parameters)])


def back(parameters: dict[str, Any], flat: np.ndarray) -> dict[str, Any]:
    out, at = {}, 0
    for name in ordered(parameters):
        value = parameters[name]
        out[name] = flat[at:at + value.size].reshape(value.shape).astype(value.dtype)
        at += value.size
    return out


def own_differences(f: Any, network: Any, given: dict[str, Any], entries: Any) -> list[float]:
    flat = flatten(given["parameters"])

    def loss(i: int, h: float) -> float:
        moved = flat.copy()
        moved[i] += h
        return float(f(network, back(given["parameters"], moved), given["inputs"].copy(),
                       given["targets"].copy())[0])

    found = []
    for i in entries:
        h = 1e-3
        d = [(loss(i, h / 2**k) - loss(i, -h / 2**k)) / (2 * h / 2**k) for k in range(3)]
        e = [(4 * d[1] - d[0]) / 3, (4 * d[2] - d[1]) / 3]
        found.append((16 * e[1] - e[0]) / 15)
    return found


def error(got: float, wanted: float, scale: float) -> float:
    if not np.isfinite(got):
        return float("nan")
    return abs(got - wanted) / max(abs(wanted), 1e-3 * scale, 1e-300)


def look(f: Any, size: float, cases: int, seed: int) -> dict[str, Any]:
    rng, claims = np.random.default_rng(seed), claims_of(f)
    drawn, out = [], {"own": 0.0, "declared": 0.0, "ratios": []}
    losses: dict[Any, list[float]] = {r: [] for r in REDUCTIONS}
    for _ in range(cases):
        case, network, given = draw(claims, rng, size)
        answer = f(network, {k: v.copy() for k, v in given["parameters"].items()},
                   given["inputs"].copy(), given["targets"].copy())
        flat = [mp.mpf(float(v)) for v in flatten(given["parameters"])]
        rows = declared(case, flat)
        drawn.append((case, network, given, answer, flat))
        for r in REDUCTIONS:
            wanted = float(reduced(rows, r))
            losses[r].append(error(float(answer[0]), wanted, 1.0))
    best = min(REDUCTIONS, key=lambda r: np.median(np.nan_to_num(losses[r], nan=9.0)))
    out["reduction"], out["loss"] = f"{best[0]} x {float(best[1])}", np.max(losses[best])
    for case, network, given, answer, flat in drawn:
        gradients = flatten({k: answer[1][k] for k in given["parameters"]})
        entries = rng.permutation(len(flat))[:6]
        scale = max(float(np.max(np.abs(gradients))), 1e-3)
        mine = own_differences(f, network, given, entries)
        for i, wanted in zip(entries, mine, strict=True):
            h = mp.mpf("1e-12")
            up, down = list(flat), list(flat)
            up[i] += h
            down[i] -= h
            text = float((reduced(declared(case, up), best) - reduced(declared(case, down), best))
                         / (2 * h))
            got = float(gradients[i])
            out["own"] = np.maximum(out["own"], error(got, wanted, scale))
            out["declared"] = np.maximum(out["declared"], error(got, text, scale))
            if abs(wanted) > 1e-6 * scale:
                out["ratios"].append(got / wanted)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--cases", type=int, default=24)
    args = parser.parse_args()
    rows = tomllib.loads((HERE / "truth.toml").read_text())["row"] if not args.targets else []
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    for target in args.targets or [row["target"] for row in rows]:
        try:
            f = load(target)
            for word, size in (("ordinary", 1.0), ("large", 10.0)):
                seen = look(f, size, args.cases, 1)
                ratios = np.array(seen["ratios"]) if seen["ratios"] else np.array([np.nan])
                print(f"{target} {word}: own {seen['own']:.1e} loss {seen['loss']:.1e} "
                      f"({seen['reduction']}) declared {seen['declared']:.1e} "
                      f"ratio {np.min(ratios):.4g} .. {np.max(ratios):.4g}", flush=True)
        except Exception as exception:  # a library that is not there, or that refuses
            print(f"{target}: {type(exception).__name__}: {str(exception)[:300]}", flush=True)


if __name__ == "__main__":
    main()
