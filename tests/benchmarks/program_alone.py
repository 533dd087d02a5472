"""What is seen of a program without its plain form: alarms on right programs, and which wrong ones are caught.

    python tests/benchmarks/program_alone.py --trials 45            # right programs: as many trials for each kernel
    python tests/benchmarks/program_alone.py --bugs --seeds 5       # wrong ones, so many seeds of up to --trials trials
    python tests/benchmarks/program_alone.py --bugs --only ROW

Right: an operation and a style (a kernel, another kernel, eager) in float32, bfloat16 and float16; the bar is no alarm.
Wrong: a row for each modelled bug, in how many seeds it was caught, by which checks, and what the first said. What fails
on the same trial of the plain form too, run as a program, is no catch: where a plain form stops a gradient on purpose
(a padding row), its gradient is not that of its loss.
"""

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "programs"))

import numpy as np
import torch
from backproof import program
from backproof.programs.checks import checked
from backproof.programs.drawing import Drawn
from backproof.programs.engine import engine_of
from backproof.programs.judged import Failure
from backproof.programs.torch_engine.doubling import second
from bugs import BUGS
from right import FLOATS, OPERATIONS, STYLES

ENGINE = engine_of("torch")
ONCE = {"untouched", "repeated"}  # what one reply shows by itself


def failures(one, number: int, seed: int, rows=None) -> list[Failure]:
    """What fails on one trial of a program, its plain form never asked; it raising is a failure too."""
    function = one.engine
    drawn = Drawn(one, lambda trial: ENGINE.shapes(function, trial), seed)
    dtype = one.asked.dtypes[number % len(one.asked.dtypes)]
    try:
        trial = drawn.trial(number, dtype)
        reply = ENGINE.answer(function, trial)
    except Exception as error:
        return [Failure("answers", None, "", type(error).__name__, {"error": str(error)[:100]})]
    found = [Failure("untouched", trial, name, "changed") for name in reply.touched]
    if one.asked.deterministic:
        found += [Failure("repeated", trial, key, "differs") for key in reply.differing]
    asked = checked(one.asked, lambda trial: ENGINE.answer(function, trial), trial, reply,
                    rng=np.random.default_rng([seed, number]), second=lambda trial: second(function, trial), rows=rows)
    return found + [each for _, those in asked for each in those if each.kind != "unclaimed"]


def told(failure: Failure) -> str:
    data = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in failure.data.items()}
    where = "" if failure.trial is None else f" (trial {failure.trial.number}, {failure.trial.dtype})"
    return f"{failure.check} {failure.key} {failure.kind} {data}{where}"


def right(options) -> int:
    """Alarms on right programs."""
    alarms = trials = 0
    for name, operation in OPERATIONS.items():
        for style in STYLES:
            if options.only and f"{name} {style}" not in options.only and name not in options.only:
                continue
            start, seen = time.perf_counter(), []
            for i in range(options.trials):
                dtype = FLOATS[i % len(FLOATS)]
                one = program(operation.function(style), inputs=operation.inputs, sizes=operation.sizes,
                              options=operation.options, dtypes=[dtype], **operation.claim(style, dtype))
                seen += failures(one, i, options.first)
            alarms, trials = alarms + len(seen), trials + options.trials
            print(f"{name:20s} {style:6s} {options.trials:5d} trials {len(seen):3d} alarms "
                  f"{time.perf_counter() - start:6.1f} s", flush=True)
            for failure in seen:
                print(f"    {told(failure)}", flush=True)
    print(f"{trials} trials: {alarms} alarms (bar: 0)")
    return alarms


def caught_by(bug, trials: int, seed: int) -> list[Failure]:
    """What fails on the first trial of a wrong program on which its plain form does not fail alike."""
    rest = {"inputs": bug.inputs, "sizes": bug.sizes, "options": bug.options}
    one = program(bug.wrong, dtypes=list(bug.dtypes), **rest)
    for i in range(trials):
        found = failures(one, i, seed)
        if found:
            dtype = bug.dtypes[i % len(bug.dtypes)]
            plain = program(bug.plain, dtypes=[dtype], arithmetic=dtype, **rest)
            alike = {each.check for each in failures(plain, i, seed)}
            found = [each for each in found if each.check not in alike]
        if found:
            return found
    return []


def wrong(options) -> None:
    """Which modelled bugs are caught without their plain form."""
    caught = always = 0
    rows = [bug for name, bug in BUGS.items() if not options.only or name in options.only]
    for bug in rows:
        start, by, first, seeds = time.perf_counter(), Counter(), "", 0
        for seed in range(options.first, options.first + options.seeds):
            found = caught_by(bug, options.trials, seed)
            seeds += bool(found)
            by.update({failure.check for failure in found})
            first = first or (told(found[0]) if found else "")
        caught, always = caught + (seeds > 0), always + (seeds == options.seeds)
        print(f"{bug.name:34s} {seeds:2d}/{options.seeds:<3d} {time.perf_counter() - start:6.1f} s "
              f"{', '.join(by) or 'not seen':30s} {first[:150]}", flush=True)
    print(f"{len(rows)} bugs: {caught} caught, {always} of them in every one of {options.seeds} seeds")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=30, help="for each right kernel; for each bug and seed, at most")
    parser.add_argument("--bugs", action="store_true", help="the wrong programs instead of the right ones")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--only", action="append", help="an operation, an operation and a style, or a bug")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.bugs:
        wrong(options)
        return 0
    return bool(right(options))


if __name__ == "__main__":
    sys.exit(main())
