"""Every fault planted in a second implementation: is it caught, is it named, how soon?

    python tests/benchmarks/planted.py --seeds 100
    python tests/benchmarks/planted.py --seeds 3 --only bias-negated --only one-entry-off

A row per fault: in how many seeds it was caught; in how many the headline (the first finding) named it, among others
and before all others; networks until the first failure and seconds until the finding, median and worst; and what the
headline said where it did not name the fault. The row "right" is the implementation as it is: caught is a false alarm.
"""

import argparse
import os
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from backproof import verify  # noqa: E402
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
    parser.add_argument("--only", action="append", choices=(RIGHT, *PLANTED), help="one fault (may be given again)")
    parser.add_argument("--stop-after", type=int, default=8, help="stop drawing once so many networks have failed")
    options = parser.parse_args()
    print(f"{'fault':42s} {'caught':8s} {'named':8s} {'first':8s} {'networks':>10s} {'seconds':>11s}  "
          "headline otherwise")
    seeds = range(options.first, options.first + options.seeds)
    with ProcessPoolExecutor(2) as pool:
        runs = {fault: [pool.submit(run, (fault, seed, options.stop_after)) for seed in seeds]
                for fault in options.only or (RIGHT, *PLANTED)}
        done = {}
        for fault, futures in runs.items():
            done[fault] = [future.result() for future in futures]
            print(row(fault, done[fault]), flush=True)
    faulty = [(fault, seen) for fault, each in done.items() if fault != RIGHT for seen in each]
    if faulty:
        caught, named = sum(seen.caught for _, seen in faulty), sum(fault in seen.names for fault, seen in faulty)
        slowest = max(seen.seconds for _, seen in faulty)
        print(f"{len(faulty)} runs: {caught} caught, {named} named by the headline; slowest {slowest:.1f} s")


if __name__ == "__main__":
    main()
