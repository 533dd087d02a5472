"""How many ways to cheat a judge of kernels are caught, by how many trials, and what a verdict costs.

    python tests/benchmarks/cheats.py --seeds 5

Each seed asks some eight trials of every cheat in tests/programs/cheats/many.py; `backproof judge` asks 40.
"""

import argparse
import os
import time
from collections import Counter
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import torch  # noqa: E402
from backproof.programs.benchmark import Score, judged  # noqa: E402

CHEATS = Path(__file__).parents[1] / "programs" / "cheats"
HONEST = {"honest", "rewritten"}
EACH = 8


def caught(score: Score) -> dict[str, bool]:
    """By cheat, whether some output or gradient of it was wrong."""
    found: dict[str, bool] = {}
    for cell in score.cells:
        if cell.feature == "option which":
            found[cell.value] = found.get(cell.value, False) or not cell.is_right
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    asked, seen = Counter[str](), Counter[str]()
    for seed in range(options.seeds):
        for name, is_caught in caught(judged(f"{CHEATS}/many.py:kernel", f"{CHEATS}/many_task.py:task", seed=seed,
                                             examples=19 * EACH)).items():
            asked[name] += 1
            seen[name] += is_caught
    for name in asked:
        print(f"{name:20} {'caught' if name not in HONEST else 'alarms'} {seen[name]} of {asked[name]} seeds")
    cheats = [name for name in asked if name not in HONEST]
    print(f"cheats caught by every seed: {sum(seen[n] == asked[n] for n in cheats)} of {len(cheats)} (bar: all)")
    print(f"alarms on honest kernels: {sum(seen[n] for n in HONEST)} of {sum(asked[n] for n in HONEST)} (bar: 0)")
    start = time.monotonic()
    score = judged(f"{CHEATS}/honest.py:kernel", f"{CHEATS}/task.py:task")
    print(f"an honest kernel: {score.verdict}, score {score.score}, {score.trials} trials in "
          f"{time.monotonic() - start:.0f} s, torch imported (bar: 10 s)")


if __name__ == "__main__":
    main()
