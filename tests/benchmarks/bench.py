"""The figures of the project, each beside its bar: `make bench`, or `python tests/benchmarks/bench.py --only cost`.

Every time is a ratio in one run, or the median of several processes; thread counts are one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from backproof.judging.judge import Judge  # noqa: E402
from backproof.judging.plan import Plan, drawn  # noqa: E402
from backproof.oracles import load as oracle  # noqa: E402
from backproof.plug.subject import Subject, subject_of  # noqa: E402
from backproof.plug.subjects import load as subject  # noqa: E402
from backproof.properties import tolerance  # noqa: E402
from backproof.properties.catalogue import catalogue  # noqa: E402
from backproof.properties.claims import EVERYTHING  # noqa: E402
from backproof.properties.strategies import Style, build, cases  # noqa: E402
from backproof.properties.structures import STRUCTURES  # noqa: E402
from backproof.properties.tolerance import SAMPLES, SLACK, bounds, spread  # noqa: E402
from backproof.record.report import Finding, Report  # noqa: E402
from backproof.record.writing import Recorder  # noqa: E402
from backproof.reference import Case, Network, evaluate, parse  # noqa: E402
from backproof.renderings import RENDERINGS  # noqa: E402
from timing import seconds_of  # noqa: E402

Row = tuple[str, str, str]
DTYPES = ("float64", "float32")
README = Path(__file__).parents[2] / "README.md"


ALL = replace(EVERYTHING, layers=tuple(STRUCTURES))


def networks(dtype: str, seed: int) -> Iterator[Case]:
    """Random networks of everything there is, in every structure, depth to 12 and more, in one dtype."""
    return drawn(cases(ALL, dtype=dtype), seed)


# --- false alarms ---------------------------------------------------------------------------------------------------


SUBJECTS = ("reference", "torch", "jax")
JAX_EVERY = 40  # it compiles every network: one in so many, its values only


def _alarms(job: tuple[str, int, int]) -> list[tuple[int, int, int, list[str]]]:
    """Every subject on the same networks: how many, checks passed, what was not, and where, for each."""
    import torch

    torch.set_num_threads(1)
    dtype, start, count = job
    by_jax = Subject("jax", ALL, lambda case: oracle("jax").answer(case, None), frozenset({"jax"}))
    judges = [Judge(each, ALL, [], lambda **_: None, start)
              for each in (*map(subject, SUBJECTS[:2]), by_jax)]
    for judge in judges:
        judge.per_network = 1
    with np.errstate(all="ignore"):
        for i, case in enumerate(islice(networks(dtype, 1000 + start), count)):
            for judge in judges[:2]:
                judge.network(case)
            if i % JAX_EVERY == 0:
                judges[2].tally.networks += 1
                judges[2].ask(case)
    return [_seen(judge) for judge in judges]


def _seen(judge: Judge) -> tuple[int, int, int, list[str]]:
    counts = judge.tally.counts.values()
    bad = sum(by.get(o, 0) for by in counts for o in ("failed", "errored", "inconclusive"))
    told = [f"{f.property}: {f.case.id}" for found in judge.tally.failures.values() for f in found]
    return judge.tally.networks, sum(by.get("passed", 0) for by in counts), bad, told


def false_alarms(count: int) -> Iterator[Row]:
    """Right subjects, the state probes and one identity a network: nothing may fail, nothing be undecided."""
    with ProcessPoolExecutor(2) as pool:
        for dtype in DTYPES:
            part = max(1, count // 40)
            jobs = [(dtype, i, part) for i in range(-(-count // part))]
            done = list(pool.map(_alarms, jobs))
            for i, name in enumerate(SUBJECTS):
                asked, checks, failed = (sum(each[i][j] for each in done) for j in (0, 1, 2))
                told = [t for each in done for t in each[i][3]][:3]
                yield (f"false alarms, {name}, {dtype}",
                       f"{failed} in {asked:,} networks, {checks:,} checks {told or ''}", "0")


# --- the tolerance --------------------------------------------------------------------------------------------------


def _worst(answer: Any, truth: Any, s: Any, bound: Any) -> tuple[float, float]:
    over_s = over_bound = 0.0
    for name, true in truth.gradients.items():
        error = np.abs(np.asarray(answer.gradients[name], dtype=float) - true)
        with np.errstate(all="ignore"):
            over_s = max(over_s, float(np.nanmax(error / s.gradients[name])))
            over_bound = max(over_bound, float(np.nanmax(np.where(error == 0, 0, error / bound.gradients[name]))))
    return over_s, over_bound


def errors(count: int) -> Iterator[Row]:
    """Worst error of right programs over s and over the bound; the truth is the arbiter's."""
    torch, arbiter, jax = oracle("torch"), oracle("arbiter"), oracle("jax")
    for dtype in DTYPES:
        worst = {name: [0.0, 0.0] for name in ("NumPy", "torch", "JAX")}
        for i, case in enumerate(islice(networks(dtype, 77), count)):
            s, truth, bound = spread(case), arbiter.answer(case), bounds(case)
            answers = {"NumPy": evaluate(case), "torch": torch.answer(case, None)}
            if i % 10 == 0:
                answers["JAX"] = jax.answer(case, None)
            for name, answer in answers.items():
                worst[name] = [max(a, b) for a, b in zip(worst[name], _worst(answer, truth, s, bound), strict=True)]
        for name, (over_s, over_bound) in worst.items():
            n = count // 10 if name == "JAX" else count
            yield f"worst error over s, {name}, {dtype} ({n} networks)", f"{over_s:.2f}", "below 16"
            yield f"worst error over the bound, {name}, {dtype}", f"{over_bound:.3f}", "below 1"


def mlp(depth: int, activation: str = "tanh", width: int = 16) -> Network:
    hidden = [{"kind": "dense", "units": width}, {"kind": "activation", "function": activation}] * (depth - 1)
    return parse.network({"format": 1, "input_shape": [width], "layers": [*hidden, {"kind": "dense", "units": 2}],
                              "loss": {"kind": "squared_error"}})


DESIGN = {(3, "float64"): "bound 2e-12", (10, "float64"): "bound 1e-7",
          (3, "float32"): "bound 1e-3", (10, "float32"): "bound 80"}


def sharpness(count: int) -> Iterator[Row]:
    """Median of 16 s / |g| over entries above 1 % of the largest."""
    for depth in (3, 10):
        for dtype in DTYPES:
            ratios = []
            for seed in range(count):
                case = build(mlp(depth), 4, "real", Style(), seed, dtype)
                s = spread(case)
                for name, g in s.truth.gradients.items():
                    large = np.abs(g) > 0.01 * np.abs(g).max()
                    ratios.append(np.median(SLACK * s.gradients[name][large] / np.abs(g[large])))
            design = "1.9e-14" if dtype == "float64" else "1.0e-5"
            yield (f"median tolerance over gradient, depth {depth}, {dtype}", f"{np.median(ratios):.1e}",
                   f"design: sampling {design}, {DESIGN[depth, dtype]}")


def timed(function: Callable[[], Any], repeats: int = 7) -> float:
    return statistics.median(seconds_of(function, repeats))


def cost(count: int) -> Iterator[Row]:
    """The tolerance over one reference backprop, network by network."""
    chosen = list(islice(networks("float64", 5), count))
    ratios = [timed(lambda c=c: tolerance._spread(c, SAMPLES, 0))  # type: ignore[misc]
              / timed(lambda c=c: evaluate(c)) for c in chosen]  # type: ignore[misc]
    median = f"{statistics.median(ratios):.1f}"
    yield f"cost of the tolerance in reference backprops, median of {count}", median, "at most 12"
    yield "the same, worst tenth", f"{np.quantile(ratios, 0.9):.1f}", "(no bar)"


# --- whole processes ------------------------------------------------------------------------------------------------


def process(*command: str, runs: int = 7, folder: str | None = None) -> float:
    """Median wall seconds of a command."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True, cwd=folder)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def start_up(count: int) -> Iterator[Row]:
    python = sys.executable
    yield "--help", f"{process(python, '-m', 'backproof', '--help'):.3f} s", "0.2 s"
    pairs = [(process(python, "-c", "import backproof", runs=1), process(python, "-c", "pass", runs=1))
             for _ in range(15)]
    yield "import backproof", f"{1e3 * statistics.median(a - b for a, b in pairs):.1f} ms", "20 ms"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        run = (python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
        without = (*run, "-p", "no:backproof")
        pairs = [(process(*run, runs=1, folder=folder), process(*without, runs=1, folder=folder)) for _ in range(9)]
    added = statistics.median(a - b for a, b in pairs)
    yield "what the plug-in adds to a pytest run", f"{1e3 * added:.1f} ms", "20 ms"


def verify(count: int) -> Iterator[Row]:
    run = (sys.executable, "-m", "backproof", "verify")
    seconds = process(*run, "reference", runs=3)
    yield "verify reference, default budget, every oracle, imports included", f"{seconds:.1f} s", "at most 8 s"
    with tempfile.TemporaryDirectory() as folder:
        code = README.read_text("utf-8").partition("```python\n")[2].partition("```")[0]
        Path(folder, "my_file.py").write_text(code, "utf-8")
        seconds = process(*run, "my_file.py:backprop", runs=3, folder=folder)
    yield "verify the function of the README, imports included", f"{seconds:.1f} s", "at most 6 s"


STRUCTURED = ("parallel", "shared", "transposed", "sequence")


def _on_structure(job: tuple[str, str]) -> tuple[str, str, bool, bool, bool]:
    """One fault as the subject, on networks of one structure: whether it shows there, is caught, is named."""
    from backproof.faults import FAULTS, shows
    from backproof.faults.behaviour import asked
    from backproof.faults.showing import structures_in
    from backproof.running.run import run

    name, structure = job
    fault = FAULTS[name]
    claims = replace(subject("reference").claims, layers=structures_in(fault.family) or (structure,))
    made = Subject(name, claims, asked(fault), fresh=lambda: asked(fault))
    with np.errstate(all="ignore"):
        report = run(made, Plan(examples=60, oracles=("torch",), stop_after=4), Recorder())
        caught = bool(report.findings)
        visible = caught or any(shows(fault, case) for case in islice(drawn(cases(claims), 0), 60))
    return name, structure, visible, caught, caught and name in report.findings[0].faults


def structures(count: int) -> Iterator[Row]:
    """Every fault of the table on residual and other parallel, shared, transposed and sequence networks."""
    from backproof.faults import FAULTS

    with ProcessPoolExecutor(2) as pool:
        for structure in STRUCTURED:
            jobs = [(name, structure) for name in list(FAULTS)[:count]]
            rows = [row for row in pool.map(_on_structure, jobs, chunksize=4) if row[2]]
            caught, named = sum(row[3] for row in rows), sum(row[4] for row in rows)
            missed = [row[0] for row in rows if not row[4]]
            yield (f"faults on {structure} networks, of {len(rows)} that show: caught, named",
                   f"{caught}, {named} {missed or ''}", "all, 95 %")


def others(count: int) -> Iterator[Row]:
    """19 wrong backward passes before other gradient checkers; a cell is caught, or not, at batch 4 / batch 1."""
    sys.path.insert(0, str(Path(__file__).parent))
    import others as table

    yield "wrong backward pass", " | ".join(table.CHECKERS), "backproof says"
    for mistake, *cells, says in table.rows():
        yield mistake, " | ".join(cells), says


def table(module: str, rows: str = "rows") -> Callable[[int], Iterator[Row]]:
    """The figure of a file beside this one: what its function of this name gives, so many networks each."""
    def figure(count: int) -> Iterator[Row]:
        sys.path.insert(0, str(Path(__file__).parent))
        yield from getattr(import_module(module), rows)(count)

    return figure


def first_finding(count: int) -> Iterator[Row]:
    """Seconds from the start of a run, imports done, to its first finding, for every fault of the second one."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from backproof.running.run import run
    from second_implementation import PLANTED, planted

    for name in ("torch", "jax", "arbiter"):
        oracle(name)
    seconds = {}
    for fault in list(PLANTED)[:count]:
        start, told = time.perf_counter(), []
        with np.errstate(all="ignore"):
            run(subject_of(planted(fault)), Plan(stop_after=1), Recorder(),
                announce=lambda _, told=told: told.append(time.perf_counter()))
        seconds[fault] = told[0] - start if told else float("inf")
    slowest = max(seconds, key=lambda fault: seconds[fault])
    yield f"seconds to the first finding, median of {len(seconds)} planted faults", (
        f"{statistics.median(seconds.values()):.1f}"), "at most 0.5"
    yield f"the same, slowest: {slowest}", f"{seconds[slowest]:.1f}", "at most 2"
    yield "planted faults beyond 2 s", ", ".join(f for f, s in seconds.items() if s > 2) or "none", "none"


# --- reports --------------------------------------------------------------------------------------------------------


OUTCOMES = ("passed",) * 17 + ("failed", "not_claimed", "inconclusive")
RENDER = """
import resource, sys
from pathlib import Path
from backproof import cli

status = cli.main(["report", *sys.argv[1:]])
memory, file = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, Path("/proc/self/status")
if file.exists():  # without what the process that started this one had
    memory = next(int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith("VmHWM"))
print(memory / (2**20 if sys.platform == "darwin" else 2**10))
sys.exit(status)
"""


def write_record(folder: Path, results: int) -> None:
    """A record of so many results, 40 on a network, on all features, with 20 findings."""
    rng, counts = np.random.default_rng(0), dict[str, dict[str, int]]()
    names = list(catalogue())
    chosen = list(islice(networks("float64", 1), 60))
    with Recorder(folder) as recorder:
        recorder.header(subject("reference"), Plan(examples=results // 40))
        for i in range(results):
            case, name, outcome = chosen[i // 40 % 60], names[i % len(names)], OUTCOMES[rng.integers(len(OUTCOMES))]
            counts.setdefault(name, {}).setdefault(outcome, 0)
            counts[name][outcome] += 1
            more = {} if i % 40 else {"agreement": {key: (float(rng.random() * 1e-15), 1e-14, 1.0)
                                                    for key in case.parameters}}
            recorder.result(case, property=name, outcome=outcome, network=i // 40 + 1, **more)
        found = [Finding("reference", "0.bias", (0,), 1.0, 2.0, 1.0, 1e-14, recorder.case(case), f"wrong: {i}")
                 for i, case in enumerate(chosen[:20])]
        figures = {"digits": 15.0, "smallest_error": 1e-14, "sharp": 100, "comparisons": 200}
        recorder.footer(Report("reference", "does_not_conform", {}, 0, counts, found, {"float64": {"bias": figures}},
                               networks=results // 40))


def report(count: int) -> Iterator[Row]:
    """Every rendering of one large record, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        write_record(Path(folder), count)
        for name in RENDERINGS:
            out, start = Path(folder, "rendered"), time.perf_counter()
            done = subprocess.run([sys.executable, "-c", RENDER, folder, "--format", name, "--out", str(out)],
                                  capture_output=True, text=True, check=True)
            seconds, memory = time.perf_counter() - start, float(done.stdout.split()[-1])
            yield (f"{name} of {count:,} results, imports included",
                   f"{seconds:.1f} s, {memory:.0f} MiB, {out.stat().st_size / 2**10:.0f} KiB of text",
                   "20 s, 500 MiB")


FIGURES: dict[str, tuple[Callable[[int], Iterator[Row]], int]] = {
    "start_up": (start_up, 1), "cost": (cost, 200), "sharpness": (sharpness, 50), "errors": (errors, 1000),
    "others": (others, 1), "drawing": (table("drawing"), 40), "oracles": (table("at_once"), 200), "verify": (verify, 1),
    "structures": (structures, 1000), "speed": (table("speed"), 5),
    "workers": (table("speed", "side_by_side"), 1), "profile": (table("speed", "profile"), 1), "first_finding": (first_finding, 1000),
    "large": (table("large", "figures"), 1), "report": (report, 200_000),
    "false_alarms": (false_alarms, 20_000), "steps": (table("steps", "figures"), 2000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=FIGURES, action="append", help="one figure (may be given again)")
    parser.add_argument("--count", type=int, help="how many networks each figure takes")
    options = parser.parse_args()
    for name in options.only or FIGURES:
        figure, count = FIGURES[name]
        for what, seen, bar in figure(options.count or count):
            print(f"{what:75s} {seen:35s} {bar}", flush=True)


if __name__ == "__main__":
    main()
