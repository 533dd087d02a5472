"""What a run is asked, without asking it: different networks, rare features, how much their counts vary.

    python tests/benchmarks/drawing.py --seeds 40

For each feature, how many of 300 networks have it, and the variance of that count between seeds over the variance of
independent draws, n p (1 - p). The ratio of so few seeds is itself uncertain: its standard deviation is told.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402
from backproof.judging.plan import Plan  # noqa: E402
from backproof.plug.subjects import load  # noqa: E402
from backproof.running.run import drawn_cases  # noqa: E402
from drawn_features import FEATURES  # noqa: E402

Row = tuple[str, str, str]
NETWORKS, SEEDS = 300, 40
MOST = 1.2


def of_seed(seed: int) -> tuple[int, list[int]]:
    """Different networks, and how many have each feature."""
    drawn = list(drawn_cases(load("reference").claims, Plan(examples=NETWORKS, seed=seed)))
    return len({case.network for case in drawn}), [sum(map(has, drawn)) for has in FEATURES.values()]


def rows(seeds: int) -> Iterator[Row]:
    with ProcessPoolExecutor(2) as pool:
        seen = list(pool.map(of_seed, range(seeds)))
    least = min(different for different, _ in seen)
    yield f"different networks among {NETWORKS}, least of {seeds} seeds", str(least), str(NETWORKS)
    counts = np.array([each for _, each in seen])
    share = counts.mean(axis=0) / NETWORKS
    ratios = counts.var(axis=0, ddof=1) / (NETWORKS * share * (1 - share))
    doubt = math.sqrt(2 / (seeds - 1))
    yield (f"variance of counts between seeds over that of independent draws, {len(FEATURES)} features",
           f"mean {ratios.mean():.2f} +- {doubt / math.sqrt(len(FEATURES)):.2f}, worst {ratios.max():.2f}",
           f"at most {MOST}")
    for name, one, ratio in zip(FEATURES, share, ratios, strict=True):
        yield f"  {name}", f"{100 * one:5.1f} % of networks, variance {ratio:.2f} +- {doubt:.2f}", ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    for what, told, bar in rows(parser.parse_args().seeds):
        print(f"{what:88s} {told:45s} {bar}", flush=True)
