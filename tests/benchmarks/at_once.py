"""What a question costs torch and JAX: alone, several of one structure in a call, and padded.

`make bench ARGS="--only oracles"`. Each time is the shortest of several runs in one process, which computes with one
thread; a process of its own tells what compiled programs on disk save.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from backproof.judging.plan import drawn
from backproof.oracles import load
from backproof.oracles.jax_autograd.packing import SIZES, chain_of
from backproof.properties.claims import EVERYTHING
from backproof.properties.strategies import Draft, drafts
from backproof.properties.structures import STRUCTURES
from backproof.properties.tolerance import SLACK, spread
from backproof.reference import Case
from timing import seconds_of

Row = tuple[str, str, str]
AT_ONCE = (1, 16, 64)
DTYPES = ("float64", "float32")


def shortest(function: Callable[[], Any], repeats: int = 5) -> float:
    """Milliseconds, without the first call."""
    return 1e3 * min(seconds_of(function, repeats))


def networks(count: int, dtype: str = "float64", structures: tuple[str, ...] = ()) -> list[Draft]:
    """Drawn networks: chains of dense layers, or of these structures."""
    claims = replace(EVERYTHING, layers=structures or EVERYTHING.layers)
    return list(islice(drawn(drafts(claims, dtype=dtype), 7), count))


def several(name: str, count: int) -> Iterator[Row]:
    """Milliseconds a question, median of the structures."""
    oracle, everything = load(name), tuple(STRUCTURES)
    alone, first = [], []
    by_number: dict[int, list[float]] = {n: [] for n in AT_ONCE}
    for draft in networks(count, structures=everything):
        cases = [replace(draft, seed=(i, 1, 2, 3, 4)).case for i in range(max(AT_ONCE))]
        start = time.perf_counter()
        oracle.answer(cases[0])
        first.append(1e3 * (time.perf_counter() - start))
        alone.append(shortest(lambda cases=cases: [oracle.answer(case) for case in cases[:16]]) / 16)
        for n in AT_ONCE:
            by_number[n].append(shortest(lambda cases=cases, n=n: oracle.answers(cases[:n])) / n)
    one = statistics.median(alone)
    yield f"{name}: a question alone, after the first", f"{one:.2f} ms", ""
    yield f"{name}: the first question of a structure", f"{statistics.median(first):.0f} ms", ""
    for n, times in by_number.items():
        each = statistics.median(times)
        yield (f"{name}: a question, {n} of one structure at once",
               f"{each:.3f} ms, {one / each:.1f} times as fast", "faster")


def padded(count: int) -> Iterator[Row]:
    """Networks of different structures in one program, beside a plain program for each."""
    jax, plain = load("jax"), []
    cases = [draft.case for draft in networks(count)]
    for case in cases[:20]:
        start = time.perf_counter()
        jax.answer(case)
        plain.append(1e3 * (time.perf_counter() - start))
    for size in SIZES:
        fitting = [case for case in cases if chain_of(case).size == size][:size.cases]
        start = time.perf_counter()
        jax.padded(fitting)
        first = time.perf_counter() - start
        each = shortest(lambda fitting=fitting: jax.padded(fitting)) / len(fitting)  # type: ignore[misc]
        yield (f"padded to {size.levels} levels, {size.units} units, {size.rows} rows: a question; a plain compilation",
               f"{each:.3f} ms; {statistics.median(plain) / each:,.0f} times that", "0.05 ms for the first")
        yield "the same: the first call, which compiles", f"{first:.1f} s", ""


def furthest(cases: list[Case], answers: list[Any]) -> float:
    """The largest distance from the truth, in units of s, over every entry of the gradients that are known."""
    worst = 0.0
    for case, answer in zip(cases, answers, strict=True):
        s = spread(case)
        if s.finite and not s.unclear:
            worst = max(worst, *(float((np.abs(g - s.truth.gradients[name]) / s.gradients[name]).max(initial=0.0))
                                 for name, g in answer.gradients.items()))
    return worst


def errors(count: int) -> Iterator[Row]:
    """The worst error over s: of padded networks, and of several draws of one structure."""
    jax, torch = load("jax"), load("torch")
    for dtype in DTYPES:
        cases = [draft.case for draft in networks(count, dtype)]
        yield (f"worst error over s of {count} padded networks, {dtype}",
               f"{furthest(cases, jax.padded(cases, None)):.2f}", f"below {SLACK:g}")
        some = networks(count // 20, dtype, tuple(STRUCTURES))
        draws = [[replace(draft, seed=(i, 1, 2, 3, 4)).case for i in range(5)] for draft in some]
        for name, oracle in (("torch", torch), ("jax", jax)):
            worst = max(furthest(cases, oracle.answers(cases, None)) for cases in draws)
            yield f"worst error over s of {len(some)} structures, 5 draws at once, {name}, {dtype}", f"{worst:.2f}", (
                f"below {SLACK:g}")


VERIFY = """
import json, sys, time
import jax
from backproof.judging.judge import Judge
from backproof.judging.plan import Plan
from backproof.plug.subjects import load
from backproof.record.writing import Recorder
from backproof.running.run import run

spent, heard, many = [], [], Judge.many

def timed(self, name, cases):
    start = time.perf_counter()
    many(self, name, cases)
    spent.append(time.perf_counter() - start)

Judge.many = timed
jax.monitoring.register_event_listener(lambda event, **_: heard.append(event.rpartition("/")[2]))
run(load("reference"), Plan(oracles=("jax",), examples=int(sys.argv[1])), Recorder())
print(json.dumps([sum(spent), heard.count("cache_misses"), heard.count("cache_hits")]))
"""


def on_disk(count: int) -> Iterator[Row]:
    """The JAX part of `verify reference`, 40 structures: programs kept nowhere, kept, and found."""
    with tempfile.TemporaryDirectory() as place:
        for what, cache in (("kept nowhere", "off"), ("to be kept", place), ("found on disk", place)):
            done = subprocess.run([sys.executable, "-W", "ignore", "-c", VERIFY, str(count)], capture_output=True,
                                  text=True, check=True, env={**os.environ, "BACKPROOF_CACHE": cache})
            seconds, compiled, found = json.loads(done.stdout)
            yield (f"verify reference, what JAX takes, programs {what}",
                   f"{seconds:.1f} s ({compiled} compiled and kept, {found} found)", "faster when found")


def rows(count: int) -> Iterator[Row]:
    yield from several("torch", count // 10)
    yield from several("jax", count // 10)
    yield from padded(count)
    yield from errors(count)
    yield from on_disk(45)
