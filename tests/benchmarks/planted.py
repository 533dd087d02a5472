"""Every fault planted in a second implementation: is it caught, is it named, how soon?

    python tests/benchmarks/planted.py --seeds 100
    python tests/benchmarks/planted.py --seeds 3 --only bias-negated --only one-entry-off

A row per fault: in how many seeds it was caught; in how many the headline (the first finding) named it, among others
and before all others; networks until the first failure and seconds until the finding, median and worst; and what the
headline said where it did not name the fault. `--only right` is the implementation as it is: caught is a false alarm.
"""

import argparse
import os
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path
from typing import NamedTuple

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from backproof import verify  # noqa: E402
from backproof.judging import judge, plan  # noqa: E402
from backproof.running import run as loop  # noqa: E402
from second_implementation import PLANTED, planted  # noqa: E402

RIGHT = "right"
EXAMPLES = 300


class Seen(NamedTuple):
    """One run: whether anything failed, the names in the headline (best first), networks, seconds, the headline."""

    caught: bool
    names: tuple[str, ...]
    networks: int
    seconds: float
    headline: str


def run(job: tuple[str, int, int]) -> Seen:
    """One fault, one seed: verify until so many networks have failed."""
    fault, seed, stop_after = job
    start = time.perf_counter()
    report = verify(planted(None if fault == RIGHT else fault), seed=seed, examples=EXAMPLES, oracles=("torch",),
                    stop_after=stop_after)
    seconds = time.perf_counter() - start
    if not report.findings:
        return Seen(False, (), report.networks, seconds, report.verdict)
    finding = report.findings[0]
    return Seen(True, finding.faults, report.first_failure or 0, seconds, finding.headline)


class Remembered:
    """Draws from a strategy, kept: every iterator gives the same ones from the start."""

    def __init__(self, draws):
        self.draws, self.kept = draws, []

    def __iter__(self):
        for i in count():
            if i == len(self.kept):
                self.kept.append(next(self.draws))
            yield self.kept[i]


def of_seed(job: tuple[tuple[str, ...], int, int]) -> dict[str, Seen]:
    """Every fault for one seed. All have the same claims, so all are asked the same networks, drawn once."""
    faults, seed, stop_after = job
    kept = {}

    def remembered(strategy, start):
        key = repr(strategy), start
        kept[key] = kept[key] if key in kept else Remembered(plan.drawn(strategy, start))
        return iter(kept[key])

    for module in (loop, judge):
        module.drawn = remembered
    try:
        return {fault: run((fault, seed, stop_after)) for fault in faults}
    finally:
        for module in (loop, judge):
            module.drawn = plan.drawn


def both(numbers: list[float], digits: int) -> str:
    """Median and worst."""
    return f"{statistics.median(numbers):.{digits}f} / {max(numbers):.{digits}f}" if numbers else "-"


def row(fault: str, runs: list[Seen]) -> str:
    caught = [seen for seen in runs if seen.caught]
    named = sum(fault in seen.names for seen in caught)
    first = sum(seen.names[:1] == (fault,) for seen in caught)
    others = Counter(", ".join(seen.names) or seen.headline[:70] for seen in caught if fault not in seen.names)
    told = "; ".join(f"{count} x {text}" for text, count in others.most_common(2))
    shares = " ".join(f"{count:>3d}/{len(runs):<4d}" for count in (len(caught), named, first))
    networks, seconds = both([seen.networks for seen in caught], 0), both([seen.seconds for seen in caught], 1)
    return f"{fault:42s} {shares} {networks:>10s} {seconds:>11s}  {told}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds for each fault")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them (default 0)")
    parser.add_argument("--only", action="append", choices=(RIGHT, *PLANTED),
                        help="one fault, or the right one (may be given again)")
    parser.add_argument("--stop-after", type=int, default=8, help="stop drawing once so many networks have failed")
    options = parser.parse_args()
    faults = tuple(options.only or PLANTED)
    done: dict[str, list[Seen]] = {fault: [] for fault in faults}
    jobs = [(faults, seed, options.stop_after) for seed in range(options.first, options.first + options.seeds)]
    with ProcessPoolExecutor(2) as pool:
        for (_, seed, _), found in zip(jobs, pool.map(of_seed, jobs), strict=True):
            wrong = [f for f, seen in found.items() if seen.caught and f not in seen.names and f != RIGHT]
            print(f"seed {seed}: {sum(seen.caught for seen in found.values())} of {len(faults)} caught; "
                  f"not named: {', '.join(wrong) or 'none'}", file=sys.stderr, flush=True)
            for fault, seen in found.items():
                done[fault].append(seen)
    print(f"{'fault':42s} {'caught':8s} {'named':8s} {'first':8s} {'networks':>10s} {'seconds':>11s}  "
          "headline otherwise")
    for fault, runs in done.items():
        print(row(fault, runs))
    faulty = [(fault, seen) for fault, each in done.items() if fault != RIGHT for seen in each]
    if faulty:
        caught, named = sum(seen.caught for _, seen in faulty), sum(fault in seen.names for fault, seen in faulty)
        slowest = max(seen.seconds for _, seen in faulty)
        print(f"{len(faulty)} runs: {caught} caught, {named} named by the headline; slowest {slowest:.1f} s")


if __name__ == "__main__":
    main()
