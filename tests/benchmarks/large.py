"""Time against parameters: one question to a dense network, judged, beside the checkers people use.

    python tests/benchmarks/large.py                        # the table; make bench ARGS="--only large"
    python tests/benchmarks/large.py --svg docs/large.svg   # the log-log plot too

Three dense layers with tanh, batch 64, float64, one thread; sizes of 10^2 to 10^6 parameters. "backproof" is all that
a run does with one network: the subject's answer (PyTorch's modules), the comparison of every entry, PyTorch's own
autograd, differences along directions, the same question again. The others are called as their documentation shows:
torch.autograd.gradcheck, the same with fast_mode=True, and jax.test_util.check_grads in reverse mode. One that is
sure to take more than a minute, since a tenth of the parameters took six seconds and more, is not run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from backproof.judging.judge import Judge  # noqa: E402
from backproof.plug.subjects import load as subject  # noqa: E402
from backproof.properties.claims import EVERYTHING  # noqa: E402
from backproof.properties.strategies import Style, build  # noqa: E402
from backproof.reference import Case, evaluate, parse  # noqa: E402

SIZES = (10**2, 10**3, 10**4, 10**5, 10**6)
BATCH = 64
MINUTE = 60.0
Row = tuple[str, str, str]
Times = dict[str, dict[int, float]]


def case_of(parameters: int) -> Case:
    """A network of three dense layers with about so many parameters."""
    width = max(2, round((parameters / 3) ** 0.5))
    hidden = [{"kind": "dense", "units": width}, {"kind": "activation", "function": "tanh"}] * 2
    network = parse.network({"format": 1, "input_shape": [width], "layers": [*hidden, {"kind": "dense", "units": width}],
                             "loss": {"kind": "squared_error"}})
    return build(network, BATCH, "real", Style(), 0, "float64")


def seconds(do: Callable[[], Any]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


# --- the checkers ---------------------------------------------------------------------------------------------------


def judged(case: Case) -> Callable[[], Any]:
    """A judge with one network behind it, so that nothing is loaded any more; the case is always a new one."""
    judge = Judge(subject("torch"), EVERYTHING, ["torch", "differences", "complex_step"], lambda **_: None, 0)
    judge.network(case)

    def ask() -> None:
        judge.network(case.copy())
        assert not judge.tally.failures
    return ask


def gradcheck(case: Case, fast: bool) -> Callable[[], Any]:
    """PyTorch's, of every parameter."""
    import torch

    x, t = torch.from_numpy(case.inputs), torch.from_numpy(case.targets)

    def loss(*parameters: Any) -> Any:
        y = x
        for i in range(0, len(parameters), 2):
            y = torch.tanh(y) if i else y
            y = y @ parameters[i] + parameters[i + 1]
        return ((y - t) ** 2).sum() / len(x)
    parameters = [torch.from_numpy(value.copy()).requires_grad_() for value in case.parameters.values()]
    return lambda: torch.autograd.gradcheck(loss, parameters, fast_mode=fast, atol=1e-3)


def check_grads(case: Case) -> Callable[[], Any]:
    """JAX's, in reverse mode."""
    import jax
    import jax.numpy as jnp
    from jax.test_util import check_grads as check

    def loss(*parameters: Any) -> Any:
        y = case.inputs
        for i in range(0, len(parameters), 2):
            y = jnp.tanh(y) if i else y
            y = y @ parameters[i] + parameters[i + 1]
        return ((y - case.targets) ** 2).sum() / len(case.inputs)

    def ask() -> None:
        with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
            check(loss, tuple(map(jnp.asarray, case.parameters.values())), order=1, modes=["rev"], rtol=1e-3)
    return ask


CHECKERS: dict[str, Callable[[Case], Callable[[], Any]]] = {
    "backproof": judged, "gradcheck, slow": lambda case: gradcheck(case, False),
    "gradcheck, fast": lambda case: gradcheck(case, True), "check_grads": check_grads,
}


def measured() -> Times:
    """Seconds of each checker at each size, the median of up to five; those that are not run are not there."""
    import torch

    torch.set_num_threads(1)
    found: Times = {name: {} for name in CHECKERS}
    for size in SIZES:
        case = case_of(size)
        for name, make in CHECKERS.items():
            last = found[name].get(size // 10, 0.0)
            if (last > MINUTE / 10) or (size > SIZES[0] and size // 10 not in found[name]):
                continue
            ask = make(case)
            if size == SIZES[0]:
                ask()  # what a library does once
            times = [seconds(ask)]
            while len(times) < 5 and sum(times) < 3.0:
                times.append(seconds(ask))
            found[name][size] = statistics.median(times)
    return found


def slope(times: dict[int, float]) -> float:
    """Of the line through the logarithms: 1 where ten times the parameters take ten times as long."""
    return float(np.polyfit(np.log10(list(times)), np.log10(list(times.values())), 1)[0])


# --- a million parameters -------------------------------------------------------------------------------------------


def million() -> Iterator[Row]:
    """Reference backprops of each of eight networks in turn, and memory of four: what is asked differs."""
    case = case_of(10**6)
    judge = Judge(subject("torch"), EVERYTHING, ["torch", "differences"], lambda **_: None, 0)
    judge.network(case.copy())
    ratios, peaks = [], []
    for _ in range(8):
        own = statistics.median(seconds(lambda: evaluate(case)) for _ in range(5))
        asked = case.copy()
        taken = seconds(lambda asked=asked: judge.network(asked))
        own = min(own, statistics.median(seconds(lambda: evaluate(case)) for _ in range(5)))
        ratios.append(taken / own)
    for _ in range(4):
        asked = case.copy()
        tracemalloc.start()
        judge.network(asked)
        peaks.append(tracemalloc.get_traced_memory()[1] / (8 * case.size))
        tracemalloc.stop()
    yield ("1,000,000 parameters, batch 64: reference backprops, median of 8 networks",
           f"{statistics.median(ratios):.0f} ({min(ratios):.0f} to {max(ratios):.0f})", "at most 30")
    yield ("the same: memory over the parameters', worst of 4 networks", f"{max(peaks):.1f}", "at most 10")


# --- what is shown --------------------------------------------------------------------------------------------------


def rows(times: Times) -> Iterator[Row]:
    for size in SIZES:
        cells = [f"{name} {_written(by.get(size))}" for name, by in times.items()]
        yield f"seconds, {size:,} parameters", " | ".join(cells), ""
    for name, by in times.items():
        bar = "at most 1" if name == "backproof" else ""
        yield f"log-log slope, {name}", f"{slope(by):.2f}" if len(by) > 1 else "not run", bar
    yield from million()


def figures(count: int) -> Iterator[Row]:
    """All of them, measured now; there is no count to choose."""
    yield from rows(measured())


def _written(value: float | None) -> str:
    return "over 60" if value is None else f"{value:.3f}"


COLOURS = {"backproof": "#0b6e4f", "gradcheck, slow": "#b3261e", "gradcheck, fast": "#8a6d00", "check_grads": "#3b5bdb"}
WIDTH, HEIGHT, LEFT, TOP, ACROSS, DOWN = 640, 380, 70, 20, 100, 50
DECADES = range(-4, 3)  # of seconds, upwards


def svg(times: Times) -> str:
    """The log-log plot: seconds against parameters."""
    def at(size: float, taken: float) -> tuple[float, float]:
        return LEFT + (np.log10(size) - 2) * ACROSS, TOP + (DECADES[-1] - np.log10(taken)) * DOWN

    right, bottom = at(10**6, 10.0**DECADES[0])
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
             f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             "<title>Seconds to check one gradient, against the number of parameters</title>",
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for power in DECADES:
        _, y = at(100, 10.0**power)
        parts += [f'<line x1="{LEFT}" y1="{y:.0f}" x2="{right:.0f}" y2="{y:.0f}" stroke="#ddd"/>',
                  f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{10.0**power:g} s</text>']
    for size in SIZES:
        x, _ = at(size, 1.0)
        parts += [f'<line x1="{x:.0f}" y1="{TOP}" x2="{x:.0f}" y2="{bottom:.0f}" stroke="#ddd"/>',
                  f'<text x="{x:.0f}" y="{bottom + 18:.0f}" text-anchor="middle">{size:,}</text>']
    middle = (LEFT + right) / 2
    parts.append(f'<text x="{middle:.0f}" y="{bottom + 38:.0f}" text-anchor="middle">parameters</text>')
    for name, by in times.items():
        points = [at(size, taken) for size, taken in by.items()]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[name]}"/>' for x, y in points]
        x, y = points[-1]
        parts.append(f'<text x="{x + 8:.0f}" y="{y + 4:.0f}" fill="{COLOURS[name]}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--svg", type=Path, help="write the log-log plot there")
    options = parser.parse_args()
    times = measured()
    for what, seen, bar in rows(times):
        print(f"{what:75s} {seen:35s} {bar}", flush=True)
    if options.svg:
        options.svg.write_text(svg(times), encoding="utf-8")


if __name__ == "__main__":
    main()
