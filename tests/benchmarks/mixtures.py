"""Right programs in random mixtures of styles: an alarm on one of them is a mistake of ours.

    python tests/benchmarks/mixtures.py --networks 40000
    python tests/benchmarks/mixtures.py --networks 1000 --dtype float32 --seed 7

A structure is drawn as a run draws it, and gets four draws of values. Every network is answered by a program of its own,
which draws a form for every piece at every place of the network: matrix product, sum, activation, its derivative, loss,
its gradient, arrays and containers (tests/benchmarks/styles). It is asked through the contract and judged by the value
check of a run, with torch to witness; some also get the state probes, an identity and the checks along lines. Printed: what
was not passed, with case and mixture, and for every piece the worst error over s.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np  # noqa: E402
from backproof.judging.judge import Judge  # noqa: E402
from backproof.judging.plan import drawn  # noqa: E402
from backproof.plug.subject import Subject, Wrapped  # noqa: E402
from backproof.plug.undisturbed import undisturbed  # noqa: E402
from backproof.properties.claims import EVERYTHING  # noqa: E402
from backproof.properties.strategies import cases, mended  # noqa: E402
from backproof.properties.structures import STRUCTURES  # noqa: E402
from backproof.properties.tolerance import spread  # noqa: E402
from styles import containers, functions, losses, products, sums  # noqa: E402

DTYPES = ("float64", "float32")
ALL = replace(EVERYTHING, layers=tuple(STRUCTURES))
PART = 200
DRAWS = 4  # of values for one structure
FULL_EVERY = 48
NEAR = 8.0  # errors over s that are worth a look, though 16 are allowed


# --- a program --------------------------------------------------------------------------------------------------------


class Mixture:
    """A right program: `chosen` holds, by piece and place, the form that was drawn when it was first needed."""

    def __init__(self, seed: Any):
        self.rng = np.random.default_rng(seed)
        self.chosen: dict[str, str] = {}

    def form(self, piece: str, place: str, forms: dict[str, Any]) -> Any:
        """One of the forms, the same one every time."""
        return forms[self.name(piece, place, forms)]

    def name(self, piece: str, place: str, forms: dict[str, Any]) -> str:
        """The name of one of the forms, the same one every time."""
        key = f"{piece}@{place}"
        if key not in self.chosen:
            names = list(forms)
            self.chosen[key] = names[self.rng.integers(len(names))]
        return self.chosen[key]

    def product(self, place: str, x: Any, w: Any) -> Any:
        """x w."""
        formula = self.name("product", place, products.FORMULAS)
        return products.product(formula, self.name("layout", place, products.LAYOUTS), x, w)

    def summed(self, place: str, a: Any) -> Any:
        """The sum over the rows."""
        way, order = self.name("sum", place, sums.WAYS), self.name("order", place, sums.ORDERS)
        return sums.summed(way, order, a)

    def __call__(self, network: Any, parameters: Any, inputs: Any, targets: Any) -> tuple[Any, Any]:
        """backprop(network, parameters, inputs, targets) -> (loss, gradients)."""
        taken = {name: self.form("taken", name, containers.TAKEN)(value) for name, value in parameters.items()}
        return _Pass(self, network, taken).answer(self.form("taken", "inputs", containers.TAKEN)(inputs), targets)


@dataclass
class _Pass:
    """One forward and backward of a mixture."""

    mix: Mixture
    network: Any
    parameters: dict[str, Any]
    gradients: dict[str, Any] = field(default_factory=dict)

    def answer(self, inputs: Any, targets: Any) -> tuple[Any, dict[str, Any]]:
        tape: list[Any] = []
        p = self.chain(self.network.layers, "", inputs, tape)
        spec = self.network.loss
        forms, slopes = losses.FORMS[spec.kind]
        count = self.count(p)
        loss = self.reduced(self.mix.form("loss", spec.kind, forms)(p, targets), spec, count)
        fused = self.mix.form("fused", " + ".join(self.network.head), losses.FUSED.get(self.network.head, {"chain": None}))
        if fused is not None:
            tape.pop()
        d = (fused or self.mix.form("loss'", spec.kind, slopes))(p, targets)
        d, left = self.mix.form("factor", "", losses.FACTORS)(d, spec.scale, count)
        for back in reversed(tape):
            d = back(d)
        self.gradients["inputs"] = d
        given = {name: self.mix.form("given", name, containers.GIVEN)(g * left if left != 1 else g)
                 for name, g in self.gradients.items()}
        return (self.mix.form("loss given", "", containers.LOSSES)(loss),
                self.mix.form("mapping", "", containers.MAPPINGS)(given))

    def count(self, p: Any) -> int:
        """How many numbers the loss is the mean of."""
        spec = self.network.loss
        per_example = spec.kind in ("cross_entropy", "softmax_cross_entropy")
        return {"sum": 1, "mean_over_batch": p.shape[0],
                "mean": p.size // p.shape[-1] if per_example else p.size}[spec.reduction]

    def reduced(self, array: Any, spec: Any, count: int) -> Any:
        total = self.mix.summed("loss", array.reshape(-1, 1))[0]
        return total / count * spec.scale if self.mix.name("reduction", "", {"a": 0, "b": 1}) == "a" else (
            spec.scale / count * total)

    # --- layers ---

    def chain(self, layers: Any, prefix: str, x: Any, tape: list[Any]) -> Any:
        for i, spec in enumerate(layers):
            name = f"{prefix}.{i}" if prefix else str(i)
            x, back = getattr(self, spec.kind)(name, spec, x)
            tape.append(back)
        return x

    def owner(self, name: str, local: str, spec: Any) -> tuple[str, bool]:
        """The name of a parameter, and whether it is used transposed."""
        shared = f"{spec.share}.{local}"
        if spec.share is not None and shared in self.parameters:
            if not spec.transpose:
                return shared, False
            if local == "weight":
                return shared, True
        return f"{name}.{local}", False

    def add(self, name: str, gradient: Any) -> None:
        self.gradients[name] = self.gradients[name] + gradient if name in self.gradients else gradient

    def dense(self, name: str, spec: Any, x: Any) -> tuple[Any, Any]:
        mix, rows = self.mix, x.reshape(-1, x.shape[-1])
        (w_name, turned), (b_name, _) = self.owner(name, "weight", spec), self.owner(name, "bias", spec)
        w, b = self.parameters[w_name], self.parameters.get(b_name) if spec.options["bias"] else None
        w = w.T if turned else w
        y = self.affine(name, rows, w, b)

        def back(dy: Any) -> Any:
            delta = dy.reshape(-1, dy.shape[-1])
            dw = mix.product(f"{name} dw", rows.T, delta)
            self.add(w_name, dw.T if turned else dw)
            if b is not None:
                self.add(b_name, mix.summed(name, delta))
            return mix.product(f"{name} dx", delta, w.T).reshape(x.shape)

        return y.reshape(*x.shape[:-1], y.shape[-1]), back

    def affine(self, name: str, rows: Any, w: Any, b: Any) -> Any:
        mix = self.mix
        if b is None:
            return mix.product(name, rows, w)
        way = mix.name("bias", name, {**products.BIAS, "augmented": None})
        if way == "augmented":
            formula, layout = mix.name("product", name, products.FORMULAS), mix.name("layout", name, products.LAYOUTS)
            return products.augmented(formula, layout, rows, w, b)
        return products.BIAS[way](mix.product(name, rows, w), b)

    def activation(self, name: str, spec: Any, z: Any) -> tuple[Any, Any]:
        kind = spec.options["function"]
        forms, slopes = functions.FORMS[kind]
        more = (spec.options["slope"],) if "slope" in spec.options else ()
        y = self.mix.form(kind, name, forms)(z, *more)
        slope = self.mix.form(f"{kind}'", name, slopes)
        if kind == "softmax":
            return y, lambda dy: slope(y, dy)
        return y, lambda dy: dy * slope(z, y, *more)

    def parallel(self, name: str, spec: Any, x: Any) -> tuple[Any, Any]:
        tapes: list[list[Any]] = [[] for _ in spec.branches]
        ys = [self.chain(branch, f"{name}.{b}", x, tapes[b]) for b, branch in enumerate(spec.branches)]
        y, split = COMBINE[spec.options["combine"]](ys)

        def back(dy: Any) -> Any:
            total = 0.0
            for tape, d in zip(tapes, split(dy), strict=True):
                for step in reversed(tape):
                    d = step(d)
                total = total + d
            return total

        return y, back


def _add(ys: list[Any]) -> tuple[Any, Any]:
    return sum(ys[1:], start=ys[0]), lambda dy: [dy for _ in ys]


def _concatenate(ys: list[Any]) -> tuple[Any, Any]:
    edges = np.cumsum([y.shape[-1] for y in ys])[:-1]
    return np.concatenate(ys, axis=-1), lambda dy: np.split(dy, edges, axis=-1)


def _multiply(ys: list[Any]) -> tuple[Any, Any]:
    def split(dy: Any) -> list[Any]:
        return [dy * np.prod([y for j, y in enumerate(ys) if j != i], axis=0) for i in range(len(ys))]

    return np.prod(ys, axis=0), split


COMBINE = {"add": _add, "concatenate": _concatenate, "multiply": _multiply}


def counts() -> dict[str, int]:
    """How many styles each piece has: forms times layouts or orders, f times f'."""
    pieces = {"matrix product": len(products.FORMULAS) * len(products.LAYOUTS), "sum": len(sums.WAYS) * len(sums.ORDERS),
              "containers": len(containers.TAKEN) * len(containers.GIVEN)}
    both = {**functions.FORMS, **losses.FORMS}
    return pieces | {name: len(f) * len(df) for name, (f, df) in both.items()}


def _plainest() -> dict[str, str]:
    """By piece, its first form."""
    tables = {"product": products.FORMULAS, "layout": products.LAYOUTS, "bias": products.BIAS, "sum": sums.WAYS,
              "order": sums.ORDERS, "taken": containers.TAKEN, "given": containers.GIVEN, "mapping": containers.MAPPINGS,
              "loss given": containers.LOSSES, "factor": losses.FACTORS, "reduction": {"a": 0}, "fused": {"chain": None}}
    found = {piece: next(iter(forms)) for piece, forms in tables.items()}
    for name, (forms, slopes) in functions.FORMS.items():
        found |= {name: next(iter(forms)), f"{name}'": next(iter(slopes))}
    return found


PLAINEST = _plainest()


def plainest(case: Any, key: str) -> str:
    """The first form of a piece."""
    piece = key.partition("@")[0]
    if piece in ("loss", "loss'"):
        return str(next(iter(losses.FORMS[case.network.loss.kind][piece == "loss'"])))
    return PLAINEST[piece]


# --- judging ----------------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """What a part of a run saw: networks asked and judged, what was not passed, the worst error over s by form."""

    asked: int = 0
    judged: int = 0
    checks: int = 0
    alarms: list[dict[str, Any]] = field(default_factory=list)
    near: list[dict[str, Any]] = field(default_factory=list)
    worst: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, other: Seen) -> None:
        self.asked, self.judged, self.checks = (
            self.asked + other.asked, self.judged + other.judged, self.checks + other.checks)
        self.alarms += other.alarms
        self.near += other.near
        for name, ratio in other.worst.items():
            self.worst[name] = max(self.worst[name], ratio)


BAD = ("failed", "errored", "declined", "inconclusive")


def networks(dtype: str, start: int) -> Iterator[Any]:
    """Endless cases of everything there is: drawn as a run draws them, then with other parameters."""
    rng = np.random.default_rng(start)
    for case in drawn(cases(ALL, dtype=dtype), start):
        yield case
        for _ in range(DRAWS - 1):
            scaled = {name: (value * rng.uniform(0.5, 1.5, value.shape)).astype(value.dtype)
                      for name, value in case.parameters.items()}
            yield mended(case.but(parameters=scaled), rng)


def part(job: tuple[str, int, int]) -> Seen:
    """So many networks of one dtype, from one start."""
    import torch

    torch.set_num_threads(1)
    dtype, start, count = job
    seen = Seen()
    with undisturbed():
        for i, case in enumerate(islice(networks(dtype, start), count)):
            one(seen, case, Mixture([start, i]), full=i % FULL_EVERY == 0, where=[dtype, start, i])
    seen.worst = dict(seen.worst)
    return seen


def one(seen: Seen, case: Any, mix: Mixture, full: bool = False, where: Any = None) -> None:
    """Ask one mixture about one case, and note what became of it."""
    results: list[dict[str, Any]] = []
    answers: list[Any] = []
    inside = Wrapped(mix)

    def engine(question: Any) -> Any:
        answers.append((question, inside(question)))
        return answers[-1][1]

    subject = Subject("mixture", ALL, engine)
    judge = Judge(subject, ALL, ["torch"], lambda **more: results.append(more), 0)
    judge.names, judge.per_network = (), 1
    if full:
        judge.tally.networks = case.batch  # so that some get the checks along lines
        judge.network(case)
    else:
        judge.ask(case)
    seen.asked += 1
    seen.judged += bool(answers)
    seen.checks += len(results)
    bad = [f"{r['property']}: {r['outcome']} {r.get('why', '')}" for r in results if r["outcome"] in BAD]
    bad += [f"{f.property}: {f.message} {d}" for found in judge.tally.failures.values() for f in found
            for d in (f.disagreements or ("",))]
    bad += judge.tally.divergences
    if bad:
        chosen = dict(mix.chosen)
        seen.alarms.append({"where": where, "case": case.id, "head": case.network.head, "told": bad, "mix": chosen,
                            "json": case.to_json(), "blamed": blamed(case, chosen)})
    for question, answer in answers[:1]:
        _note(seen, question, answer, mix, where)


def worst(case: Any, answer: Any) -> float:
    """The largest error over s, of the loss and of every gradient."""
    s = spread(case)
    pairs = [(answer.loss, s.truth.loss, s.loss)] + [(g, s.truth.gradients[k], s.gradients[k])
                                                     for k, g in answer.gradients.items()]
    ratio = max(float(np.max(np.abs(np.asarray(a, float) - b) / c, initial=0.0)) for a, b, c in pairs)
    return float("inf") if np.isnan(ratio) else ratio


def blamed(case: Any, chosen: dict[str, str]) -> list[str]:
    """The choices without which the error over s is less than half of what it is."""
    def error(without: str = "") -> float:
        mix = Mixture(0)
        mix.chosen = {**chosen, **({without: plainest(case, without)} if without else {})}
        try:
            return worst(case, Wrapped(mix)(case))
        except Exception:
            return float("inf")

    full = error()
    found = [(error(key) / full if full else 1.0, f"{key}: {name}") for key, name in chosen.items()]
    return [f"{name} (x {ratio:.2g} without)" for ratio, name in sorted(found) if ratio < 0.7][:4]


def _note(seen: Seen, case: Any, answer: Any, mix: Mixture, where: Any) -> None:
    ratio = worst(case, answer)
    if ratio > NEAR:
        seen.near.append({"near": ratio, "where": where, "case": case.id, "head": case.network.head, "json": case.to_json(),
                          "mix": dict(mix.chosen), "blamed": blamed(case, dict(mix.chosen))})
    for key, name in mix.chosen.items():
        style = f"{key.partition('@')[0]}: {name}"
        seen.worst[style] = max(seen.worst[style], ratio)


def jobs(dtype: str, seed: int, networks: int) -> Iterator[tuple[str, int, int]]:
    for i, start in enumerate(range(0, networks, PART)):
        yield dtype, 1000 * seed + i, min(PART, networks - start)


def run(dtype: str, seed: int, networks: int, processes: int, keep: str | None) -> Seen:
    """All networks of one dtype, with a line of progress on stderr."""
    total, started = Seen(), time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        for seen in pool.map(part, jobs(dtype, seed, networks)):
            total.add(seen)
            print(f"\r{dtype}: {total.asked:,} of {networks:,} networks, {len(total.alarms)} alarms, "
                  f"{time.monotonic() - started:.0f} s ", end="", file=sys.stderr, flush=True)
            if keep:
                with open(keep, "a", encoding="utf-8") as file:
                    file.writelines(json.dumps(each) + "\n" for each in (*seen.alarms, *seen.near))
    print(file=sys.stderr)
    return total


def told(dtype: str, seen: Seen, most: int) -> None:
    print(f"right programs in mixtures of styles, {dtype}: {len(seen.alarms)} alarms in {seen.asked:,} networks "
          f"({seen.judged:,} judged, {seen.checks:,} checks)")
    for alarm in seen.alarms[:most]:
        print(f"  {alarm['where']} {alarm['case']} {alarm['head']}: {'; '.join(alarm['told'])[:400]}")
        print(f"    without which it is smaller: {', '.join(alarm['blamed']) or 'no single form'}")
    for near in sorted(seen.near, key=lambda near: -near["near"])[:most]:
        print(f"  no alarm, but {near['near']:.1f} s: {near['where']} {near['case']} {near['head']}: {', '.join(near['blamed'])}")
    pieces: dict[str, tuple[float, str]] = {}
    for style, ratio in seen.worst.items():
        piece, _, form = style.partition(": ")
        pieces[piece] = max(pieces.get(piece, (0.0, "")), (ratio, form))
    print("  worst error over s by piece: " + ", ".join(f"{piece} {ratio:.1f}" for piece, (ratio, _) in sorted(pieces.items())))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtype", choices=DTYPES)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", help="a file that gets every alarm as a line of JSON")
    parser.add_argument("--most", type=int, default=10, help="how many alarms are printed")
    options = parser.parse_args()
    print("styles: " + ", ".join(f"{name} {count}" for name, count in counts().items()))
    alarms = 0
    for dtype in [options.dtype] if options.dtype else DTYPES:
        seen = run(dtype, options.seed, options.networks, options.processes, options.keep)
        told(dtype, seen, options.most)
        alarms += len(seen.alarms)
    return bool(alarms)


if __name__ == "__main__":
    sys.exit(main())
