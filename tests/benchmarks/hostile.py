"""Hostile subjects and replies: has each the verdict, the exit status and the record that it must have, in time?

`python tests/benchmarks/hostile.py`: all of them, about half an hour; `--only hangs` those whose name has this in it,
`--replies 10000` so many hostile replies through the reply parser in this process, `--apart 20` so many of the
subjects through a command in a process of its own too. What is not as it must be is printed, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "hostile"))

from command_rows import PROGRAMS, Program
from python_rows import ROWS, Row
from replies import Tried, tried, tried_apart, tried_together
from running import Seen, verified


def subjects(rows: Sequence[Row | Program], apart: bool = False) -> list[Seen]:
    """Each of them verified, and printed."""
    seen = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for i, row in enumerate(rows):
            seen.append(one := verified(row, Path(folder) / str(i), apart))
            print(f"{'ok ' if not one.wrong else 'BAD'} {one.seconds:5.1f} s  {one.name:50s} {one.verdict:18s} {one.wrong}", flush=True)
            if one.wrong:
                print(f"        {one.said[:600]!r}", flush=True)
    return seen


def summed(what: str, seen: Sequence[Seen]) -> bool:
    """Print the figure; whether all is as it must be."""
    bad = sum(bool(one.wrong) for one in seen)
    longest = max((one.seconds for one in seen), default=0.0)
    print(f"{what}: {len(seen) - bad} of {len(seen)} as they must be; the longest took {longest:.1f} s; "
          f"the peak of memory here is {peak():.0f} MB", flush=True)
    return not bad


def peak() -> float:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def replies(where: str, count: int, ask: Callable[[int], Tried]) -> bool:
    """Ask for so many hostile replies; whether all is as it must be."""
    before = peak()
    found = ask(count)
    for (name, outcome), number in sorted(found.counts.items()):
        print(f"  {name}: {outcome}: {number}")
    print(*found.wrong, sep="\n")
    print(f"hostile replies {where}: {count}, {len(found.wrong)} not as they must be; the slowest took {1e3 * found.slowest:.0f} ms; "
          f"the peak of memory rose by {peak() - before:.0f} MB")
    return not found.wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="subjects whose name has this in it")
    parser.add_argument("--replies", type=int, default=10_000)
    parser.add_argument("--apart", type=int, default=20, help="so many of the subjects through a command of its own, too")
    parser.add_argument("--fast", action="store_true", help="none that takes the whole of its limit")
    parser.add_argument("--slow", action="store_true", help="only those that do")
    options = parser.parse_args()
    rows, programs = ([row for row in table if options.only in row.name and not (options.slow if not row.slow else options.fast)]
                      for table in (ROWS, PROGRAMS))
    with tempfile.TemporaryDirectory() as folder:
        good = [replies("in this process", options.replies, tried),
                replies("of a process", options.replies // 50, lambda count: tried_apart(count, Path(folder)))]
    mixed = tried_together(options.replies)
    print(f"replies in any order: {options.replies}, {len(mixed)} of another question")
    good += [not mixed,
            summed("subjects in Python", subjects(rows)), summed("programs", subjects(programs))]
    if options.apart:
        some = [*rows, *programs][:: max(1, len(rows + programs) // options.apart)]
        good.append(summed("by a command of its own", subjects(some, apart=True)))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
