"""How much of the memory of a run stays: resident kilobytes a network, and which lines hold it.

    python tests/benchmarks/memory.py --networks 2000
    python tests/benchmarks/memory.py --networks 600 --lines 15

The first networks fill what is bounded (rows, early answers, caches, libraries), so growth is counted from the first
fifth to the end. --bulk asks as `--examples 10000` does: all but the first 300 in shards.
"""

import argparse
import os
import resource
import tracemalloc

os.environ.setdefault("OMP_NUM_THREADS", "1")

from backproof.judging.plan import Plan
from backproof.plug.subject import subject_of
from backproof.plug.targets import load
from backproof.record.writing import Recorder
from backproof.running.run import run

KILO = 1024


def resident() -> int:
    """The kilobytes that this process holds now; the most it ever held where that is not told."""
    try:
        with open("/proc/self/statm", encoding="ascii") as told:
            return int(told.read().split()[1]) * resource.getpagesize() // KILO
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Seen:
    """Listens to a run, and notes the memory after its first fifth, and at each fifth from there."""

    def __init__(self, networks: int, lines: int):
        self.marks, self.lines = [networks * k // 5 for k in range(1, 6)], lines
        self.held: list[tuple[int, int]] = []
        self.first: tracemalloc.Snapshot | None = None

    def __call__(self, done: int, total: int, families: int, seconds: float) -> None:
        if self.marks and done >= self.marks[0]:
            self.marks.pop(0)
            self.held.append((done, resident()))
            print(f"{done} networks: {self.held[-1][1] / KILO:.1f} MB", flush=True)
            if self.lines and self.first is None:
                self.first = tracemalloc.take_snapshot()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=2000)
    parser.add_argument("--subject", default="reference")
    parser.add_argument("--oracles", default="torch,differences")
    parser.add_argument("--bulk", action="store_true")
    parser.add_argument("--lines", type=int, default=0, help="trace allocations, and print the lines that hold most")
    options = parser.parse_args()
    if options.lines:
        tracemalloc.start()
    seen = Seen(options.networks, options.lines)
    first = min(300, options.networks) if options.bulk else options.networks
    plan = Plan(examples=first, bulk=options.networks - first, seconds=86400.0,
                oracles=tuple(filter(None, options.oracles.split(","))))
    with Recorder(None) as recorder:
        report = run(subject_of(load(options.subject)), plan, recorder, seen)
    (start, before), (end, after) = seen.held[0], seen.held[-1]
    print(f"{report.verdict}; {(after - before) / (end - start):.2f} KB a network, from {start} to {end}: "
          f"{(after - before) / (end - start) * 10_000 / KILO:.0f} MB in 10,000")
    if seen.first is not None:
        for each in tracemalloc.take_snapshot().compare_to(seen.first, "lineno")[:options.lines]:
            print(each)


if __name__ == "__main__":
    main()
