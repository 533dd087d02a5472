"""Conditions planted in a perceptron written in plain NumPy: is the one told that was planted?

    python tests/benchmarks/conditions.py --seeds 10
    python tests/benchmarks/conditions.py --seeds 3 --only "batch > 4"

A row per condition: of the seeds, in how many it was told right, in how many nothing was told or nothing failed, and in
how many something else was told. Two conditions are the same where they hold on the same networks: `right` is asked on
further networks that nobody has seen, and so is what was told. The last rows are conditions that are none of the simple
ones: nothing may be told there that is not so. Each is planted in three mistakes: the biases', the weights', the error
that is handed down.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402
from backproof import verify  # noqa: E402
from backproof.judging.asking import Numbered  # noqa: E402
from backproof.judging.judge import Judge  # noqa: E402
from backproof.judging.plan import drawn  # noqa: E402
from backproof.naming.conditions import Condition  # noqa: E402
from backproof.naming.finder import Finder  # noqa: E402
from backproof.naming.findings import findings  # noqa: E402
from backproof.naming.traits import Traits  # noqa: E402
from backproof.plug.subject import subject_of  # noqa: E402
from backproof.properties.strategies import cases  # noqa: E402
from perceptrons import CALLS, DTYPES, Network, perceptron  # noqa: E402

PLANTED = {
    "batch > 4": lambda n: n.batch > 4,
    "batch >= 17": lambda n: n.batch >= 17,
    "batch = 1": lambda n: n.batch == 1,
    "batch = 8": lambda n: n.batch == 8,
    "batch odd": lambda n: n.batch % 2 == 1,
    "batch not a multiple of 4": lambda n: n.batch % 4 != 0,
    "units > 6": lambda n: n.units > 6,
    "units >= 16": lambda n: n.units >= 16,
    "one unit in all layers": lambda n: n.units == 1,
    "outputs > 5": lambda n: n.weights[-1].shape[1] > 5,
    "inputs > 6": lambda n: n.x.shape[1] > 6,
    "depth >= 4": lambda n: n.depth >= 4,
    "depth = 1": lambda n: n.depth == 1,
    "depth > 1": lambda n: n.depth > 1,
    "square weight": lambda n: any(w.shape[0] == w.shape[1] > 1 for w in n.weights),
    "tanh": lambda n: "tanh" in n.hidden,
    "relu": lambda n: "relu" in n.hidden,
    "softmax head": lambda n: n.head[0] == "softmax",
    "float32": lambda n: n.x.dtype == np.float32,
    "float64": lambda n: n.x.dtype == np.float64,
    "two equal biases": lambda n: any(len(set(b.tolist())) < len(b) for b in n.biases),
    "two equal examples": lambda n: len({row.tobytes() for row in n.x}) < n.batch,
    "a zero input": lambda n: not n.x.all(),
    "|x| > 8": lambda n: np.abs(n.x).max() > 8,
    "|z| > 10": lambda n: max(np.abs(z).max() for z in n.z) > 10,
    "from question 3 on": lambda n: n.calls >= 3,
    "from question 200 on": lambda n: n.calls >= 200,
}
NOT_SIMPLE = {
    "a sum > 3": lambda n: n.x.sum() > 3,
    "batch x inputs > 20": lambda n: n.batch * n.x.shape[1] > 20,
    "tanh and batch > 2": lambda n: "tanh" in n.hidden and n.batch > 2,
    "float32 and depth > 2": lambda n: n.x.dtype == np.float32 and n.depth > 2,
    "units > 6 or batch = 1": lambda n: n.units > 6 or n.batch == 1,
    "first bias positive": lambda n: n.biases[0][0] > 0,
    "a hash": lambda n: crc32(n.x.tobytes() + n.weights[0].tobytes()) % 3 == 0,
}
WRONG = ("bias", "weight", "delta")
EXAMPLES, FRESH, UNSEEN = 300, 400, 123_456


class Told(NamedTuple):
    """What came of one run: "right", "silent" or "false"; and what was said."""

    verdict: str
    said: str


def run(job: tuple[str, int, int, bool]) -> Told:
    """One condition, one seed."""
    name, seed, examples, whole = job
    planted = {**PLANTED, **NOT_SIMPLE}[name]
    subject = subject_of(perceptron(planted, WRONG[seed % len(WRONG)], dtypes=DTYPES))
    if whole or "question" in name:
        every = verify(subject, seed=seed, examples=examples, oracles=("torch",), seconds=600).findings
    else:
        every = of_gradients(subject, seed, examples)
    told = [finding for finding in every if finding.when]
    if not told:
        return Told("silent", f"{len(every)} findings")
    said = "; ".join(finding.lines[1] for finding in told)
    right = all(true(finding.when, planted, name, subject.claims) for finding in told)
    return Told("right" if right else "false", said)


def of_gradients(subject, seed: int, examples: int) -> list:
    """The findings of a run that asks about gradients alone."""
    judge = Judge(replace(subject, engine=Numbered(subject.engine)), subject.claims, ["torch"], lambda **_: None, seed)
    judge.deadline = 0.0
    for case in networks(subject.claims, seed, examples):
        judge.network(case)
    return findings(judge, lambda case: case.id, Unnamed)


class Unnamed(Finder):
    """Looks for no known mistake, which takes most of the time: the condition does not depend on it."""

    def diagnosed(self, *asked, **more):
        return {}

    paired = diagnosed


@cache
def networks(claims, seed: int, count: int) -> list:
    return list(islice(drawn(cases(claims), seed), count))


def true(when: dict, planted, name: str, claims) -> bool:
    """Whether what is told holds on the networks on which the planted condition holds, and on no other."""
    condition = Condition(when["trait"], when["relation"], when["value"])
    if condition.trait == "question" or "question" in name:
        return f"question {when['value']} on" in name and when["relation"] == ">="
    both = [(condition.holds(Traits(case)), bool(planted(Network(case.network, case.parameters, case.inputs, CALLS))),
             case) for case in networks(claims, UNSEEN, FRESH)]
    apart = [case for told, truth, case in both if told != truth and beyond(when, case)]
    return not apart


def beyond(when: dict, case) -> bool:
    """Whether the case is not between what is known to pass and what is known to fail: nothing is told of these."""
    value = Traits(case)[when["trait"]]
    if when["nearest"] is None or isinstance(value, frozenset):
        return True
    low, high = sorted((when["nearest"], when["value"]))
    return not low < value < high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    parser.add_argument("--whole", action="store_true", help="whole runs, with identities, oracles and names")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", action="append", choices=[*PLANTED, *NOT_SIMPLE])
    options = parser.parse_args()
    names = options.only or [*PLANTED, *NOT_SIMPLE]
    seeds = range(options.first, options.first + options.seeds)
    jobs = [(name, seed, options.examples, options.whole) for seed in seeds for name in names]
    totals = {True: [0, 0, 0], False: [0, 0, 0]}
    started = time.monotonic()
    with ProcessPoolExecutor(options.jobs) as pool:
        found = dict(zip(jobs, pool.map(run, jobs), strict=True))
        print(f"{'condition':28s} right silent false")
        for name in names:
            each = [told for job, told in found.items() if job[0] == name]
            counts = [sum(told.verdict == verdict for told in each) for verdict in ("right", "silent", "false")]
            others = sorted({told.said for told in each if told.verdict != "right"})
            print(f"{name:28s} {counts[0]:5d} {counts[1]:6d} {counts[2]:5d}  {' | '.join(others)[:300]}", flush=True)
            for i, count in enumerate(counts):
                totals[name in PLANTED][i] += count
    for simple, (right, silent, false) in totals.items():
        if right + silent + false:
            print(f"{'planted' if simple else 'not simple'}: {right} told right, {silent} not told, {false} false, "
                  f"of {right + silent + false}")
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
