"""Right and wrong programs under backproof's rule and under those that people use, on the very same trials.

    python tests/benchmarks/program_rules.py --trials 10000          right programs: false alarms, worst error over s
    python tests/benchmarks/program_rules.py --seeds 20              the 49 modelled bugs: caught, located
    python tests/benchmarks/program_rules.py --entries 400           one bfloat16 entry wrong by a factor of 1.1
    ... --only "layer norm" --keep rules.jsonl                       some rows; what is kept is not asked again

Rules: backproof's; `torch.testing.assert_close` with its defaults, against the plain form run in the dtype (eager) and
against the float64 truth; `gradcheck` (fast mode, its defaults) of the program in float64, on trials of at most 300 numbers; FlashAttention's (largest
error at most twice the eager one's, plus 1e-5); flash-linear-attention's (RMS of the error at most .005 of the RMS).
A catch of another rule counts where it passes the truth itself, rounded into storage (gradcheck: the plain form). A
program that raises, or gives no gradient where one is due, is caught by every rule.
"""

import argparse
import json
import math
import os
import sys
import time
import warnings
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import count
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "programs"))

import numpy as np  # noqa: E402
import proving  # noqa: E402
import torch  # noqa: E402
from backproof.programs.engine import engine_of  # noqa: E402
from backproof.programs.figures import ADDED, CLOSE  # noqa: E402
from backproof.programs.formats import FORMATS  # noqa: E402
from backproof.programs.judged import compared  # noqa: E402
from proving import BUGS, FLOATS, OPERATIONS, STYLES, beyond, of_bug, of_operation  # noqa: E402

OURS = "backproof"
MOST = 60        # trials for each seed of a bug
ENOUGH = 10      # failing ones among them
LOCATED = 24     # trials, the first ones, that a bug is located by
SMALL = 300      # numbers that gradcheck is asked about at most: what it finds wrong it goes through one by one
TWICE = 2.0
RATIO = 0.005
BAR = 16.0


# --- the rules: whether an answer is flagged, by key the arrays got, true, and eager -----------------------------


def close(got, wanted, dtype):
    """assert_close with its defaults, as numbers."""
    rtol, atol = CLOSE[dtype]
    return all(np.allclose(got[key], wanted[key], rtol, atol) for key in wanted if key in got)


def against_eager(got, truth, eager, dtype):
    return not close(got, eager, dtype)


def against_truth(got, truth, eager, dtype):
    return not close(got, truth, dtype)


def largest(one, other):
    return float(np.abs(one - other).max(initial=0.0))


def flash_attention(got, truth, eager, dtype):
    return any(not largest(got[key], g) <= TWICE * largest(eager[key], g) + ADDED
               for key, g in truth.items() if key in got and key in eager)


def rms(values):
    return math.sqrt(float(np.mean(np.square(values)))) if values.size else 0.0


def linear_attention(got, truth, eager, dtype):
    return any(not rms(got[key] - g) <= RATIO * (rms(g) + 1e-8) for key, g in truth.items() if key in got)


RULES = {"close/eager": against_eager, "close/truth": against_truth, "FA 2x": flash_attention, "FLA": linear_attention}
GRADCHECK = "gradcheck"
NAMES = (OURS, "close/eager", "close/truth", GRADCHECK, "FA 2x", "FLA")


def stored(arrays, dtype):
    """The truth as a program that makes no other error would give it."""
    return {key: FORMATS[dtype].rounded(g) for key, g in arrays.items()}


def flagged(judged, eager):
    """The rules that flag the answer, and of these those that would flag the rounded truth too."""
    dtype, truth = judged.trial.dtype, judged.truth
    with np.errstate(all="ignore"):
        found = {name for name, rule in RULES.items() if rule(judged.reply.arrays, truth, eager, dtype)}
        alarms = {name for name in found if RULES[name](stored(truth, dtype), truth, eager, dtype)}
    return found, alarms


def gradcheck(function, trial):
    """Whether gradcheck flags a function on the trial's inputs, in float64; False where they are many or none."""
    if not 0 < sum(trial.inputs[name].numbers.size for name in trial.wanted) <= SMALL:
        return False
    inputs = [None if value is None else torch.tensor(value.numbers, requires_grad=name in trial.wanted)
              for name, value in trial.inputs.items()]
    torch.manual_seed(trial.number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return not torch.autograd.gradcheck(lambda *given: function(*given, **trial.options), inputs,
                                                fast_mode=True, raise_exception=False)
        except Exception:
            return True


def eager_of(asked, judged):
    trial = replace(judged.trial, repeats=1, twice=False, poison=False)
    return asked.judge.engine.answer(asked.program.plain, trial).arrays


# --- what is kept ------------------------------------------------------------------------------------------------


class Kept:
    """Rows that were asked before, in a file of JSON lines; without a file nothing is kept."""

    def __init__(self, path):
        self.path, self.rows = path, {}
        if path and Path(path).exists():
            for line in Path(path).read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self.rows[tuple(row["key"])] = row["data"]

    def row(self, key, make):
        if key not in self.rows:
            started = time.perf_counter()
            self.rows[key] = make()
            print(f"{' '.join(map(str, key))}: {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)
            if self.path:
                with open(self.path, "a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, "data": self.rows[key]}) + "\n")
        return self.rows[key]


# --- right programs ----------------------------------------------------------------------------------------------


def right(operation, style, dtype, trials):
    """Alarms by rule, trials, and the worst error over s."""
    asked = of_operation(operation, style, dtype)
    alarms, worst, judged_trials = Counter(), 0.0, 0
    for judged in asked.judged(trials):
        judged_trials += 1
        if judged.failures:
            alarms[OURS] += 1
        if judged.reply is None:
            continue
        worst = max(worst, beyond(judged))
        alarms.update(flagged(judged, eager_of(asked, judged))[0])
        alarms[GRADCHECK] += gradcheck(asked.program.engine, judged.trial)
    return {"alarms": dict(alarms), "trials": judged_trials, "worst": worst}


def print_right(kept, names, trials):
    rows = [(op, style) for op in names for style in STYLES]
    each = math.ceil(trials / (len(OPERATIONS) * len(STYLES) * len(FLOATS)))
    total, flags, worst = 0, Counter(), defaultdict(float)
    print(f"right programs, {each} trials a row and dtype: alarms, and the worst error over s (bar {BAR:.0f})")
    print(f"{'operation':22s}{'style':7s}" + "".join(f"{dtype:>10s}" for dtype in FLOATS) + f"{'trials':>8s}"
          + "".join(f"{name:>13s}" for name in NAMES))
    for op, style in rows:
        cells = [kept.row(("right", op, style, dtype, each),
                          lambda op=op, style=style, dtype=dtype: right(OPERATIONS[op], style, dtype, each))
                 for dtype in FLOATS]
        asked, alarms = sum(cell["trials"] for cell in cells), sum((Counter(c["alarms"]) for c in cells), Counter())
        print(f"{op:22s}{style:7s}" + "".join(f"{cell['worst']:10.2f}" for cell in cells) + f"{asked:8d}"
              + "".join(f"{alarms[name]:13d}" for name in NAMES), flush=True)
        total, flags = total + asked, flags + alarms
        for dtype, cell in zip(FLOATS, cells, strict=True):
            worst[dtype] = max(worst[dtype], cell["worst"])
    print(f"{'all':29s}" + "".join(f"{worst[dtype]:10.2f}" for dtype in FLOATS) + f"{total:8d}"
          + "".join(f"{flags[name]:13d}" for name in NAMES))
    print(f"{'share of trials':67s}" + "".join(f"{flags[name] / max(total, 1):13.1%}" for name in NAMES))


# --- wrong programs ----------------------------------------------------------------------------------------------


def wrong(bug, seed):
    """By which rules it was caught, and whether the findings point at its lines and at no other."""
    asked, caught, kept, failing, trials = of_bug(bug, seed), set(), [], 0, Counter()
    for judged in asked.judged(MOST):
        kept.append(judged)
        failing += bool(judged.failures)
        now = catches(asked, judged, caught)
        caught |= now
        trials.update(now)
        if failing >= ENOUGH and len(kept) >= LOCATED:
            break
    found = asked.lines(kept[:LOCATED] if failing >= ENOUGH else kept, bug.plain) if failing else set()
    return {"caught": sorted(caught), "located": bool(found) and found <= bug.lines, "lines": sorted(found),
            "trials": len(kept), "failing": failing, "on": dict(trials)}


def catches(asked, judged, caught):
    """The rules that catch what this trial shows, and would have passed a right program on it."""
    found = {OURS} if judged.failures else set()
    if judged.reply is None or any(f.check == "contract" for f in judged.failures):
        return set(NAMES)
    flags, alarms = flagged(judged, eager_of(asked, judged))
    found |= flags - alarms
    if GRADCHECK not in caught and gradcheck(asked.program.engine, judged.trial) and not gradcheck(
            asked.program.plain, judged.trial):
        found.add(GRADCHECK)
    return found


def print_wrong(kept, names, seeds, first):
    print(f"{len(names)} modelled bugs, {seeds} seeds, at most {MOST} trials each: in how many seeds caught, and located")
    print(f"{'bug':36s}{'issue':36s}{'located':>8s}" + "".join(f"{name:>13s}" for name in NAMES))
    every, core, on, located, of = Counter(), Counter(), Counter(), 0, 0
    for name in names:
        bug = BUGS[name]
        runs = [kept.row(("wrong", name, seed), lambda bug=bug, seed=seed: wrong(bug, seed))
                for seed in range(first, first + seeds)]
        caught = Counter(rule for run in runs for rule in run["caught"])
        on += sum((Counter(run.get("on", {})) for run in runs), Counter())
        right_place = sum(run["located"] for run in runs)
        told = f"{right_place:8d}" if bug.at else f"{'-':>8s}"
        print(f"{name:36s}{bug.issue:36s}{told}" + "".join(f"{caught[rule]:13d}" for rule in NAMES), flush=True)
        always = Counter(rule for rule in NAMES if caught[rule] == seeds)
        every, core = every + always, core + (always if bug.core else Counter())
        if bug.at:
            located, of = located + right_place, of + seeds
    print(f"{f'caught in all seeds, of {len(names)}':80s}" + "".join(f"{every[rule]:13d}" for rule in NAMES))
    cores = sum(BUGS[name].core for name in names)
    print(f"{f'of the first {cores}':80s}" + "".join(f"{core[rule]:13d}" for rule in NAMES))
    print(f"{'trials on which a bug was caught':80s}"
          + "".join(f"{'-' if rule == GRADCHECK else on[rule]!s:>13s}" for rule in NAMES))
    print(f"located: {located} of {of} runs of bugs that are on a line ({located / max(of, 1):.0%}; bar 90 %)")


# --- one entry ---------------------------------------------------------------------------------------------------


def one_entry(operation, trials, factor=1.1):
    """By rule, on how many of so many trials a median entry of one gradient, times 1.1, is seen.

    The entry is stored in bfloat16. Trials whose median entry is smaller than what the claimed arithmetic can tell from
    0 (16 s) are counted apart: nobody can see a tenth of that.
    """
    asked = of_operation(operation, "fused", "bfloat16")
    seen, rng, noise, done = Counter(), np.random.default_rng(7), 0, 0
    for number in count():
        if done == trials or number > 4 * trials:
            break
        judged = asked.judge.judge(asked.trials.trial(number, "bfloat16"))
        if judged is None or judged.reply is None or not judged.trial.wanted:
            continue
        name = judged.trial.wanted[int(rng.integers(len(judged.trial.wanted)))]
        place = median(judged, name)
        if place is None or BAR * judged.spread[name][place] >= 0.05 * abs(judged.truth[name][place]):
            noise += 1
            continue
        done += 1
        got = dict(judged.reply.arrays) | {name: judged.reply.arrays[name].copy()}
        got[name][place] = FORMATS["bfloat16"].rounded(got[name][place] * factor)
        seen.update(seen_by(asked, judged, got))
    return {"seen": dict(seen), "trials": done, "noise": noise}


def median(judged, name):
    """Where the median of the sizes of a gradient's entries that are not 0 is; None where all are."""
    g = np.abs(judged.truth[name])
    places = np.argwhere(g > 0)
    if not len(places):
        return None
    order = np.argsort(g[tuple(places.T)], kind="stable")
    return tuple(int(i) for i in places[order[len(order) // 2]])


def seen_by(asked, judged, got):
    eager, truth, dtype = eager_of(asked, judged), judged.truth, judged.trial.dtype
    with np.errstate(all="ignore"):
        found = {name for name, rule in RULES.items()
                 if rule(got, truth, eager, dtype) and not rule(judged.reply.arrays, truth, eager, dtype)}
        return found | ({OURS} if [*compared(judged.trial, got, truth, judged.tolerance)] else set())


def print_entries(kept, names, entries):
    each, total, seen = math.ceil(entries / len(OPERATIONS)), 0, Counter()
    rules = [name for name in NAMES if name != GRADCHECK]
    print("a median entry of one bfloat16 gradient times 1.1: seen on so many trials (a rule that flags the right answer\n"
          "already has not seen it); apart: entries that are 0 or nearer 0 than the arithmetic can tell")
    print(f"{'operation':22s}{'trials':>8s}{'apart':>8s}" + "".join(f"{name:>13s}" for name in rules))
    for op in names:
        row = kept.row(("entry", op, each), lambda op=op: one_entry(OPERATIONS[op], each))
        print(f"{op:22s}{row['trials']:8d}{row['noise']:8d}"
              + "".join(f"{row['seen'].get(name, 0):13d}" for name in rules), flush=True)
        total, seen = total + row["trials"], seen + Counter(row["seen"])
    print(f"{'all':22s}{total:8d}{'':8s}" + "".join(f"{seen[name]:13d}" for name in rules))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=0, help="of right programs, all rows together")
    parser.add_argument("--seeds", type=int, default=0, help="for each bug")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them (default 0)")
    parser.add_argument("--entries", type=int, default=0, help="trials with one entry wrong, all operations together")
    parser.add_argument("--only", action="append", metavar="NAME", help="an operation or a bug (may be given again)")
    parser.add_argument("--keep", metavar="FILE", help="JSON lines of what was asked, so that a run can go on")
    parser.add_argument("--device", default="cpu", help="where the programs run: cpu (default) or cuda")
    options = parser.parse_args()
    if options.device != "cpu" and not engine_of("torch").has(options.device):
        parser.error(f"--device {options.device}: not available here")
    proving.DEVICE = options.device
    unknown = [name for name in options.only or () if name not in {*OPERATIONS, *BUGS}]
    if unknown:
        parser.error(f"--only {unknown[0]!r}; allowed: {', '.join([*OPERATIONS, *BUGS])}")
    torch.set_num_threads(1)
    kept = Kept(options.keep)
    operations, bugs = ([name for name in table if name in (options.only or table)] for table in (OPERATIONS, BUGS))
    if options.trials and operations:
        print_right(kept, operations, options.trials)
    if options.seeds and bugs:
        print_wrong(kept, bugs, options.seeds, options.first)
    if options.entries and operations:
        print_entries(kept, operations, options.entries)


if __name__ == "__main__":
    main()
