"""Mistakes that no table has, planted in programs that nobody here's reference resembles: is a name ever false?

    python tests/benchmarks/foreign.py --seeds 10 --count 300
    python tests/benchmarks/foreign.py --seeds 1 --only "db: the maximum"
    python tests/benchmarks/foreign.py --mixtures --seeds 3

A row per category: runs, caught, silent, crashed; findings with a true name, with a false one (the bar is 0), without.
A name is true as `foreign_names` says. Below: every false name, silence and crash with the line that repeats it.
`--mixtures`: two and three known mistakes at once, of which each shows by itself in some array of one network in eight,
alone or beside the others; in how many runs the findings are these mistakes and nothing else.
"""

import argparse
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import count
from pathlib import Path
from typing import NamedTuple

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402
from backproof import verify  # noqa: E402
from backproof.faults import FAULTS  # noqa: E402
from backproof.judging import judge as judge_module  # noqa: E402
from backproof.judging import plan  # noqa: E402
from backproof.properties import tolerance  # noqa: E402
from backproof.running import run as run_module  # noqa: E402
from foreign_mistakes import KNOWN, Mistake, Part, all_of, planting  # noqa: E402
from foreign_names import Told, borne_out, is_true, separable, showing, told  # noqa: E402
from foreign_programs import STYLES, program  # noqa: E402

# no time limit that counts on a busy machine
EXAMPLES, SECONDS, AT_ONCE = 300, 900, 12
# the networks of a group are asked again and again
tolerance._RECENT.most = 2000


class Seen(NamedTuple):
    """One run: what was planted, what was found, and what is false in it."""

    made: Mistake
    style: str
    seed: int
    verdict: str
    names: tuple[tuple[str, ...], ...]
    headlines: tuple[str, ...]
    false: tuple[str, ...]
    false_besides: tuple[str, ...]
    shown: int
    networks: int
    seconds: float
    crash: str = ""

    @property
    def caught(self) -> bool:
        return self.verdict == "does_not_conform"

    @property
    def repeat(self) -> str:
        return f"seed {self.seed}, {self.style}: {self.made}"


# --- one run ----------------------------------------------------------------------------------------------------------

def run(job: tuple[Mistake, str, int, int]) -> Seen:
    made, style, seed, stop_after = job
    start = time.perf_counter()
    try:
        report = verify(program(style, planting(made)), seed=seed, examples=EXAMPLES, seconds=SECONDS, oracles=("torch",),
                        stop_after=stop_after)
    except Exception:
        return Seen(made, style, seed, "crashed", (), (), (), (), 0, 0, time.perf_counter() - start,
                    traceback.format_exc())
    seconds = time.perf_counter() - start
    names = tuple(finding.faults for finding in report.findings)
    first = [name for name in map(told, report.findings) if name]
    false = tuple(str(name) for name in first if not is_true(name, made, style))
    # of what is also consistent no number is told: those with one cannot be looked at
    besides = tuple(name for of in names for name in of[1:]
                    if FAULTS[name].number is None and not is_true(Told(name), made, style))
    silent = report.verdict != "does_not_conform"
    return Seen(made, style, seed, report.verdict, names, tuple(f.headline for f in report.findings), false, besides,
                showing(made, style) if silent else -1, report.networks, seconds)


def of_group(jobs: list[tuple[Mistake, str, int, int]]) -> list[Seen]:
    """Runs of one style and seed: all have the same claims, so all are asked the same networks, drawn once."""
    kept: dict[tuple[str, int], tuple[list, Iterator]] = {}
    places = [(module, module.drawn) for module in (run_module, judge_module)]

    def remembered(strategy, start):
        key = repr(strategy), start
        if key not in kept:
            kept[key] = [], plan.drawn(strategy, start)
        return again(*kept[key])

    try:
        for module, _ in places:
            module.drawn = remembered
        return [run(job) for job in jobs]
    finally:
        for module, right in places:
            module.drawn = right


def again(found: list, more: Iterator) -> Iterator:
    """The draws so far, then further ones, kept for the next."""
    for i in count():
        if i == len(found):
            found.append(next(more))
        yield found[i]


def fitting(made: Mistake) -> list[str]:
    """The styles in which every part can be: those that have its activation."""
    return [style for style, (_, claims) in STYLES.items() if all(fits(part, claims) for part in made.parts)]


def fits(part: Part, claims: dict) -> bool:
    of = part.form.split("'")[0].replace("leaky", "leaky_relu").replace("gelu", "gelu_tanh")
    functions = [h if isinstance(h, str) else h["function"] for h in claims["hidden"]]
    need = of if "'" in part.form and of != "f" else None
    dtype = part.condition == "float32" and "float32" not in claims.get("dtypes", ())
    return not dtype and (need is None or need in functions)


# --- many runs --------------------------------------------------------------------------------------------------------

def jobs_of(mistakes: list[Mistake], seeds: range, options: argparse.Namespace) -> list[list[tuple]]:
    """Every mistake with every seed, in one of the styles it may be in; groups of one style and seed."""
    asked = [(made, seed, turn(made, number + seed)) for seed in seeds for number, made in enumerate(mistakes)]
    choose = first_separable if options.mixtures else first_of
    with ProcessPoolExecutor(options.jobs) as pool:
        styles = list(pool.map(choose, asked, chunksize=4))
    groups: dict[tuple[int, str], list] = {}
    for (made, seed, _), style in zip(asked, styles, strict=True):
        if style is not None:
            groups.setdefault((seed, style), []).append((made, style, seed, options.stop_after))
    return [group[i:i + AT_ONCE] for group in groups.values() for i in range(0, len(group), AT_ONCE)]


def turn(made: Mistake, start: int) -> list[str]:
    """The styles that have the mistake's activation, from another one on for every seed."""
    styles = fitting(made)
    return [styles[(start + k) % len(styles)] for k in range(len(styles))]


def first_of(asked: tuple[Mistake, int, list[str]]) -> str | None:
    return asked[2][0] if asked[2] else None


def first_separable(asked: tuple[Mistake, int, list[str]]) -> str | None:
    """The first style in which each part shows by itself too."""
    made, _, styles = asked
    return next((style for style in styles if separable(made.parts, style)), None)


def all_runs(groups: list, options: argparse.Namespace) -> list[Seen]:
    """Every group, in an order of no meaning, until the minutes are over: what was done by then counts."""
    done: list[Seen] = []
    total, start = sum(map(len, groups)), time.perf_counter()
    mixed = [groups[i] for i in np.random.default_rng(0).permutation(len(groups))]
    with ProcessPoolExecutor(options.jobs) as pool:
        waiting = [pool.submit(of_group, group) for group in mixed]
        for future in as_completed(waiting):
            if future.cancelled():
                continue
            done += future.result()
            seconds = time.perf_counter() - start
            print(f"{len(done)} of {total} runs, {seconds:.0f} s; false names in {sum(bool(seen.false) for seen in done)}",
                  *(f"  {line}" for seen in future.result() for line in complaints(seen)),
                  sep="\n", file=sys.stderr, flush=True)
            if seconds > 60 * options.minutes:
                for other in waiting:
                    other.cancel()
    return done


def complaints(seen: Seen) -> list[str]:
    """What is wrong with a run, a line each, with what repeats it."""
    found = []
    if seen.crash:
        found.append(f"CRASH {seen.repeat}: {seen.crash.strip().splitlines()[-1]}")
    if seen.false:
        found.append(f"FALSE NAME {', '.join(seen.false)}: {seen.repeat}")
    if seen.false_besides:
        found.append(f"false besides {', '.join(seen.false_besides)}: {seen.repeat}")
    if not seen.caught and not seen.crash:
        what = "SILENT" if seen.shown else "shows nowhere"
        found.append(f"{what} ({seen.verdict}, shows on {seen.shown} of 40 fresh networks): {seen.repeat}")
    return found


# --- the tables -------------------------------------------------------------------------------------------------------

def table(done: list[Seen]) -> None:
    print(f"{'category':22s} {'runs':>5s} {'caught':>7s} {'silent':>7s} {'crashed':>8s} {'findings':>9s} "
          f"{'true':>5s} {'false':>6s} {'unnamed':>8s} {'false besides':>14s}")
    categories = list(dict.fromkeys(seen.made.category for seen in done))
    for category in [*categories, "all"]:
        runs = [seen for seen in done if category in (seen.made.category, "all")]
        named = sum(bool(names) for seen in runs for names in seen.names)
        false = sum(len(seen.false) for seen in runs)
        findings = sum(len(seen.names) for seen in runs)
        print(f"{category:22s} {len(runs):5d} {sum(s.caught for s in runs):7d} "
              f"{sum(not s.caught and not s.crash for s in runs):7d} {sum(bool(s.crash) for s in runs):8d} "
              f"{findings:9d} {named - false:5d} {false:6d} {findings - named:8d} "
              f"{sum(len(s.false_besides) for s in runs):14d}")


def foreign(options: argparse.Namespace, seeds: range) -> None:
    every = filter(fitting, all_of(2 * options.count, options.generation))
    mistakes = [made for made in list(every)[:options.count] if wanted(made, options.only)]
    done = all_runs(jobs_of(mistakes, seeds, options), options)
    table(done)
    for kind in ("CRASH", "FALSE", "SILENT", "shows nowhere", "false besides"):
        lines = sorted(line for seen in done for line in complaints(seen) if line.startswith(kind))
        print("\n".join([f"\n{kind}: {len(lines)}", *lines]))
    slowest = max(seen.seconds for seen in done)
    print(f"\n{len(done)} runs; false names {sum(len(s.false) for s in done)}; slowest {slowest:.1f} s")


def wanted(made: Mistake, only: list[str] | None) -> bool:
    return not only or any(pattern in str(made) for pattern in only)


# --- two and three known ones -------------------------------------------------------------------------------------------

def several(many: int, generation: int) -> list[Mistake]:
    """Known mistakes two and three at once, in lines of their own."""
    rng = np.random.default_rng([generation, 2])
    lines = [line for line in KNOWN if line != "end"]
    found: dict[tuple[Part, ...], Mistake] = {}
    while len(found) < many:
        k = 2 if len(found) % 3 else 3
        chosen = sorted(rng.choice(len(lines), k, replace=False))
        parts = tuple(Part(lines[i], list(KNOWN[lines[i]])[rng.integers(len(KNOWN[lines[i]]))]) for i in chosen)
        found.setdefault(parts, Mistake("two" if k == 2 else "three", parts))
    return list(found.values())


def as_planted(seen: Seen) -> bool:
    """Whether each part has a finding of its own that names it, and there is no other finding."""
    if len(seen.names) != len(seen.made.parts) or not all(seen.names):
        return False
    left = [names[0] for names in seen.names]
    for part in seen.made.parts:
        fit = [name for name in left if name in part.known] or [
            name for name in left if borne_out(Told(name), (part,), seen.style).true]
        if not fit:
            return False
        left.remove(fit[0])
    return True


def mixtures(options: argparse.Namespace, seeds: range) -> None:
    mistakes = [made for made in several(options.count, options.generation) if wanted(made, options.only)]
    done = all_runs(jobs_of(mistakes, seeds, options), options)
    right = Counter(seen.made.category for seen in done if as_planted(seen))
    for seen in done:
        if not as_planted(seen):
            found = "; ".join(", ".join(names) or f"? {headline[:60]}"
                              for names, headline in zip(seen.names, seen.headlines, strict=True))
            print(f"{seen.repeat}\n    found: {found or seen.verdict}")
    print()
    for category in ("two", "three"):
        total = sum(seen.made.category == category for seen in done)
        if total:
            print(f"{category}: as many findings, each right, in {right[category]} of {total} "
                  f"({100 * right[category] / total:.1f} %)")
    many = sum(len(seen.names) == len(seen.made.parts) for seen in done)
    print(f"all: {sum(right.values())} of {len(done)} ({100 * sum(right.values()) / len(done):.1f} %); "
          f"as many findings as mistakes in {many}; false names {sum(len(s.false) for s in done)}; "
          f"crashed {sum(bool(s.crash) for s in done)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mixtures", action="store_true", help="two and three separable known mistakes at once")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds (default 1)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them (default 0)")
    parser.add_argument("--count", type=int, help="how many mistakes (default 300; 150 mixtures)")
    parser.add_argument("--generation", type=int, default=0, help="another number makes other mistakes")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="those whose description has this in it")
    parser.add_argument("--stop-after", type=int, help="failing networks until a run stops (default 4; 16)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing new after so many")
    options = parser.parse_args()
    options.count = options.count or (150 if options.mixtures else 300)
    options.stop_after = options.stop_after or (16 if options.mixtures else 4)
    seeds = range(options.first, options.first + options.seeds)
    (mixtures if options.mixtures else foreign)(options, seeds)


if __name__ == "__main__":
    main()
