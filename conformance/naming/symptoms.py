"""What a wrong gradient looks like where no known mistake matches: a row for each symptom.

A symptom is data, and its words are made elsewhere. It is told where it holds on the reduced case
and on its variations (ordinary numbers for zeros and ones): on a network of one unit almost
anything equals almost anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from ..record.written import written
from ..reference import TABLES
from ..reference.kinds import Step
from .derivative import used
from .ratios import factor
from .witnessed import Witnessed

PRECISIONS = {"float32": 7.2, "float16": 3.3, "bfloat16": 2.4}


class Kind(Enum):
    """What can be said of a wrong gradient."""

    ONLY_INPUTS = "only the inputs' gradient is wrong"
    LAST_LAYER = "the last layer with parameters is wrong already"
    FIRST_WRONG = "where it goes wrong first, going back from the loss"
    TRANSPOSED = "the transpose of what it should be"
    ANOTHERS = "another parameter's gradient"
    ONE_EXAMPLE = "the gradient of one example alone"
    DETACHED = "nothing is handed down below a layer"
    SKIPPED = "a layer is left out on the way back"
    DERIVATIVE = "which function of z or a was used as a derivative"
    RATIOS = "a constant times what it should be"
    DIGITS = "how many digits agree"


class Symptom(NamedTuple):
    """One thing that can be said.

    `layers`: the layers it speaks of, `parameters` the gradients, `numbers` a number for each of
    them or the one it tells; `like`: a layer's function, a number format, or a derivative.
    """

    kind: Kind
    layers: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    like: str = ""


Tell = Callable[[Witnessed], "Symptom | None"]


def layer_of(parameter: str) -> str:
    return parameter.rpartition(".")[0]


def layers_with_parameters(seen: Witnessed) -> list[str]:
    """Their names, in the order of the forward."""
    having = {layer_of(name) for name in seen.case.parameters}
    return [name for name, _ in seen.case.network.walk() if name in having]


def first_wrong(seen: Witnessed) -> Symptom | None:
    """Going back from the loss, where it goes wrong first."""
    layers = layers_with_parameters(seen)
    wrong = [layer for layer in layers if layer in {layer_of(name) for name in seen.wrong}]
    if not wrong:
        return Symptom(Kind.ONLY_INPUTS)
    if wrong[-1] == layers[-1]:
        return Symptom(Kind.LAST_LAYER, (wrong[-1],))
    above = layers[layers.index(wrong[-1]) + 1]
    return Symptom(Kind.FIRST_WRONG, (above, wrong[-1]))


def transposed(seen: Witnessed) -> Symptom | None:
    def turned(name: str) -> bool:
        true = seen.truth[name]
        return true.ndim == 2 and true.shape == true.T.shape and seen.equals(name, true.T)

    names = tuple(filter(turned, seen.wrong))
    return Symptom(Kind.TRANSPOSED, parameters=names) if names else None


def anothers(seen: Witnessed) -> Symptom | None:
    """Equal to the gradient of another parameter."""
    for name in seen.wrong:
        for other, true in seen.truth.items():
            if other != name and true.shape == seen.truth[name].shape and seen.equals(name, true):
                return Symptom(Kind.ANOTHERS, parameters=(name, other))
    return None


def ratios(seen: Witnessed) -> Symptom | None:
    """A constant ratio for each wrong parameter."""
    found = {name: k for name in seen.wrong if (k := constant_ratio(seen, name))}
    if len(found) < len(seen.wrong):
        return None
    rounded_to = tuple(float(written(k, 6)) for k in found.values())
    return Symptom(Kind.RATIOS, parameters=tuple(found), numbers=rounded_to)


def constant_ratio(seen: Witnessed, name: str) -> float:
    """k where the subject's gradient is k times the truth, 0 where there is no such number."""
    got = np.ravel(seen.answer.gradients[name]).astype(float)
    k = factor(got, np.ravel(seen.truth[name]))
    return k if k and seen.equals(name, k * seen.truth[name]) else 0.0


# --- other ways back ------------------------------------------------------------------------------


def one_example(seen: Witnessed) -> Symptom | None:
    """Equal to the gradient of one example of the batch alone."""
    last, batch = str(len(seen.case.network.layers) - 1), seen.case.batch
    for row in range(batch if batch > 1 else 0):
        kept = np.arange(batch) == row

        def sweep(tape: list[Step], i: int, dy: Any,
                  kept: Any = kept) -> tuple[Any, dict[str, Any]]:
            at_the_end = tape[i].scope.name == last
            return TABLES.sweep(tape, i, (dy.T * kept).T if at_the_end else dy)

        if seen.goes_back_by(sweep):
            return Symptom(Kind.ONE_EXAMPLE, numbers=(float(row),))
    return None


def detached(seen: Witnessed) -> Symptom | None:
    """Equal to the gradient of a network in which nothing is handed down below some layer."""
    for at, spec in list(seen.case.network.walk())[1:]:
        def sweep(tape: list[Step], i: int, dy: Any, at: str = at) -> tuple[Any, dict[str, Any]]:
            dx, gradients = TABLES.sweep(tape, i, dy)
            cut = tape[i].scope.name == at and dx is not None
            return (0.0 * dx if cut else dx), gradients

        if seen.goes_back_by(sweep):
            return Symptom(Kind.DETACHED, (at,), like=spec.function or spec.kind)
    return None


def skipped(seen: Witnessed) -> Symptom | None:
    """Equal to the gradient that leaves some layer out on the way back."""
    for at, spec in seen.case.network.walk():
        def sweep(tape: list[Step], i: int, dy: Any, at: str = at) -> tuple[Any, dict[str, Any]]:
            dx, gradients = TABLES.sweep(tape, i, dy)
            here = tape[i].scope.name == at and dx is not None and dx.shape == dy.shape
            return (dy if here else dx), gradients

        if seen.goes_back_by(sweep):
            return Symptom(Kind.SKIPPED, (at,), like=spec.function or spec.kind)
    return None


# --- all of them ----------------------------------------------------------------------------------


def digits(every: Sequence[Witnessed]) -> Symptom | None:
    """How many digits the wrong gradients agree to, and which precision keeps as many."""
    worst = max(_relative(seen, name) for seen in every for name in seen.wrong)
    kept = -np.log10(worst) if 0 < worst < np.inf else 0.0
    if kept < 1:
        return None
    nearest = min(PRECISIONS, key=lambda name: abs(PRECISIONS[name] - kept))
    like = nearest if abs(PRECISIONS[nearest] - kept) < 0.8 else ""
    return Symptom(Kind.DIGITS, numbers=(float(round(kept)),), like=like)


def _relative(seen: Witnessed, name: str) -> float:
    true = seen.truth[name]
    error = np.abs(np.asarray(seen.answer.gradients[name], dtype=float) - true).max()
    return float(error / np.abs(true).max()) if np.any(true) else float("inf")


SYMPTOMS: tuple[Tell, ...] = (first_wrong, transposed, anothers, one_example, detached, skipped,
                              ratios)


def of_derivative(seen: Witnessed) -> Symptom | None:
    """Which derivative was used, where there is a row for it; solved for on networks of its own."""
    found = used(seen)
    if found is None:
        return None
    return Symptom(Kind.DERIVATIVE, (found.function,), numbers=(found.times,), like=found.form)


def symptoms(every: Sequence[Witnessed]) -> Iterator[Symptom]:
    """Every symptom of the first that all the others wrong in the same gradients have too."""
    solved = of_derivative(every[0])
    if solved is not None:
        yield solved
    alike = [seen for seen in every if seen.wrong == every[0].wrong]
    if len(alike) == 1 and len(every) > 1:
        return
    for tell in SYMPTOMS:
        told = [tell(seen) for seen in alike]
        if told[0] is not None and all(each == told[0] for each in told):
            yield told[0]
    found = digits(alike)
    if found is not None:
        yield found
