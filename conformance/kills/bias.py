"""Why is the bias gradient a sum? A page and its picture, with numbers from the reference.

`python -m backproof explain bias --out docs` writes them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..faults import FAULTS
from ..record.written import written
from ..reference import TABLES, Case, evaluate, parse
from ..renderings.page.adding import Sum, picture
from .lessons import LESSONS, Lesson

NAME = "0.bias"
# Set beside the right one, each by its own engine.
WRONG = ("bias-averaged-over-batch", "bias-of-first-example", "bias-of-last-example",
         "bias-not-summed-over-batch")


class Numbers(NamedTuple):
    """The example: a network of one unit, a delta for each example, and the gradient."""

    case: Case
    outputs: tuple[float, ...]
    deltas: tuple[float, ...]
    gradient: float
    difference: float


def case() -> Case:
    """One unit, two examples, a loss that is a sum."""
    network = parse.network({
        "format": 1, "input_shape": [1], "layers": [{"kind": "dense", "units": 1, "bias": True}],
        "loss": {"kind": "squared_error", "reduction": "sum"}})
    return Case(network, {"0.weight": np.array([[2.0]]), NAME: np.array([0.5])},
                np.array([[1.0], [-1.0]]), np.array([[2.0], [-3.0]]))


def numbers(step: float = 2.0**-10) -> Numbers:
    """By the reference: a batch of one has its delta for gradient, and the loss tells by itself."""
    whole = case()
    alone = [replace(whole, inputs=whole.inputs[i:i + 1], targets=whole.targets[i:i + 1])
             for i in range(whole.batch)]
    outputs = np.ravel(whole.inputs @ whole.parameters["0.weight"] + whole.parameters[NAME])
    return Numbers(whole, tuple(map(float, outputs)), tuple(map(_gradient, alone)),
                   _gradient(whole), (_moved(whole, step) - _moved(whole, -step)) / (2 * step))


def _gradient(of: Case) -> float:
    return float(evaluate(of).gradients[NAME][0])


def _moved(whole: Case, step: float) -> float:
    """The loss with a bias that is so much larger."""
    bias = whole.parameters[NAME] + step
    return float(evaluate(replace(whole, parameters={**whole.parameters, NAME: bias})).loss)


def drawn(found: Numbers) -> str:
    """docs/bias.svg."""
    bias = written(float(found.case.parameters[NAME][0]))
    rows = zip(np.ravel(found.case.inputs), found.outputs, np.ravel(found.case.targets),
               strict=True)
    shown = Sum("Why is the bias gradient a sum?", "b", bias,
                [f"example {i + 1}" for i in range(found.case.batch)],
                [f"x = {x:g}, y = {y:g}, t = {t:g}" for x, y, t in rows],
                [f"delta = {written(delta)}" for delta in found.deltas],
                written(found.gradient), " + ".join(map(_term, found.deltas)))
    return f"{picture(shown)}\n"


def _term(value: float) -> str:
    return f"({written(value)})" if value < 0 else written(value)


def page(found: Numbers) -> str:
    """docs/bias.md."""
    lesson: Lesson = LESSONS["bias"]
    total = " + ".join(map(_term, found.deltas))
    formulas = "\n".join(f"    {line}" for line in lesson.formulas)
    table = "\n".join(f"| `{name}` | `{FAULTS[name].wrong}` | {_answer(name, found.case)} |"
                      for name in WRONG)
    return f"""# Why is the bias gradient a sum?

There is one bias, and it reaches every example. Make it a little larger and the output of each of
them is larger by as much; the loss hears of it once from each. So what the examples send back is
added.

![two examples, one bias, two deltas that are added](bias.svg)

One unit, y = x w + b with w = {_first(found.case, "0.weight")} and b = {_first(found.case, NAME)},
two examples, and a loss that is the sum of (y - t)². The delta of an example is the derivative of
the loss by its y: 2 (y - t).

| example | x | y | t | delta |
| ---: | ---: | ---: | ---: | ---: |
{_rows(found)}

The gradient of b is {total} = **{written(found.gradient)}**. The loss says so itself: between
a bias that is a little smaller and one that is a little larger it grows by
{written(found.difference)} times what the bias grows by.

{formulas}

The line that computes it is in [{lesson.stands}](../{lesson.stands}).

## And where the loss is a mean?

Then the loss is divided by the number of examples, N, and so is every delta: the division is in
`delta` already. The bias gradient is still the sum. Who writes `delta.mean(axis=0)` divides twice.

## What it is when it is wrong

On these two examples, where {written(found.gradient)} is right:

| mistake | the line | gradient of b |
| --- | --- | --- |
{table}

`python -m backproof explain bias` has all of them. This page and its picture are made by
`python -m backproof explain bias --out docs`; the numbers are those of the reference.
"""


def _first(of: Case, name: str) -> str:
    return written(float(np.ravel(of.parameters[name])[0]))


def _rows(found: Numbers) -> str:
    columns = zip(np.ravel(found.case.inputs), found.outputs, np.ravel(found.case.targets),
                  found.deltas, strict=True)
    return "\n".join(f"| {i} | {' | '.join(written(float(value)) for value in row)} |"
                     for i, row in enumerate(columns, 1))


def _answer(name: str, on: Case) -> str:
    """What the mistake gives for the bias."""
    seen = FAULTS[name].engine(TABLES)(on.copy())
    values = np.asarray(seen.gradients[NAME])
    shape = f", shape {values.shape}" if values.shape != on.parameters[NAME].shape else ""
    return f"{', '.join(written(float(v)) for v in np.ravel(values))}{shape}"


def write(folder: Path) -> list[Path]:
    """bias.md and bias.svg in a folder."""
    found = numbers()
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / "bias.md": page(found), folder / "bias.svg": drawn(found)}
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)
