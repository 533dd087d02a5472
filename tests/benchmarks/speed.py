"""Questions a second: the loop that anybody would write, a default run, and a run in bulk; and where the time goes.

The straightforward loop takes one network after another from Hypothesis, asks the reference, PyTorch and a
`jax.jit(jax.value_and_grad(...))` of its own, takes central differences of every entry, and compares all four.
"""

from __future__ import annotations

import cProfile
import pstats
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from backproof.judging.plan import Plan, drawn
from backproof.oracles import load as oracle
from backproof.plug.subjects import load as subject
from backproof.properties.claims import EVERYTHING, Claims
from backproof.properties.strategies import cases
from backproof.properties.structures import STRUCTURES
from backproof.record.writing import Recorder
from backproof.reference import Case, backprop, evaluate, forward
from backproof.running.run import run
from backproof.running.shards import Shard, Task, asked, shards, task_of
from backproof.running.workers import processes

Row = tuple[str, str, str]
KINDS: dict[str, Claims] = {"dense networks": EVERYTHING, "mixed kinds": replace(EVERYTHING, layers=tuple(STRUCTURES))}
BARS = {"dense networks": "at least 300 times", "mixed kinds": "at least 150 times"}
JUDGES = ("torch", "jax")
STEP = 2.0**-17
# part -> the functions whose time it is, by the end of the file's name
PARTS: dict[str, tuple[tuple[str, str], ...]] = {
    "drawing a structure": (("strategies/draft.py", "draft_inside"),),
    "making its numbers": (("strategies/values.py", "build"), ("strategies/revalued.py", "draws")),
    "the subject": (("judging/asking.py", "question"),),
    "truths side by side": (("properties/draws.py", "truth"),),
    "samples of a case": (("properties/tolerance.py", "_spread"),),
    "samples side by side": (("properties/draws.py", "spreads"),),
    "PyTorch": (("torch_autograd/plain.py", "answer"), ("torch_autograd/together.py", "answers")),
    "JAX": (("jax_autograd/plain.py", "answers"), ("jax_autograd/plain.py", "answer"),
            ("jax_autograd/mixed.py", "padded")),
    "differences, complex step": (("oracles/differences.py", "along"), ("oracles/complex_step.py", "along")),
    "real-time recurrent learning": (("oracles/real_time.py", "answer"),),
    "the arbiter": (("oracles/arbiter.py", "answer"),),
    "findings": (("naming/findings.py", "findings"),),
}


# --- the straightforward loop ---------------------------------------------------------------------------------------


def differences(case: Case) -> dict[str, Any]:
    """Central differences of every entry of every parameter, two forwards each."""
    def loss(name: str, value: Any) -> float:
        changed = case.but(parameters={name: value})
        return float(backprop.loss(changed, forward(changed)))

    found = {}
    for name, value in case.parameters.items():
        gradient = np.zeros_like(value)
        for i in np.ndindex(value.shape):
            step = np.zeros_like(value)
            step[i] = STEP
            gradient[i] = (loss(name, value + step) - loss(name, value - step)) / (2 * STEP)
        found[name] = gradient
    return found


def jitted(case: Case) -> Any:
    """JAX as its documentation has it: one program, compiled for this network."""
    import jax
    from backproof.oracles.jax_autograd.plain import _arguments, program
    from jax import enable_x64

    fresh = partial(program(case.network))  # no program that was compiled before is found for it
    with enable_x64(True):
        return jax.device_get(jax.jit(fresh)(*_arguments(case, "float64")))[1]


def loop(claims: Claims, count: int) -> float:
    """Networks a second, every one of them a new one."""
    start = time.perf_counter()
    for case in islice(drawn(cases(claims, dtype="float64"), 0), count):
        mine, true = evaluate(case).gradients, oracle("torch").answer(case).gradients
        for other in (true, jitted(case), differences(case)):
            for name in case.parameters:
                np.allclose(mine[name], other[name], rtol=1e-4, atol=1e-6)
    return count / (time.perf_counter() - start)


# --- in bulk --------------------------------------------------------------------------------------------------------


def task(claims: Claims) -> Task:
    return task_of(replace(subject("reference"), target="reference"), claims, list(JUDGES))


def bulk(claims: Claims, some: list[Shard]) -> float:
    """Questions a second of one process that has its programs already."""
    mine, start = task(claims), time.perf_counter()
    count = sum(asked(mine.loaded, mine, shard)["tally"]["networks"] for shard in some)
    return count / (time.perf_counter() - start)


def own(claims: Claims, some: list[Shard]) -> float:
    """The reference's backprop of the same questions: so many a second."""
    from backproof.properties.strategies.counted import draft_at
    from backproof.properties.strategies.revalued import draws

    asked_ = [case for shard in some for number in range(shard.start, shard.stop)
              for case in draws(draft_at(claims, shard.seed, number), shard.draws)]
    start = time.perf_counter()
    for case in asked_:
        evaluate(case)
    return len(asked_) / (time.perf_counter() - start)


def default(claims: Claims) -> float:
    """Questions a second of a default run, every judge at hand."""
    count = 0

    def engine(case: Case) -> Any:
        nonlocal count
        count += 1
        return evaluate(case)

    counted = replace(subject("reference"), claims=claims, engine=engine, fresh=None)
    start = time.perf_counter()
    with np.errstate(all="ignore"):
        run(counted, Plan(), Recorder())
    return count / (time.perf_counter() - start)


def medians(count: int, *rates: Callable[[], float]) -> list[float]:
    """The median of each, measured in turns."""
    seen = [[rate() for rate in rates] for _ in range(count)]
    return [statistics.median(each) for each in zip(*seen, strict=True)]


def rows(count: int) -> Iterator[Row]:
    import torch

    torch.set_num_threads(1)
    for kinds, claims in KINDS.items():
        some = shards(0, 2048)
        bulk(claims, some)  # compiles what there is to compile
        slow, fast, alone = medians(count, lambda c=claims: loop(c, 6), lambda c=claims, s=some: bulk(c, s),
                                    lambda c=claims, s=some: own(c, s))
        yield f"the straightforward loop, {kinds}", f"{slow:.1f} networks a second", "(no bar)"
        yield f"in bulk, {kinds}", f"{fast:,.0f} questions a second, {fast / slow:,.0f} times", BARS[kinds]
        yield f"one question in bulk over its own backprop, {kinds}", f"{alone / fast:.1f} times", "at most 4"
        whole = default(claims)
        bar = "at least 80 times" if kinds == "dense networks" else "(no bar)"
        yield f"default run, {kinds}", f"{whole:,.0f} questions a second, {whole / slow:.0f} times", bar


def side_by_side(count: int) -> Iterator[Row]:
    """Two processes against one, both started for it."""
    some, mine = shards(0, 40_000), task(KINDS["mixed kinds"])

    def seconds(jobs: int) -> float:
        start = time.perf_counter()
        list(processes(jobs)(mine, some))
        return time.perf_counter() - start

    one, two = medians(count, lambda: seconds(1), lambda: seconds(2))
    yield f"two processes against one, {len(some)} shards", f"{one / two:.2f} times", "at least 1.8 times"


# --- where the time goes --------------------------------------------------------------------------------------------


def profile(count: int) -> Iterator[Row]:
    """The share of each part, of a default run and of one in bulk; a part may lie in another."""
    for kinds, claims in KINDS.items():
        some = shards(1, 2048)
        bulk(claims, some)  # compiles what there is to compile
        yield from shares(f"in bulk, {kinds}", lambda c=claims, s=some: bulk(c, s))
        yield from shares(f"default run, {kinds}", lambda c=claims: default(c))


def shares(what: str, function: Callable[[], float]) -> Iterator[Row]:
    profiler = cProfile.Profile()
    profiler.runcall(function)
    stats = pstats.Stats(profiler)
    for part, functions in PARTS.items():
        spent = sum(row[3] for (file, _, name), row in stats.stats.items()  # type: ignore[attr-defined]
                    if any(file.endswith(end) and name == one for end, one in functions))
        yield f"profile, {what}: {part}", f"{spent / stats.total_tt:.0%}", ""  # type: ignore[attr-defined]
