"""How far JAX's and optax' own functions are from the truth, over s: 16 is what a program may be.

    python tests/benchmarks/program_errors_jax.py --seeds 30
    python tests/benchmarks/program_errors_jax.py --only softmax --dtypes bfloat16 --worst

Each is asked on the CPU, compiled and not, and judged by a plain form as people write it (tests/programs/jax_rows.py).
Trials are those of a run: hostile numbers, cotangents and sizes. In a narrow dtype "rounded after every operation" is
claimed. Printed, by function and dtype: the worst error over s, the array it was in, how many trials there were, and how
many of them the arithmetic had no room for. A trial costs some 0.3 s, most of it XLA's.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "programs"))

from backproof.programs.drawing import Drawn
from backproof.programs.engine import engine_of
from backproof.programs.judge import Judge
from backproof.programs.judged import Judged
from jax_rows import LOSING, RIGHT, Right

DTYPES = ("float32", "bfloat16", "float16")
BAR = 16.0


def judged(row: Right, dtype: str, seeds: int) -> Iterator[Judged | None]:
    """Every trial judged; None where the arithmetic has no room for it."""
    engine, made = engine_of("jax"), row.program(dtype)
    judge = Judge(made, engine, lambda trial: engine.answer(made.engine, trial))
    for trial in Drawn(made, lambda trial: engine.shapes(made.plain, trial)).trials(seeds):
        yield judge.judge(trial)


def worst(row: Right, dtype: str, seeds: int) -> tuple[float, str, Any, int]:
    """The largest error over s, of which array, in which trial, and how many trials had no answer."""
    most, key, trial, without = 0.0, "", None, 0
    for each in judged(row, dtype, seeds):
        if each is None or each.reply is None:
            without += 1
            continue
        for name, ratio in each.ratios(row.program(dtype).asked.claim(dtype)):
            if ratio > most:
                most, key, trial = ratio, name, each.trial
    return most, key, trial, without


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--only", default="")
    parser.add_argument("--dtypes", default=",".join(DTYPES))
    parser.add_argument("--worst", action="store_true", help="tell the trial of the worst error")
    given = parser.parse_args()
    over, started = 0, time.monotonic()
    print(f"{'function':44s} {'dtype':9s} {'error / s':>9s}  {'of':10s} trials  without")
    for name, row in RIGHT.items():
        asked = [each for each in given.dtypes.split(",") if each in row.dtypes]
        for dtype in asked if given.only in name else ():
            ratio, key, trial, without = worst(row, dtype, given.seeds)
            over += ratio > BAR
            print(f"{name:44s} {dtype:9s} {ratio:9.2f}  {key:10s} {given.seeds:6d}  {without:7d}"
                  f"{'  above 16' if ratio > BAR else ''}", flush=True)
            if given.worst and trial is not None:
                print("   ", trial.number, dict(trial.features))
    for name, (row, why) in LOSING.items() if not given.only else ():
        ratio, key, *_ = worst(row, "float32", given.seeds)
        print(f"{name:44s} {'float32':9s} {ratio:9.2f}  {key:10s} {why}", flush=True)
    print(f"bar: {BAR:g}; above it: {over}; {time.monotonic() - started:.0f} s")
    return int(over > 0)


if __name__ == "__main__":
    raise SystemExit(main())
