"""How far PyTorch's own operations are from the truth, over s: 16 is what a program may be.

    python tests/benchmarks/program_errors.py --seeds 100
    python tests/benchmarks/program_errors.py --seeds 20 --only gelu --dtypes bfloat16 --worst

Each operation is asked on the CPU in float32, float16 and bfloat16, and judged by a plain form as people write it, which
never is the same call. Trials are those of a run: hostile numbers, cotangents, layouts and sizes. "float32 inside" is
claimed of an operation that keeps it, "rounded after every operation" of one that PyTorch makes of several, or that
keeps means, deviations or logarithms in the narrow dtype for its backward pass, and "sums rounded too" of the embedding
and of layer norm's bias, which the backward pass adds up in the narrow dtype.
Where bfloat16 products are made by a processor's tiles (AMX), PyTorch 2.13's linear reads beyond the rows of an input whose
rows are padded, and what it reads shows if it is no number: "linear, bfloat16" is then beyond the bar, infinitely.
Printed, by operation and dtype: the worst error over s, the array it was in, how many trials there were, and how many of
them the arithmetic had no room for.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from backproof.programs.claim import Claim  # noqa: E402
from backproof.programs.drawing import Drawn  # noqa: E402
from backproof.programs.engine import engine_of  # noqa: E402
from backproof.programs.program import program  # noqa: E402
from backproof.programs.tolerance import FACTOR, RUNS, over, spread  # noqa: E402
from backproof.programs.trial import Trial  # noqa: E402

DTYPES = ("float32", "float16", "bfloat16")
INSIDE, EVERY, SUMS = "float32 inside", "rounded after every operation", "sums rounded too"
BAR = FACTOR
MANY = 64  # runs, where so few show an error beyond the bar


@dataclass(frozen=True)
class Operation:
    """One of PyTorch's, its plain form, what it takes, and what it claims in a narrow dtype."""

    name: str
    fused: Callable[..., Any]
    plain: Callable[..., Any]
    inputs: dict[str, Any]
    sizes: dict[str, Any] = field(default_factory=dict)
    claims: str = INSIDE
    where: str = ""

    def claim(self, dtype: str) -> Claim:
        inside = "float32" if self.claims == INSIDE else dtype
        return Claim(dtype, inside, dtype if self.claims == SUMS else "float32")


# --- plain forms ------------------------------------------------------------------------------------------------------


def layer_norm(x, weight, bias):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def rms_norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight


def group_norm(x, weight, bias):
    grouped = x.reshape(x.shape[0], 2, -1)
    mean = grouped.mean(-1, keepdim=True)
    variance = grouped.var(-1, unbiased=False, keepdim=True)
    y = ((grouped - mean) / (variance + 1e-5).sqrt()).view(x.shape)
    return y * weight[:, None] + bias[:, None]


def batch_norm(x, weight, bias):
    mean = x.mean((0, 2), keepdim=True)
    variance = ((x - mean) ** 2).mean((0, 2), keepdim=True)
    return (x - mean) * torch.rsqrt(variance + 1e-5) * weight[:, None] + bias[:, None]


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / 2**0.5))


def gelu_of_tanh(x):
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))


def silu(x):
    return x / (1 + torch.exp(-x))


def sigmoid(x):
    return 1 / (1 + torch.exp(-x))


def tanh(x):
    return 1 - 2 / (torch.exp(2 * x) + 1)


def softmax(x):
    e = torch.exp(x - x.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


def log_softmax(x):
    shifted = x - x.amax(-1, keepdim=True)
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


def cross_entropy(x, targets):
    return -log_softmax(x).gather(1, targets[:, None]).mean()


def cross_entropy_unreduced(x, targets):
    return torch.logsumexp(x, -1) - x.gather(1, targets[:, None])[:, 0]


def attention(q, k, v):
    scores = torch.einsum("bqd,bkd->bqk", q, k) / q.shape[-1] ** 0.5
    return torch.einsum("bqk,bkd->bqd", softmax(scores), v)


def causal_attention(q, k, v):
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return softmax(scores.masked_fill(later, float("-inf"))) @ v


def embedding(indices, weight):
    return weight[indices]


def conv1d(x, weight, bias):
    windows = F.pad(x, (1, 1)).unfold(-1, 3, 1)
    return torch.einsum("nclk,ock->nol", windows, weight) + bias[:, None]


def conv2d(x, weight):
    columns = x.unfold(2, 3, 1).unfold(3, 3, 1)
    return torch.einsum("nchwij,ocij->nohw", columns, weight)


def linear(x, weight, bias):
    return x @ weight.t() + bias


def lstm_cell(x, h, c, w, u, b):
    i, f, g, o = (x @ w.t() + h @ u.t() + b).chunk(4, -1)
    new = sigmoid(f) * c + sigmoid(i) * torch.tanh(g)
    return sigmoid(o) * torch.tanh(new), new


def gru_cell(x, h, w, u, b):
    xr, xz, xn = (x @ w.t() + b).chunk(3, -1)
    hr, hz, hn = (h @ u.t()).chunk(3, -1)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = torch.tanh(xn + r * hn)
    return n + z * (h - n)


def max_pool(x):
    return x.unfold(-1, 2, 2).amax(-1)


# --- the operations ---------------------------------------------------------------------------------------------------

X = ("N", "D")
SMALL = [1, 2, 3, 7, 8, 16, 17]
NORM = {"x": X, "weight": {"shape": ("D",), "values": "gain"}, "bias": ("D",)}
CHANNELS = {"x": ("N", "C", "L"), "weight": {"shape": ("C",), "values": "gain"}, "bias": ("C",)}
QKV = {"q": ("B", "T", "H"), "k": ("B", "S", "H"), "v": ("B", "S", "E")}
GATED = {"x": ("N", "D"), "h": ("N", "H"), "w": ("G", "D"), "u": ("G", "H"), "b": ("G",)}

OPERATIONS = (
    Operation("layer norm", lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b), layer_norm, NORM,
              claims=SUMS),
    Operation("RMS norm", lambda x, w: F.rms_norm(x, x.shape[-1:], w, 1e-6), rms_norm,
              {"x": X, "weight": {"shape": ("D",), "values": "gain"}}, claims=EVERY),
    Operation("group norm", lambda x, w, b: F.group_norm(x, 2, w, b), group_norm, CHANNELS, {"C": [2, 4, 6, 16, 64]},
              claims=EVERY),
    Operation("batch norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), batch_norm, CHANNELS,
              {"N": (2, 300), "C": SMALL}, claims=EVERY),
    Operation("GELU", F.gelu, gelu, {"x": X}),
    Operation("GELU of tanh", lambda x: F.gelu(x, approximate="tanh"), gelu_of_tanh, {"x": X}),
    Operation("SiLU", F.silu, silu, {"x": X}),
    Operation("sigmoid", torch.sigmoid, sigmoid, {"x": X}),
    Operation("tanh", torch.tanh, tanh, {"x": X}),
    Operation("softmax", lambda x: F.softmax(x, -1), softmax, {"x": X}),
    Operation("log softmax", lambda x: F.log_softmax(x, -1), log_softmax, {"x": X}, claims=EVERY),
    Operation("cross-entropy", F.cross_entropy, cross_entropy, {"x": X, "t": {"shape": ("N",), "index": "D"}},
              claims=EVERY),
    Operation("cross-entropy, unreduced", lambda x, t: F.cross_entropy(x, t, reduction="none"), cross_entropy_unreduced,
              {"x": X, "t": {"shape": ("N",), "index": "D"}}, claims=EVERY),
    Operation("attention", F.scaled_dot_product_attention, attention, QKV, {"B": SMALL, "H": SMALL, "E": "H"}),
    Operation("attention, causal", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
              causal_attention, QKV, {"B": SMALL, "H": SMALL, "E": "H", "S": "T"}),
    Operation("embedding", F.embedding, embedding, {"i": {"shape": ("N",), "index": "V"}, "weight": ("V", "D")},
              claims=SUMS),
    Operation("convolution", lambda x, w, b: F.conv1d(x, w, b, padding=1), conv1d,
              {"x": ("N", "C", "L"), "weight": ("O", "C", 3), "bias": ("O",)}, {"C": SMALL, "O": SMALL}),
    Operation("convolution, 2 axes", F.conv2d, conv2d, {"x": ("N", "C", "L", "M"), "weight": ("O", "C", 3, 3)},
              {"C": SMALL, "O": SMALL, "N": SMALL, "L": (3, 20), "M": (3, 20)}),
    Operation("linear", F.linear, linear, {"x": X, "weight": ("O", "D"), "bias": ("O",)}),
    Operation("LSTM cell", lambda x, h, c, w, u, b: torch.lstm_cell(x, (h, c), w, u, b, torch.zeros_like(b)), lstm_cell,
              {"x": ("N", "D"), "h": ("N", "H"), "c": ("N", "H"), "w": ("G", "D"), "u": ("G", "H"), "b": ("G",)},
              {"G": "4 * H", "H": SMALL, "D": SMALL}, claims=EVERY),
    Operation("GRU cell", lambda x, h, w, u, b: torch.gru_cell(x, h, w, u, b, torch.zeros_like(b)), gru_cell, GATED,
              {"G": "3 * H", "H": SMALL, "D": SMALL}, claims=EVERY),
    Operation("max pool", lambda x: F.max_pool1d(x, 2), max_pool, {"x": ("N", "C", "L")}, {"L": (2, 40)}),
)


# --- asking -----------------------------------------------------------------------------------------------------------


@dataclass
class Worst:
    """The worst error over s of an operation in a dtype; trials asked, those without an answer, and those
    that were judged again by more runs."""

    ratio: float = 0.0
    key: str = "-"
    trials: int = 0
    none: int = 0
    again: int = 0
    trial: Trial | None = None


def ratios(operation: Operation, trial: Trial, runs: int = RUNS) -> Iterator[tuple[str, float]]:
    """By key, the largest error over s; OverflowError where the arithmetic has no room."""
    engine = engine_of("torch")
    claim = operation.claim(trial.dtype)
    truth = engine.truth(operation.plain, trial)
    if not all(np.abs(g).max(initial=0.0) <= claim.stored.largest for g in truth.values()):
        raise OverflowError("too large to be stored")
    spreads = spread(truth, engine.perturbed(operation.plain, trial, claim, runs, trial.number))
    got = engine.answer(operation.fused, trial).arrays
    for key, g in truth.items():
        yield key, over(np.abs(got[key] - g) if key in got else g, g, spreads[key], claim)


def measured(operation: Operation, dtype: str, seeds: int) -> Worst:
    engine = engine_of("torch")
    asked = program(operation.fused, plain=operation.plain, inputs=operation.inputs, sizes=operation.sizes, dtypes=[dtype],
                    where=operation.where)
    drawn = Drawn(asked, lambda trial: engine.shapes(operation.plain, trial), 7)
    worst = Worst()
    for number in range(seeds):
        trial = drawn.trial(number, dtype)
        try:
            found = list(ratios(operation, trial))
            if max(ratio for _, ratio in found) > BAR:
                worst.again += 1
                found = list(ratios(operation, trial, MANY))
        except OverflowError:
            worst.none += 1
            continue
        worst.trials += 1
        for key, ratio in found:
            if ratio > worst.ratio:
                worst.ratio, worst.key, worst.trial = ratio, key, trial
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="trials of an operation in a dtype")
    parser.add_argument("--only", default="", help="operations whose names hold this")
    parser.add_argument("--dtypes", default=",".join(DTYPES))
    parser.add_argument("--worst", action="store_true", help="what was drawn in the worst trial")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    start, beyond = time.perf_counter(), 0
    print(f"{'operation':26}{'dtype':10}{'claim':32}{'error / s':>10}  in{'':12}{'trials':>7}{'no answer':>10}{'again':>6}")
    for operation in OPERATIONS:
        for dtype in chosen.dtypes.split(",") if chosen.only in operation.name else ():
            worst = measured(operation, dtype, chosen.seeds)
            beyond += worst.ratio > BAR
            claims = "float32" if dtype == "float32" else operation.claims
            print(f"{operation.name:26}{dtype:10}{claims:32}{worst.ratio:10.2f}  {worst.key:14}{worst.trials:7}"
                  f"{worst.none:10}{worst.again:6}{'  beyond ' if worst.ratio > BAR else ''}", flush=True)
            if chosen.worst and worst.trial:
                print("   ", dict(worst.trial.features))
    print(f"beyond the bar of {BAR:g}: {beyond}; {time.perf_counter() - start:.0f} s")
    return min(beyond, 1)


if __name__ == "__main__":
    sys.exit(main())
