"""What a process of its own costs: whole runs of a function in one, over the same runs in this one.

    python tests/benchmarks/apart.py [--rounds 3] [--examples 300]

Each round runs both, one after the other, in a fresh process with its start included; the figure is the median of
their ratios. The bar is 1.3 times.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

TARGET = Path(__file__).parents[1] / "worker_subjects.py"
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def seconds(examples, *more):
    """Of one run from the command line, which must conform."""
    command = [sys.executable, "-m", "backproof", "verify", f"{TARGET}:right", "--examples", str(examples), "--seconds", "600"]
    start = time.monotonic()
    done = subprocess.run([*command, *more], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", type=int, default=300)
    options = parser.parse_args()
    ratios = []
    for number in range(options.rounds):
        here, apart = seconds(options.examples, "--in-process"), seconds(options.examples)
        ratios.append(apart / here)
        print(f"round {number + 1}: {here:.1f} s in this process, {apart:.1f} s in its own: {ratios[-1]:.2f} times", flush=True)
    print(f"{options.examples} networks: {statistics.median(ratios):.2f} times | 1.3 times")


if __name__ == "__main__":
    main()
