"""Each layer kind by itself: false alarms, sharpness, cost, and its known mistakes.

    python tests/benchmarks/families.py                     # all of it, an hour
    python tests/benchmarks/families.py --only cost         # one figure
    python tests/benchmarks/families.py --kinds lstm gru --only alarms --count 5000

`alarms`: the reference, PyTorch's modules and JAX's values as subjects; nothing may fail. `sharp`: the
median of 16 s over the gradient in float32, of each network, and of those the median. `cost`: seconds of
one question to each judge, over those of a chain of dense layers with as many layers, parameters and rows. `faults`: the known mistakes of the
kind, each as a subject: caught, and named first.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import bench
import numpy as np
from backproof.faults import FAULTS
from backproof.faults.showing import structures_in
from backproof.judging.judge import Judge
from backproof.judging.plan import drawn
from backproof.kills.matrix import claims
from backproof.oracles import load as oracle
from backproof.plug.subject import Subject
from backproof.plug.subjects import load as subject
from backproof.properties.strategies import Style, build, cases
from backproof.properties.structures import PLAIN, STRUCTURES
from backproof.properties.tolerance import SLACK, spread
from backproof.reference import Case, evaluate

KINDS = [name for name in STRUCTURES if name != PLAIN]


def networks(kind: str, dtype: str, seed: int) -> Iterator[Case]:
    """Networks that have the kind."""
    return drawn(cases(claims(kind), dtype=dtype), seed)


def alarms(kind: str, count: int) -> Iterator[str]:
    """What of right subjects failed or stayed undecided; JAX compiles each network: one in ten."""
    by_jax = Subject("jax", claims(kind), lambda case: oracle("jax").answer(case, None), frozenset({"jax"}))
    for dtype in bench.DTYPES:
        judges = [Judge(each, claims(kind), [], lambda **_: None, 0)
                  for each in (subject("reference"), subject("torch"), by_jax)]
        with np.errstate(all="ignore"):
            for i, case in enumerate(islice(networks(kind, dtype, 1000), count)):
                for judge in judges[:2]:
                    judge.per_network = 1
                    judge.network(case)
                if i % 10 == 0:
                    judges[2].tally.networks += 1
                    judges[2].ask(case)
        for name, judge in zip(("reference", "torch", "jax"), judges, strict=True):
            asked, checks, failed, told = bench._seen(judge)
            yield f"{name}, {dtype}: {failed} in {asked:,} networks, {checks:,} checks {told[:3] or ''}"


def sharp(kind: str, count: int) -> Iterator[str]:
    """The median of 16 s over the size of the gradient's entry, where that is not 0."""
    with np.errstate(all="ignore"):
        found = [list(relative(case)) for case in islice(networks(kind, "float32", 7), count)]
    yield f"median 16 s / |g| in float32: {statistics.median(statistics.median(each) for each in found if each):.1e}"


def relative(case: Case) -> Iterator[float]:
    s = spread(case)
    for name, gradient in s.truth.gradients.items():
        size = np.abs(gradient)
        yield from (SLACK * s.gradients[name][size > 0] / size[size > 0]).ravel().tolist()


JUDGES: dict[str, Callable[[Case], Any]] = {
    "reference": evaluate, "tolerance": lambda case: spread(case.copy()),
    "torch": lambda case: oracle("torch").answer(case), "jax": lambda case: oracle("jax").answer(case),
}


def dense(case: Case) -> Case:
    """A chain of dense layers with as many layers, as many parameters and as many rows."""
    having = {name.rpartition(".")[0] for name in case.parameters}
    wanted = sum(value.size for value in case.parameters.values()) / max(1, len(having))
    width = max(1, round((math.sqrt(1 + 4 * wanted) - 1) / 2))
    rows = case.batch * math.prod(case.network.input_shape[:-1])
    return build(bench.mlp(max(1, len(having)), width=width), rows, "real", Style(), 0, case.dtype)


def cost(kind: str, count: int) -> Iterator[str]:
    """The median of the ratios of five rounds, each of all networks."""
    mine = list(islice(networks(kind, "float64", 3), count))
    theirs = [dense(case) for case in mine]
    for name, ask in JUDGES.items():
        each = [seconds(ask, mine) / seconds(ask, theirs) for _ in range(5 + (name == "jax"))]
        yield f"{name}: {statistics.median(each[-5:]):.1f} times a dense network"


def seconds(ask: Callable[[Case], Any], asked: Sequence[Case]) -> float:
    start = time.perf_counter()
    for case in asked:
        ask(case)
    return time.perf_counter() - start


def faults(kind: str, count: int) -> Iterator[str]:
    """Each mistake of the kind as a subject, on networks of everything its family is about."""
    names = [name for name, fault in FAULTS.items() if kind in structures_in(fault.family)
             and structures_in(fault.family)[0] == kind][:count]
    rows = [bench._on_structure((name, kind)) for name in names]
    missed = [row[0] for row in rows if not row[4]]
    yield (f"{len(rows)} mistakes: {sum(row[3] for row in rows)} caught, {sum(row[4] for row in rows)} named "
           f"{missed or ''}")


FIGURES: dict[str, tuple[Callable[[str, int], Iterator[str]], int]] = {
    "cost": (cost, 20), "sharp": (sharp, 60), "faults": (faults, 100), "alarms": (alarms, 5000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=FIGURES, action="append", help="one figure (may be given again)")
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=KINDS)
    parser.add_argument("--count", type=int, help="how many networks each figure takes")
    options = parser.parse_args()
    for name in options.only or FIGURES:
        figure, count = FIGURES[name]
        for kind in options.kinds:
            for line in figure(kind, options.count or count):
                print(f"{kind:20s} {name:8s} {line}", flush=True)


if __name__ == "__main__":
    main()
